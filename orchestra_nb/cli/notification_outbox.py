"""``orchestra notifications outbox``: messages, and what is decided about those that could not be sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.run_tables import ago, name_and_id, one_line, print_table, printable, say_if_cut
from orchestra_nb.cli.stored_numbers import STORED_NUMBER
from orchestra_nb.model.outbox import Delivery, DeliveryState
from orchestra_nb.model.webhook_calls import call_lines, call_of
from orchestra_nb.operations import notifications as operations
from orchestra_nb.operations.runs import names_of_runs
from orchestra_nb.time_zones import time_text

_number_argument = click.argument("number", type=STORED_NUMBER)

#: What waits for the services, or for a decision.
_OPEN = (DeliveryState.PENDING, DeliveryState.DEAD)


@click.group()
def outbox() -> None:
    """List and show messages; retry and discard dead letters."""


@outbox.command()
@click.option("--all", "is_all", is_flag=True, help="Also those that were sent or discarded.")
@click.option("--dead", "is_dead", is_flag=True, help="Only dead letters: no try is left.")
@click.option("--run", metavar="RUN", help="Only those of this run: its id or name.")
@click.option(
    "--limit",
    type=click.IntRange(1, operations.MAX_DELIVERIES),
    default=20,
    show_default=True,
    help="At most so many.",
)
@as_json_option
def ls(is_all: bool, is_dead: bool, run: str | None, limit: int, as_json: bool) -> None:
    """List messages that wait, and dead letters, the newest first."""
    states = (DeliveryState.DEAD,) if is_dead else None if is_all else _OPEN
    most = min(limit + 1, operations.MAX_DELIVERIES)
    with opened_backend() as backend:
        found = backend.call(operations.list_deliveries, states=states, run=run, limit=most)
        names = backend.call(names_of_runs, [delivery.run_id for delivery in found])
    is_cut, found = len(found) > limit, found[:limit]
    if as_json:
        print_json({"notifications": [_document(delivery, names) for delivery in found]})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("NUMBER", "STATE", "CHANNEL", "RULE", "RUN", "SINCE", "TRIES", "TITLE", "ERROR"),
            [
                [
                    str(delivery.number),
                    delivery.state.value.lower(),
                    delivery.channel,
                    delivery.rule,
                    names.get(delivery.run_id, delivery.run_id) or "-",
                    ago(delivery.created_at, now),
                    str(delivery.attempts),
                    delivery.title,
                    delivery.error or "-",
                ]
                for delivery in found
            ],
        )
        say_if_cut(is_cut, limit, operations.MAX_DELIVERIES)
    else:
        click.echo("No notifications." if is_all else "No notifications wait. --all lists those that were sent, too.")


@outbox.command()
@_number_argument
@as_json_option
def show(number: int, as_json: bool) -> None:
    """Show a message with its text and what became of it."""
    with opened_backend() as backend:
        delivery = backend.call(operations.show_delivery, number)
        names = backend.call(names_of_runs, [delivery.run_id])
    if as_json:
        print_json(_document(delivery, names))
        return
    click.echo(f"{delivery.number}  {printable(delivery.title)}  {delivery.state.value.lower()}")
    is_pending = delivery.state is DeliveryState.PENDING
    facts = (
        ("channel", delivery.channel),
        ("rule", delivery.rule),
        ("run", name_and_id(delivery.run_id, names)),
        ("tries", str(delivery.attempts)),
        ("error", delivery.error),
        ("since", _time(delivery.created_at)),
        ("next try", _time(delivery.next_try_at) if is_pending else None),
        ("closed", _time(delivery.closed_at)),
        ("decided by", delivery.closed_by),
    )
    for name, value in facts:
        if value:
            click.echo(f"  {name:<12}{one_line(value)}")
    call = call_of(delivery)
    text = delivery.body if call is None else "\n".join(call_lines(call))
    click.echo(f"\n{printable(text)}")


@outbox.command()
@_number_argument
@as_json_option
def retry(number: int, as_json: bool) -> None:
    """Have a dead letter, a discarded message, or one that waits for its next try, sent now by the services."""
    with opened_backend() as backend:
        delivery = backend.call(operations.retry_delivery, number, actor=caller(), now=datetime.now(UTC))
        names = backend.call(names_of_runs, [delivery.run_id])
    _tell(delivery, names, "is sent once more", as_json)


@outbox.command()
@_number_argument
@as_json_option
def discard(number: int, as_json: bool) -> None:
    """Decide that a message is not sent."""
    with opened_backend() as backend:
        delivery = backend.call(operations.discard_delivery, number, actor=caller(), now=datetime.now(UTC))
        names = backend.call(names_of_runs, [delivery.run_id])
    _tell(delivery, names, "is discarded", as_json)


def _tell(delivery: Delivery, names: Mapping[str | None, str], words: str, as_json: bool) -> None:
    if as_json:
        print_json(_document(delivery, names))
    else:
        click.echo(f"{delivery.number} {words}.")


def _document(delivery: Delivery, names: Mapping[str | None, str]) -> dict[str, object]:
    """Return a message as scripts read it; ``run`` is the name, null where it is about none or that is gone."""
    return msgspec.structs.asdict(delivery) | {"run": names.get(delivery.run_id)}


def _time(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)
