"""``orchestra webhooks``: addresses that others send messages to, and what became of each message."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.duration_option import DURATION
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.run_tables import ago, print_table, printable, say_if_cut
from orchestra_nb.cli.stored_numbers import STORED_NUMBER
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.webhooks import Receipt, ReceiptState, StoredWebhook, Webhook, WebhookChanges, WebhookScheme
from orchestra_nb.operations import webhooks as operations
from orchestra_nb.operations.deployment_request import read_seconds
from orchestra_nb.time_zones import time_text

if TYPE_CHECKING:
    from orchestra_nb.cli.backend import Backend

_name_argument = click.argument("name")
_number_argument = click.argument("number", type=STORED_NUMBER)
_own_secret_option = click.option(
    "--own-secret", is_flag=True, help="Ask for the sender's secret, or read it from a pipe; without it one is drawn."
)
_secret_env_option = click.option(
    "--secret-env", metavar="VARIABLE", help="Read the sender's secret from this environment variable."
)


@click.group()
def webhooks() -> None:
    """Have others start runs, or tell of events, by messages that they sign.

    A Jupyter server with the extension takes them under orchestra/api/v1/webhooks/NAME.
    """


@webhooks.command()
@_name_argument
@click.option("--deployment", metavar="NAME", help="Run this deployment at each message.")
@click.option("--event", metavar="NAME", help="Emit an event of this name at each message.")
@click.option(
    "--scheme",
    type=click.Choice([scheme.value for scheme in WebhookScheme]),
    default=WebhookScheme.STANDARD.value,
    show_default=True,
    help="How the sender signs.",
)
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=TEMPLATE",
    help="A parameter of the run, or a part of the event's payload: a Jinja template over payload and headers.",
)
@click.option("--resource", default="", metavar="TEMPLATE", help="What an event is about.")
@click.option("--when", "condition", default="", metavar="TEMPLATE", help="Only messages for which this says yes.")
@click.option(
    "--paused", "is_paused", is_flag=True, help="Its messages start nothing until `orchestra webhooks resume`."
)
@_own_secret_option
@_secret_env_option
@as_json_option
def create(
    name: str,
    deployment: str | None,
    event: str | None,
    scheme: str,
    parameters: tuple[str, ...],
    resource: str,
    condition: str,
    is_paused: bool,
    own_secret: bool,
    secret_env: str | None,
    as_json: bool,
) -> None:
    """Make a webhook, and show its secret: once, and never again."""
    from orchestra_nb.settings import load_settings

    webhook = Webhook(
        name=name,
        scheme=WebhookScheme(scheme),
        deployment=deployment,
        event=event,
        parameters=_templates(parameters),
        resource=resource,
        condition=condition,
        is_paused=is_paused,
    )
    secret = _given_secret(name, own_secret, secret_env)
    with opened_backend() as backend:
        made = backend.call(operations.create_webhook, webhook, secret, load_settings(), now=datetime.now(UTC))
        host, is_remote = _host(backend), backend.is_remote
    for warning in made.warnings:
        click.echo(f"{printable(name)}: {printable(warning)}", err=True)
    _tell_secret(name, host, is_remote, made.secret, is_drawn=secret is None, as_json=as_json)


@webhooks.command()
@as_json_option
def ls(as_json: bool) -> None:
    """List webhooks by name."""
    with opened_backend() as backend:
        found = backend.call(operations.list_webhooks)
    if as_json:
        print_json({"webhooks": [_document(one) for one in found]})
    elif found:
        now = datetime.now(UTC)
        rows = [
            [
                one.webhook.name,
                str(one.webhook.scheme),
                _starts(one.webhook),
                "paused" if one.webhook.is_paused else "active",
                ago(one.created_at, now),
            ]
            for one in found
        ]
        print_table(("NAME", "SIGNED AS", "STARTS", "STATE", "CREATED"), rows)
    else:
        click.echo("No webhooks yet. `orchestra webhooks create NAME --deployment DEPLOYMENT` makes one.")


@webhooks.command()
@_name_argument
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Show a webhook: what it starts, with which templates."""
    with opened_backend() as backend:
        found = backend.call(operations.show_webhook, name)
        host, is_remote = _host(backend), backend.is_remote
    if as_json:
        print_json(_document(found))
        return
    webhook = found.webhook
    paused = ", paused: its messages start nothing" if webhook.is_paused else ""
    click.echo(f"{printable(name)}  {printable(_starts(webhook))}, signed as {webhook.scheme}{paused}")
    click.echo(f"Address: {_address(host, name)}")
    _tell_of_host(host, is_remote)
    click.echo(f"Secret since: {time_text(found.secret_changed_at)}")
    if found.previous_until is not None and found.previous_until > datetime.now(UTC):
        click.echo(f"The one before it is accepted until {time_text(found.previous_until)}.")
    if webhook.condition:
        click.echo(f"When: {printable(webhook.condition)}")
    if webhook.resource:
        click.echo(f"Resource: {printable(webhook.resource)}")
    for parameter, template in webhook.parameters.items():
        click.echo(f"  {printable(parameter)} = {printable(template)}")


