"""``orchestra profile``: sets of settings with a name, and which of them is used."""

from __future__ import annotations

import sys

import click

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import print_table, printable
from orchestra_nb.errors import InvalidInput
from orchestra_nb.operations import profiles as operations
from orchestra_nb.settings import profile_in_use

_values_argument = click.argument("values", nargs=-1, metavar="SETTING=VALUE…")


@click.group()
def profile() -> None:
    """Keep several sets of settings, and choose which one is used.

    They stand in orchestra.toml in Jupyter's configuration folder, whose comments and order are kept. Settings outside
    of any profile are shared by all. SETTING=- reads the value from stdin: others see command lines, and a URL may hold
    a password. What may be secret is never shown.
    """


@profile.command()
@as_json_option
def ls(as_json: bool) -> None:
    """List the profiles, and mark the one that is used."""
    found = operations.list_profiles()
    used, said_by = profile_in_use()
    if as_json:
        print_json({"used": used or None, "said_by": said_by or None, "profiles": found})
    elif not found:
        click.echo("No profiles yet: orchestra profile create NAME SETTING=VALUE")
    else:
        rows = [
            [
                "*" if one.is_used else "",
                one.name,
                ", ".join(f"{name}={value}" for name, value in one.settings.items()) or "-",
                ", ".join(one.files),
            ]
            for one in found
        ]
        print_table(("", "PROFILE", "SETTINGS", "FILE"), rows)
        if used:
            click.echo(f"\n{used} is used: {said_by} says so.")


@profile.command()
@click.argument("name")
@_values_argument
@click.option("--from", "like", metavar="PROFILE", help="Begin with the settings of this one.")
@click.option("--use", "is_used", is_flag=True, help="Use it from now on.")
@as_json_option
def create(name: str, values: tuple[str, ...], like: str | None, is_used: bool, as_json: bool) -> None:
    """Make a profile."""
    file = operations.create_profile(name, _pairs(values), like=like)
    use_ = operations.use_profile(name) if is_used else None
    if as_json:
        print_json({"created": name, "file": str(file), "is_used": is_used})
        return
    click.echo(f"The profile {name} stands in {file}.")
    if use_ is None:
        click.echo(f"`orchestra profile use {name}` uses it.")
    else:
        _say_use(use_)


@profile.command()
@click.argument("name", required=False)
@click.option("--none", "is_none", is_flag=True, help="Use no profile.")
@as_json_option
def use(name: str | None, is_none: bool, as_json: bool) -> None:
    """Use a profile from now on: in all shells, kernels and services that this user starts."""
    if (name is None) is not is_none:
        raise click.UsageError("Name a profile, or pass --none.")
    done = operations.use_profile(name)
    if as_json:
        print_json(done)
    else:
        _say_use(done)


@profile.command("set")
@_values_argument
@click.option("--profile", "name", metavar="PROFILE", help="Which one; the one that is used is meant otherwise.")
@click.option("--common", "is_common", is_flag=True, help="Set them for all profiles.")
@as_json_option
def set_(values: tuple[str, ...], name: str | None, is_common: bool, as_json: bool) -> None:
    """Set settings in a profile, or for all where none is used."""
    if not values:
        raise click.UsageError("Say what to set: SETTING=VALUE.")
    name = _meant(name, is_common)
    pairs = _pairs(values)
    file = operations.set_in_profile(name, pairs)
    if as_json:
        print_json({"set": sorted(pairs), "profile": name, "file": str(file)})
    else:
        click.echo(f"Set {_for(name)} in {file}: {', '.join(pairs)}.")


@profile.command()
@click.argument("settings", nargs=-1, required=True, metavar="SETTING…")
@click.option("--profile", "name", metavar="PROFILE", help="Which one; the one that is used is meant otherwise.")
@click.option("--common", "is_common", is_flag=True, help="Unset them among those for all profiles.")
@as_json_option
def unset(settings: tuple[str, ...], name: str | None, is_common: bool, as_json: bool) -> None:
    """Remove settings from a profile, or from those for all where none is used."""
    name = _meant(name, is_common)
    file = operations.unset_in_profile(name, settings)
    if as_json:
        print_json({"unset": list(settings), "profile": name, "file": str(file)})
    else:
        click.echo(f"Unset {_for(name)} in {file}: {', '.join(settings)}.")


@profile.command()
@click.argument("name", required=False)
@click.option("--origin", "has_origin", is_flag=True, help="Also where each one comes from.")
@click.option("--all", "is_all", is_flag=True, help="Also those at their defaults.")
@as_json_option
def show(name: str | None, has_origin: bool, is_all: bool, as_json: bool) -> None:
    """Show the settings in force, or those that this profile would give, without their secrets."""
    found = operations.show_settings(name)
    if as_json:
        print_json({"profile": name or profile_in_use()[0] or None, "settings": found})
        return
    shown = [one for one in found if is_all or one.origin != "default"]
    if not shown:
        click.echo("All settings are at their defaults. --all shows them.")
        return
    headings = ("SETTING", "VALUE", "FROM") if has_origin else ("SETTING", "VALUE")
    print_table(headings, [[one.name, one.value or "-", one.origin][: len(headings)] for one in shown])


def _meant(name: str | None, is_common: bool) -> str | None:
    if is_common and name is not None:
        raise click.UsageError("--profile and --common exclude each other.")
    return None if is_common else name or profile_in_use()[0] or None


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, is_given, text = value.partition("=")
        if not is_given:
            raise InvalidInput(f"{printable(name)} has no value: write {printable(name)}=VALUE.")
        if text == "-":
            text = sys.stdin.readline().rstrip("\r\n")
        pairs[name.strip().lower()] = text
    return pairs


def _for(name: str | None) -> str:
    return "for all profiles" if name is None else f"for the profile {name}"


def _say_use(done: operations.ProfileUse) -> None:
    click.echo(f"{done.name} is used from now on." if done.name else "No profile is used from now on.")
    if done.stronger:
        click.echo(f"Not here, though: {done.stronger} says otherwise, and wins.", err=True)
