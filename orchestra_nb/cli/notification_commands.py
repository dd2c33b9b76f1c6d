"""``orchestra notifications``: who hears of runs, of which, and what became of each message."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.duration_option import DURATION
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.notification_outbox import outbox
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import ago, print_table, printable
from orchestra_nb.errors import InvalidInput, NameTaken
from orchestra_nb.model.durations import format_duration, parse_duration
from orchestra_nb.model.notifications import NotificationRule, Occasion
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.operations import notifications as operations

_name_argument = click.argument("name")


@click.group()
def notifications() -> None:
    """Have people hear of runs: channels, rules, and the outbox of messages.

    Messages are sent by the services, while a server or `orchestra serve` runs.
    """


@notifications.group()
def channels() -> None:
    """Add, list, try and delete channels: the addresses that messages go to."""


@channels.command("add")
@_name_argument
@click.option("--url-env", metavar="VARIABLE", help="Read the address from this environment variable.")
@click.option(
    "--allow-private", is_flag=True, help="Let messages go to loopback, link-local and private addresses, too."
)
@click.option("--overwrite", is_flag=True, help="Give a channel that exists this address.")
@as_json_option
def add_channel(name: str, url_env: str | None, allow_private: bool, overwrite: bool, as_json: bool) -> None:
    """Add a channel. Its address, an apprise URL, is asked for, or read from a pipe: others see command lines.

    https://github.com/caronc/apprise lists the services and their URLs, such as slack://, msteams://, mailto://.
    """
    from orchestra_nb.settings import load_settings

    address = _read_address(name, url_env)
    with opened_backend() as backend:
        try:
            channel = backend.call(
                operations.add_channel,
                name,
                address,
                key_place=load_settings().secret_key_place,
                may_be_private=allow_private,
                may_overwrite=overwrite,
                now=datetime.now(UTC),
            )
        except NameTaken:
            raise NameTaken(f"There is a channel {name!r} already. Pass --overwrite to give it this address.") from None
    if as_json:
        print_json(channel)
    else:
        click.echo(
            f"{printable(name)} is {channel.shown}. `orchestra notifications channels test {printable(name)}` tries it."
        )


@channels.command("ls")
@as_json_option
def list_channels(as_json: bool) -> None:
    """List channels by name; of an address only its service and host are shown."""
    with opened_backend() as backend:
        found = backend.call(operations.list_channels)
    if as_json:
        print_json({"channels": found})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("NAME", "ADDRESS", "PRIVATE", "CHANGED"),
            [
                [
                    channel.name,
                    channel.shown,
                    "allowed" if channel.may_be_private else "refused",
                    ago(channel.updated_at, now),
                ]
                for channel in found
            ],
        )
    else:
        click.echo("No channels yet. `orchestra notifications channels add NAME` asks for an address.")


@channels.command("test")
@_name_argument
@as_json_option
def test_channel(name: str, as_json: bool) -> int:
    """Send a message to a channel now, and say what came back."""
    from orchestra_nb.settings import load_settings

    with opened_backend() as backend:
        key_place = load_settings().secret_key_place
        tried = backend.call(operations.try_channel, name, key_place=key_place, now=datetime.now(UTC))
    if as_json:
        print_json(tried)
    elif tried.is_sent:
        click.echo(f"{printable(name)} took the message.")
    else:
        click.echo(f"{printable(name)} did not take the message: {printable(tried.answer)}", err=True)
    return 0 if tried.is_sent else 1


@channels.command("delete")
@_name_argument
@as_json_option
def delete_channel(name: str, as_json: bool) -> None:
    """Delete a channel that no rule names."""
    with opened_backend() as backend:
        backend.call(operations.delete_channel, name)
    _tell_deleted(name, as_json)


@notifications.group()
def rules() -> None:
    """Add, list, pause and delete rules: which runs are told of, when, and to which channels."""


@rules.command("add")
@_name_argument
@click.option("--channel", "channels_", multiple=True, required=True, metavar="CHANNEL", help="May be repeated.")
@click.option(
    "--on",
    "occasion",
    type=click.Choice([occasion.value for occasion in Occasion]),
    help="What is told: changes of health (ok to failed or missed, and back), each failure, each end, or no end. "
    "Without it changes, and with --state nothing but those.",
)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State], case_sensitive=False),
    help="Also when a run enters this state; may be repeated.",
)
@click.option("--late", type=DURATION, help="Also when a run has not started so long after it was due, such as 10m.")
@click.option("--flow", "flows", multiple=True, metavar="NAME", help="Only these flows; * stands for anything.")
@click.option("--deployment", "deployments", multiple=True, metavar="NAME", help="Only these deployments; also with *.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice([kind.value for kind in RunKind]), help="Only these kinds."
)
@click.option("--tag", "tags", multiple=True, metavar="TAG[=VALUE]", help="Only runs with all of these.")
@click.option("--child-runs", is_flag=True, help="Also runs that other runs started.")
@click.option("--title", default="", metavar="TEMPLATE", help="A Jinja template for the title.")
@click.option("--body", default="", metavar="TEMPLATE", help="A Jinja template for the text.")
@click.option(
    "--overwrite", is_flag=True, help="Have a rule that exists be like this; it keeps what it knows, and its pause."
)
@as_json_option
def add_rule(
    name: str,
    channels_: tuple[str, ...],
    occasion: str | None,
    states: tuple[str, ...],
    late: str | None,
    flows: tuple[str, ...],
    deployments: tuple[str, ...],
    kinds: tuple[str, ...],
    tags: tuple[str, ...],
    child_runs: bool,
    title: str,
    body: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Add a rule, which tells of what happens from now on."""
    usual = Occasion.NONE if states else Occasion.CHANGE
    rule = NotificationRule(
        name=name,
        channels=tuple(dict.fromkeys(channels_)),
        occasion=usual if occasion is None else Occasion(occasion),
        states=tuple(State(state.upper()) for state in states),
        late_seconds=None if late is None else _seconds(late),
        flow_names=flows,
        deployments=deployments,
        kinds=tuple(map(RunKind, kinds)),
        tags=dict(_tag_of(text) for text in tags),
        has_child_runs=child_runs,
        title=title,
        body=body,
    )
    with opened_backend() as backend:
        try:
            rule, warnings = backend.call(
                operations.add_rule, rule, datetime.now(UTC), may_overwrite=overwrite, keeps_pause=True
            )
        except NameTaken:
            raise NameTaken(f"There is a rule {name!r} already. Pass --overwrite to have it be like this.") from None
    if as_json:
        print_json({**_document(rule), "warnings": warnings})
    else:
        for warning in warnings:
            click.echo(f"{printable(name)}: {printable(warning)}", err=True)
        paused = " when it is resumed" if rule.is_paused else ""
        click.echo(f"{printable(name)} tells {', '.join(map(printable, rule.channels))} of {_occasions(rule)}{paused}.")