@webhooks.command()
@_name_argument
@click.option("--name", "new_name", metavar="NEW", help="Another name: it has another address then.")
@click.option("--deployment", metavar="NAME", help="Run this deployment, in place of what it starts now.")
@click.option("--event", metavar="NAME", help="Emit an event of this name, in place of what it starts now.")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=TEMPLATE",
    help="As for create. Those that are given are all that it has then.",
)
@click.option("--no-parameters", is_flag=True, help="It has none then.")
@click.option("--resource", metavar="TEMPLATE", help="What an event is about; empty for the webhook itself.")
@click.option("--when", "condition", metavar="TEMPLATE", help="Only messages for which this says yes; empty for all.")
@as_json_option
def update(
    name: str,
    new_name: str | None,
    deployment: str | None,
    event: str | None,
    parameters: tuple[str, ...],
    no_parameters: bool,
    resource: str | None,
    condition: str | None,
    as_json: bool,
) -> None:
    """Change a webhook; what is not said stays, and so do its secret and its messages."""
    from orchestra_nb.settings import load_settings

    if parameters and no_parameters:
        raise click.UsageError("-p and --no-parameters exclude each other.")
    changes = WebhookChanges(
        new_name=new_name,
        deployment=deployment,
        event=event,
        parameters=_templates(parameters) if parameters or no_parameters else None,
        resource=resource,
        condition=condition,
    )
    with opened_backend() as backend:
        warnings = backend.call(operations.change_webhook, name, changes, load_settings())
        found = backend.call(operations.show_webhook, new_name or name)
        host, is_remote = _host(backend), backend.is_remote
    for warning in warnings:
        click.echo(f"{printable(found.webhook.name)}: {printable(warning)}", err=True)
    if as_json:
        print_json(_document(found))
        return
    click.echo(f"The webhook {printable(name)} is changed: {printable(_starts(found.webhook))}.")
    if found.webhook.name != name:
        click.echo(f"It takes messages at {_address(host, found.webhook.name)}, and no more at its old address.")
        _tell_of_host(host, is_remote)


@webhooks.command()
@_name_argument
@as_json_option
def pause(name: str, as_json: bool) -> None:
    """Have the messages of a webhook start nothing: those that come are ignored."""
    with opened_backend() as backend:
        backend.call(operations.pause_webhook, name)
        _tell_change(backend, name, "is paused: its messages are ignored", as_json)


@webhooks.command()
@_name_argument
@as_json_option
def resume(name: str, as_json: bool) -> None:
    """Have the messages of a webhook that come from now on start what they are to start."""
    with opened_backend() as backend:
        backend.call(operations.resume_webhook, name)
        _tell_change(backend, name, "goes on", as_json)


def _tell_change(backend: Backend, name: str, what: str, as_json: bool) -> None:
    """Print how a webhook is now that something was done to it."""
    found = backend.call(operations.show_webhook, name)
    if as_json:
        print_json(_document(found))
    else:
        click.echo(f"The webhook {printable(name)} {what}.")


@webhooks.command()
@_name_argument
@_own_secret_option
@_secret_env_option
@click.option(
    "--overlap",
    type=DURATION,
    help="How long the old secret is accepted, too, such as 24h. Without it not at all.",
)
@as_json_option
def rotate(name: str, own_secret: bool, secret_env: str | None, overlap: str | None, as_json: bool) -> None:
    """Give a webhook another secret, and show it once; the old one holds no more, or for --overlap."""
    from orchestra_nb.settings import load_settings

    secret = _given_secret(name, own_secret, secret_env)
    with opened_backend() as backend:
        made = backend.call(
            operations.rotate_secret,
            name,
            secret,
            key_place=load_settings().secret_key_place,
            now=datetime.now(UTC),
            overlap=timedelta(seconds=0.0 if overlap is None else read_seconds(overlap, "--overlap")),
        )
        host, is_remote = _host(backend), backend.is_remote
    _tell_secret(name, host, is_remote, made, is_drawn=secret is None, as_json=as_json)


