"""The command ``orchestra``, also ``jupyter orchestra`` and ``python -m orchestra_nb``.

Commands are imported only when they are called, so that each costs no more than it needs. Results go to stdout,
everything else to stderr. Exit codes: 0 done, 1 it ended otherwise, 2 wrong input, 3 not found, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import importlib
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from orchestra_nb.errors import OrchestraError
from orchestra_nb.version import __version__

#: Name of a command to (where it is, what it does), in the order of the help.
_COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("orchestra_nb.cli.run:run", "Run a notebook with parameters."),
    "plan": ("orchestra_nb.cli.plan:plan", "Tell which cells of a notebook would run, and why."),
    "params": ("orchestra_nb.cli.params:params", "Print what a notebook takes: names, types, defaults, help."),
    "analyse": ("orchestra_nb.cli.analyse:analyse", "Show what the cells of notebooks need of each other."),
    "adopt": ("orchestra_nb.cli.adopt:adopt", "Propose %%task cells for a notebook, and write a copy."),
    "convert": ("orchestra_nb.cli.convert:convert", "Write a notebook as a Python script with one flow."),
    "runs": ("orchestra_nb.cli.runs:runs", "List runs, show, cancel, answer, resume or retry one."),
    "stats": ("orchestra_nb.cli.stats:stats", "Show success rates, durations and lateness."),
    "artifacts": ("orchestra_nb.cli.artifact_commands:artifacts", "List and show what runs left for people to see."),
    "assets": ("orchestra_nb.cli.asset_commands:assets", "List what tasks make, show what it is made from."),
    "events": ("orchestra_nb.cli.event_commands:events", "List what code has emitted."),
    "variables": ("orchestra_nb.cli.variable_commands:variables", "List, read, set and unset variables."),
    "secrets": ("orchestra_nb.cli.secret_commands:secrets", "Set, list and unset secrets."),
    "concurrency": ("orchestra_nb.cli.limit_commands:concurrency", "List, create, change and delete limits."),
    "dead-letters": (
        "orchestra_nb.cli.dead_letter_commands:dead_letters",
        "List, show, retry and discard what failed for good.",
    ),
    "deploy": ("orchestra_nb.cli.deploy:deploy", "Have a notebook or a flow run by itself."),
    "deployments": (
        "orchestra_nb.cli.deployment_commands:deployments",
        "List, show, run, update or pause deployments.",
    ),
    "pools": ("orchestra_nb.cli.pool_commands:pools", "Named places to run, with their limits."),
    "apply": ("orchestra_nb.cli.deployment_file_commands:apply", "Make deployments and automations as a file says."),
    "export": ("orchestra_nb.cli.deployment_file_commands:export", "Write deployments as such a file."),
    "notifications": (
        "orchestra_nb.cli.notification_commands:notifications",
        "Have people hear of runs that fail and recover.",
    ),
    "automations": ("orchestra_nb.cli.automation_commands:automations", "When this happens, do that."),
    "webhooks": (
        "orchestra_nb.cli.webhook_commands:webhooks",
        "Have others start runs by signed messages.",
    ),
    "tokens": ("orchestra_nb.cli.token_commands:tokens", "Let programs use the REST API, each for what it needs."),
    "audit": ("orchestra_nb.cli.audit_commands:audit", "Show who changed what, when and from where."),
    "schedule": ("orchestra_nb.cli.schedule_commands:schedule", "Show when a schedule would be due."),
    "cluster": ("orchestra_nb.cli.cluster:cluster", "Show, start or stop the local Dask cluster."),
    "serve": ("orchestra_nb.cli.serve:serve", "Run deployments when they are due; keep commands warm."),
    "worker": ("orchestra_nb.cli.worker:worker", "Start the runs of work pools, on any machine."),
    "service": ("orchestra_nb.cli.service_installation:service", "Have systemd or launchd keep a service running."),
    "profile": ("orchestra_nb.cli.profile_commands:profile", "Keep sets of settings, and choose one."),
    "db": ("orchestra_nb.cli.db:db", "Look after the store: clean, copy, check and shrink it."),
    "doctor": ("orchestra_nb.cli.doctor:doctor", "Check this installation and say how to mend it."),
}

_INTERRUPTED = 130
#: Whether the command is only to say how it is called.
_HELP = "orchestra_nb.help"


class OrchestraGroup(click.Group):
    """The group of all commands: imports one when it is called, and turns errors into messages and exit codes.

    A command returns nothing or its exit code, and raises :class:`OrchestraError`.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in _COMMANDS:
            return None
        module_name, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module_name), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the arguments, or say which one was meant."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The commands are: {', '.join(_COMMANDS)}."
            ctx.fail(f"No such command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands into the help, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, or have it say how it is called."""
        ctx.meta[_HELP] = not {"-h", "--help"}.isdisjoint(ctx.args)  # click takes them away before the callback
        return super().invoke(ctx)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit; outside of the standalone mode return or raise as click does."""
        words = list(sys.argv[1:] if args is None else args)
        prog_name = prog_name or _program()

        def run() -> Any:
            return super(OrchestraGroup, self).main(words, prog_name, complete_var, standalone_mode=False, **extra)

        if not standalone_mode:
            return run()
        _never_fail_to_print()
        sys.exit(_exit_code(run, as_json="--json" in words))


@click.group("orchestra", cls=OrchestraGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="orchestra")
@click.option(
    "--server",
    metavar="URL",
    help="Work over a Jupyter server with the extension, or `orchestra serve`, in place of a store: its base URL. Also "
    "ORCHESTRA_API_URL, or the setting api_url of a profile.",
)
@click.option(
    "--token",
    metavar="TOKEN",
    help="The token for the server. Others on this machine see command lines: - asks for it, or reads the first line "
    "of a pipe; ORCHESTRA_API_TOKEN, or the setting api_token of a profile, has it, too.",
)
@click.option("--token-file", metavar="FILE", type=click.Path(path_type=Path), help="A file that holds the token.")
@click.option("--local", "is_local", is_flag=True, help="Work on the store, whichever server is set.")
@click.pass_context
def main(
    context: click.Context, server: str | None, token: str | None, token_file: Path | None, is_local: bool
) -> None:
    """Run notebooks and their task cells on Dask, and see what became of them."""
    from orchestra_nb.cli.server_choice import ServerOptions

    context.obj = ServerOptions(server, token, token_file, is_local)
    if not context.meta.get(_HELP):
        context.obj.check(context.invoked_subcommand)


def _exit_code(run: Callable[[], object], as_json: bool) -> int:
    """Run a command line, say what went wrong if anything did, and return the exit code."""
    try:
        result = run()
    except click.ClickException as error:
        if as_json:
            _print_error("usage", error.format_message())
        else:
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except OrchestraError as error:
        from orchestra_nb.operations.problems import problem_of

        problem = problem_of(error)
        if as_json:
            _print_error(problem.code, problem.detail)
        else:
            click.echo(problem.detail, err=True)
        return problem.exit_code
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        with contextlib.suppress(OSError):  # this may go to the same place
            click.echo(f"There is no room for what was to be written: {error}. Make room and try again.", err=True)
        return 1
    return result if isinstance(result, int) else 0


def _print_error(code: str, message: str) -> None:
    click.echo(json.dumps({"error": {"code": code, "message": message}}))


def _never_fail_to_print() -> None:
    """Write out what the terminal's encoding lacks: an icon is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _program() -> str:
    return "jupyter orchestra" if sys.argv[0].endswith("jupyter-orchestra") else "orchestra"
