"""``orchestra service``: have the system keep a service running."""

from __future__ import annotations

import click
import msgspec

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.errors import InvalidInput
from orchestra_nb.operations import service_installation as operations
from orchestra_nb.operations.running_servers import running_servers

_name_option = click.option("--name", metavar="NAME", help="Tells several services of one user apart.")


@click.group()
def service() -> None:
    """Have systemd (on macOS launchd) run `orchestra serve`, and start it again whenever it ends."""


@service.command()
@_name_option
@click.option("--profile", metavar="PROFILE", help="Its profile of settings; the one in use is meant otherwise.")
@click.option("--folder", type=click.Path(), metavar="FOLDER", help="Its working folder; this one is meant otherwise.")
@click.option("--pool", "pools", multiple=True, help="A pool whose runs it starts; may be given several times.")
@click.option("--runs", type=click.IntRange(min=1), help="How many runs go on there at a time.")
@click.option("--port", type=click.IntRange(1, 65535), help="Where its server listens: 8586, or the next free one.")
@click.option("--ip", metavar="ADDRESS", help="The address that it listens on: localhost, if nothing else is said.")
@click.option("--server/--no-server", "has_server", default=True, help="Whether it has a server at all.")
@click.option("--start", "is_started", is_flag=True, help="Start it, too, now and at each login.")
@click.option("--print", "is_printed", is_flag=True, help="Only print what would be written.")
@as_json_option
def install(
    name: str | None,
    profile: str | None,
    folder: str | None,
    pools: tuple[str, ...],
    runs: int | None,
    port: int | None,
    ip: str | None,
    has_server: bool,
    is_started: bool,
    is_printed: bool,
    as_json: bool,
) -> None:
    """Write down a service of this Python environment for the system, and say what starts it."""
    options = [word for pool in pools for word in ("--pool", pool)]
    if runs is not None:
        options += ["--runs", str(runs)]
    if not has_server and (port, ip) != (None, None):
        raise InvalidInput("A service without a server listens on no port and no address.")
    options += [] if has_server else ["--no-server"]
    options += [] if port is None else ["--port", str(port)]
    options += [] if ip is None else ["--ip", ip]
    planned = operations.plan_service(name=name, profile=profile, folder=folder, options=options)
    if is_printed:
        if as_json:
            print_json(planned)
        else:
            click.echo(planned.text, nl=False)
        return
    done = operations.install_service(planned, is_started=is_started)
    if as_json:
        print_json({"service": done, "left_out": planned.left_out})
        return
    click.echo(f"{done.name} stands in {done.path}.")
    for variable in planned.left_out:
        setting = variable.removeprefix("ORCHESTRA_").lower()
        click.echo(
            f"{variable} is not in it, since it holds a secret. `orchestra profile set {setting}=-` keeps it for you "
            "alone, and the service finds it there.",
            err=True,
        )
    if is_started:
        click.echo("It is started, now and at each login.")
    else:
        click.echo("To start it, now and at each login:")
        for command in done.start_commands:
            click.echo(f"  {command}")
    if done.keeper == "systemd":
        click.echo("To have it run while you are not logged in, too:\n  loginctl enable-linger")


@service.command()
@_name_option
@as_json_option
def uninstall(name: str | None, as_json: bool) -> None:
    """Stop a service, and delete what was written of it. Runs and deployments stay."""
    done = operations.uninstall_service(name)
    if as_json:
        print_json(done)
        return
    click.echo(f"{done.name} is not installed any more.")
    if done.is_active is None:
        click.echo("Whether it runs could not be asked here. To stop it:")
        for command in done.stop_commands:
            click.echo(f"  {command}")


@service.command()
@_name_option
@as_json_option
def status(name: str | None, as_json: bool) -> None:
    """Tell whether a service is installed, whether it runs, and where servers of `orchestra serve` are up here."""
    found = operations.service_status(name)
    servers = running_servers()
    if as_json:
        print_json({**msgspec.to_builtins(found), "servers": servers})
        return
    for server in servers:
        click.echo(f"{server.url} is up (process {server.pid}). Its token: jupyter server list")
    if not found.is_installed:
        click.echo(f"{found.name} is not installed: orchestra service install")
        return
    words = {True: "runs", False: "does not run", None: f"may run: {found.keeper} could not be asked here"}
    click.echo(f"{found.name} is installed in {found.path}, and {words[found.is_active]}.")
    if not found.is_active:
        click.echo("To start it:")
        for command in found.start_commands:
            click.echo(f"  {command}")