@webhooks.command()
@_name_argument
@as_json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a webhook and the list of its messages; what they started stays."""
    with opened_backend() as backend:
        backend.call(operations.delete_webhook, name)
    if as_json:
        print_json({"deleted": name})
    else:
        click.echo(f"{printable(name)} is no more.")


@webhooks.command()
@click.argument("name", required=False)
@click.option("--dead", "is_dead", is_flag=True, help="Only dead letters: they could start nothing.")
@click.option(
    "--limit", type=click.IntRange(1, operations.MAX_RECEIPTS), default=20, show_default=True, help="At most so many."
)
@as_json_option
def deliveries(name: str | None, is_dead: bool, limit: int, as_json: bool) -> None:
    """List messages that were rightly signed, of one webhook or of all, the newest first."""
    states = (ReceiptState.DEAD,) if is_dead else None
    most = min(limit + 1, operations.MAX_RECEIPTS)
    with opened_backend() as backend:
        found = backend.call(operations.list_receipts, webhook=name, states=states, limit=most)
    is_cut, found = len(found) > limit, found[:limit]
    if as_json:
        print_json({"deliveries": found})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("NUMBER", "WEBHOOK", "STATE", "RECEIVED", "STARTED", "REASON"),
            [
                [
                    str(one.number),
                    one.webhook,
                    one.state.value.lower(),
                    ago(one.received_at, now),
                    _started(one),
                    one.reason or "-",
                ]
                for one in found
            ],
        )
        say_if_cut(is_cut, limit, operations.MAX_RECEIPTS)
    else:
        click.echo("No dead letters of webhooks." if is_dead else "No messages of webhooks yet.")


@webhooks.command()
@_number_argument
@as_json_option
def retry(number: int, as_json: bool) -> int:
    """Try a dead letter again, with its webhook and deployment as they are now."""
    from orchestra_nb.settings import load_settings

    with opened_backend() as backend:
        receipt = backend.call(operations.retry_message, number, load_settings(), actor=caller(), now=datetime.now(UTC))
    if as_json:
        print_json(receipt)
    elif receipt.state is ReceiptState.DEAD:
        click.echo(f"{number} is a dead letter again: {printable(receipt.reason)}", err=True)
    else:
        click.echo(f"{number} is {receipt.state.value.lower()}: {printable(_started(receipt))}")
    return 1 if receipt.state is ReceiptState.DEAD else 0


@webhooks.command()
@_number_argument
@as_json_option
def discard(number: int, as_json: bool) -> None:
    """Decide that a dead letter starts nothing, also when it is sent again."""
    with opened_backend() as backend:
        receipt = backend.call(operations.discard_message, number, actor=caller(), now=datetime.now(UTC))
    if as_json:
        print_json(receipt)
    else:
        click.echo(f"{number} is discarded.")


def _templates(given: tuple[str, ...]) -> dict[str, str]:
    templates: dict[str, str] = {}
    for text in given:
        name, separator, template = text.partition("=")
        if not separator or not name:
            raise InvalidInput(f"{text!r} is not NAME=TEMPLATE, such as -p 'branch={{{{ payload.ref }}}}'.")
        templates[name] = template
    return templates


def _given_secret(name: str, is_own: bool, variable: str | None) -> Secret | None:
    if variable is not None:
        text = os.environ.get(variable, "")
        if not text:
            raise InvalidInput(f"The environment variable {variable} is not set, or empty.")
        return Secret(text.strip())
    if not is_own:
        return None
    if sys.stdin.isatty():
        return Secret(click.prompt(f"Secret of {printable(name)}", hide_input=True, err=True).strip())
    text = sys.stdin.read().strip()
    if not text:
        raise InvalidInput(f"Nothing came from the pipe. Type the secret of {name!r} in a terminal, or pipe it in.")
    return Secret(text)


def _tell_secret(name: str, host: str, is_remote: bool, secret: Secret, *, is_drawn: bool, as_json: bool) -> None:
    shown = secret.get() if is_drawn else None
    if as_json:
        print_json({"name": name, "path": _path(name), "secret": shown})
        return
    click.echo(f"{printable(name)} takes messages at {_address(host, name)}")
    _tell_of_host(host, is_remote)
    click.echo(f"Its secret, shown only now: {shown}" if is_drawn else "Its secret is the one that you gave.")


def _path(name: str) -> str:
    return f"{operations.WEBHOOKS_PATH}/{quote(name, safe='')}"


def _host(backend: Backend) -> str:
    """Return the base of a server that takes messages for this store; empty where none is known here."""
    if backend.is_remote:
        return backend.client.url
    from orchestra_nb.operations.running_servers import servers_with_pages

    here = backend.store.database.location
    ours = [server for server in servers_with_pages() if server.port and server.store == here]
    ours.sort(key=lambda server: not server.is_alone)  # a person's JupyterLab ends sooner
    return ours[0].url.removesuffix("/orchestra/") if ours else ""


def _address(host: str, name: str) -> str:
    return f"{host or '<server>'}{_path(name)}"


def _tell_of_host(host: str, is_remote: bool) -> None:
    if is_remote:
        words = "That is the server by the name that this command has of it; senders need one that they can reach."
    elif host:
        words = "That is a server on this machine by its name here; senders need one that they can reach."
    else:
        words = (
            "No server with this store is up on this machine: <server> stands for the address of one that is. Start "
            "one with `orchestra serve`, which says its own, or JupyterLab, whose address is what stands before /lab."
        )
    click.echo(words, err=True)


def _starts(webhook: Webhook) -> str:
    return f"deployment {webhook.deployment}" if webhook.event is None else f"event {webhook.event}"


def _started(receipt: Receipt) -> str:
    if receipt.run_name is not None:
        return f"run {receipt.run_name}"
    return "-" if receipt.event_id is None else f"event {receipt.event_id}"


def _document(stored: StoredWebhook) -> dict[str, object]:
    names = ("created_at", "secret_changed_at", "previous_until")
    times = {name: getattr(stored, name) for name in names}
    return {**msgspec.structs.asdict(stored.webhook), "path": _path(stored.webhook.name), **times}
