"""``orchestra notifications outbox``: messages, and what is decided about those that could not be sent."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller, opened_store
from orchestra_nb.cli.run_tables import ago, one_line, print_table, printable, say_if_cut
from orchestra_nb.model.outbox import Delivery, DeliveryState
from orchestra_nb.operations import notifications as operations

_number_argument = click.argument("number", type=int)

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
    with opened_store() as store:
        found = operations.list_deliveries(store, states=states, run=run, limit=most)
    is_cut, found = len(found) > limit, found[:limit]
    if as_json:
        print_json({"notifications": found})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("NUMBER", "STATE", "CHANNEL", "RULE", "SINCE", "TRIES", "TITLE", "ERROR"),
            [
                [
                    str(delivery.number),
                    delivery.state.value.lower(),
                    delivery.channel,
                    delivery.rule,
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
    with opened_store() as store:
        delivery = operations.show_delivery(store, number)
    if as_json:
        print_json(delivery)
        return
    click.echo(f"{delivery.number}  {printable(delivery.title)}  {delivery.state.value.lower()}")
    is_pending = delivery.state is DeliveryState.PENDING
    facts = (
        ("channel", delivery.channel),
        ("rule", delivery.rule),
        ("run", delivery.run_id),
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
    click.echo(f"\n{printable(delivery.body)}")


@outbox.command()
@_number_argument
@as_json_option
def retry(number: int, as_json: bool) -> None:
    """Have a dead letter, or a discarded message, sent once more by the services."""
    with opened_store() as store:
        delivery = operations.retry_delivery(store, number, actor=caller(), now=datetime.now(UTC))
    _tell(delivery, "is sent once more", as_json)


@outbox.command()
@_number_argument
@as_json_option
def discard(number: int, as_json: bool) -> None:
    """Decide that a message is not sent."""
    with opened_store() as store:
        delivery = operations.discard_delivery(store, number, actor=caller(), now=datetime.now(UTC))
    _tell(delivery, "is discarded", as_json)


def _tell(delivery: Delivery, words: str, as_json: bool) -> None:
    if as_json:
        print_json(delivery)
    else:
        click.echo(f"{delivery.number} {words}.")


def _time(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