@rules.command("ls")
@as_json_option
def list_rules(as_json: bool) -> None:
    """List rules by name."""
    with opened_backend() as backend:
        found = backend.call(operations.list_rules)
    if as_json:
        print_json({"rules": [_document(rule) for rule in found]})
    elif found:
        print_table(
            ("NAME", "CHANNELS", "TELLS OF", "RUNS"),
            [
                [
                    f"{rule.name} (paused)" if rule.is_paused else rule.name,
                    ", ".join(rule.channels),
                    _occasions(rule),
                    _runs(rule),
                ]
                for rule in found
            ],
        )
    else:
        click.echo("No rules yet. `orchestra notifications rules add NAME --channel CHANNEL` makes one.")


@rules.command("pause")
@_name_argument
@as_json_option
def pause_rule(name: str, as_json: bool) -> None:
    """Have a rule tell of nothing. It goes on watching, so that it knows what is news later."""
    with opened_backend() as backend:
        rule = backend.call(operations.pause_rule, name)
    if as_json:
        print_json(_document(rule))
    else:
        click.echo(f"{printable(name)} tells of nothing. `orchestra notifications rules resume` has it tell again.")


@rules.command("resume")
@_name_argument
@as_json_option
def resume_rule(name: str, as_json: bool) -> None:
    """Have a rule tell of what happens from now on."""
    with opened_backend() as backend:
        rule = backend.call(operations.resume_rule, name)
    if as_json:
        print_json(_document(rule))
    else:
        click.echo(f"{printable(name)} tells {', '.join(map(printable, rule.channels))} of {_occasions(rule)}.")


@rules.command("delete")
@_name_argument
@as_json_option
def delete_rule(name: str, as_json: bool) -> None:
    """Delete a rule; messages that it has put into the outbox are sent nevertheless."""
    with opened_backend() as backend:
        backend.call(operations.delete_rule, name)
    _tell_deleted(name, as_json)


notifications.add_command(outbox)


def _read_address(name: str, variable: str | None) -> Secret:
    if variable is not None:
        text = os.environ.get(variable, "")
        if not text:
            raise InvalidInput(f"The environment variable {variable} is not set, or empty.")
        return Secret(text.strip())
    if sys.stdin.isatty():
        return Secret(click.prompt(f"Address of {printable(name)}", hide_input=True, err=True).strip())
    text = sys.stdin.read().strip()
    if not text:
        raise InvalidInput(f"Nothing came from the pipe. Type the address of {name!r} in a terminal, or pipe it in.")
    return Secret(text)


def _tag_of(text: str) -> tuple[str, str | None]:
    tag, separator, value = text.partition("=")
    return tag, value if separator else None


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def _occasions(rule: NotificationRule) -> str:
    words = [] if rule.occasion is Occasion.NONE else [_OCCASIONS[rule.occasion]]
    late = [] if rule.late_seconds is None else [f"late by {format_duration(rule.late_seconds)}"]
    return ", ".join([*words, *(state.value for state in rule.states), *late])


_OCCASIONS = {
    Occasion.CHANGE: "changes of health",
    Occasion.FAILURE: "each failure",
    Occasion.END: "each end",
}


def _runs(rule: NotificationRule) -> str:
    """Return which runs a rule is about, in words."""
    parts = [
        *(f"flow {name}" for name in rule.flow_names),
        *(f"deployment {name}" for name in rule.deployments),
        *(f"kind {kind.value}" for kind in rule.kinds),
        *(f"tag {tag}" if value is None else f"tag {tag}={value}" for tag, value in rule.tags.items()),
    ]
    runs = ", ".join(parts) or "all"
    return f"{runs}, with child runs" if rule.has_child_runs else runs


def _document(rule: NotificationRule) -> dict[str, object]:
    return {"name": rule.name, **msgspec.structs.asdict(rule)}


def _tell_deleted(name: str, as_json: bool) -> None:
    if as_json:
        print_json({"deleted": name})
    else:
        click.echo(f"{printable(name)} is no more.")
