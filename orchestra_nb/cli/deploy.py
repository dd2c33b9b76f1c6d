"""``orchestra deploy``: have a notebook or a flow run by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.command_audit import has_changed
from orchestra_nb.cli.deployment_changes import deployed_document, make_deployment, tell_deployed
from orchestra_nb.cli.duration_option import DURATION
from orchestra_nb.cli.given_parameters import parameter_options
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.parameter_hints import ParametersCommand
from orchestra_nb.cli.read_assignments import read_assignments
from orchestra_nb.cli.service_hint import say_if_unserved
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.notebooks.parameter_flags import GivenParameters
from orchestra_nb.operations.deployment_request import (
    DeploymentRequest,
    ScheduleRequest,
    read_retry,
    read_seconds,
)
from orchestra_nb.operations.service_presence import is_served
from orchestra_nb.settings import load_settings

_FORMS = ("--cron", "--every", "--rrule")


@click.command(cls=ParametersCommand)
@click.argument("target", metavar="NOTEBOOK|MODULE:FLOW")
@click.option("--name", help="What it is called. Default: the notebook's name, or the flow's.")
@click.option("--cron", metavar="EXPRESSION", help="Five fields, such as '0 9 * * 1-5'; or @daily, @hourly …")
@click.option("--every", type=DURATION, help="A time between two runs: 15m, 1h30m, 1d.")
@click.option("--rrule", metavar="RULE", help="An iCalendar rule, such as 'FREQ=WEEKLY;BYDAY=MO;BYHOUR=9'.")
@click.option("--timezone", metavar="ZONE", help="Such as Europe/Berlin. Default: this machine's.")
@click.option("--start", metavar="TIME", help="Nothing is due before; an interval counts from here.")
@click.option("--end", metavar="TIME", help="Nothing is due after; a day counts to its end.")
@click.option("--exclude", multiple=True, metavar="FILE", help="Days off: an iCalendar file, or one date a line.")
@click.option("--jitter", type=DURATION, help="Each run starts later than due by up to this.")
@click.option(
    "--catchup",
    type=click.Choice(["latest", "all", "skip"]),
    default=None,
    help="Which of the runs start that were missed while no service was up. Default: latest.",
)
@click.option("--max-late", type=DURATION, help="A run that is later than this does not start.")
@parameter_options
@click.option("--cluster", metavar="CLUSTER", help="Where tasks run: local, an address, or {class: …} as YAML.")
@click.option("--pool", default="default", show_default=True, metavar="POOL", help="The work pool of its runs.")
@click.option(
    "--job-variable", "job_variables", multiple=True, metavar="NAME=VALUE", help="What its jobs have unlike the pool's."
)
@click.option("--priority", type=int, default=0, metavar="N", help="Runs of a higher one start first. Default: 0.")
@click.option("--concurrency", type=int, metavar="N", help="How many of its runs go on at a time. Default: any number.")
@click.option("--limit", "limits", multiple=True, metavar="LIMIT", help="A limit of which each run takes a slot.")
@click.option(
    "--on-conflict",
    type=click.Choice(["queue", "skip", "cancel-running"]),
    default="queue",
    show_default=True,
    help="What becomes of a run beyond --concurrency.",
)
@click.option("--retries", type=int, default=0, metavar="N", help="How often a run that failed is repeated.")
@click.option("--retry-delay", type=DURATION, metavar="DELAY", help="Before each retry: 10s; 10s,1m; or exp:2s:60s.")
@click.option("--timeout", type=DURATION, help="How long a run may take.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of its runs.")
@click.option("--cache", "is_cached", is_flag=True, help="Replay cells whose code and inputs are as in an earlier run.")
@click.option("-o", "--output", "output_path", metavar="OUTPUT", help="Where a copy of the executed notebook goes.")
@click.option("--cwd", metavar="FOLDER", help="Where its runs work. Default: the folder of the notebook, or the file.")
@click.option("-k", "--kernel", "kernel_name", metavar="NAME", help="The kernel. Default: the one the notebook names.")
@click.option("--description", default="", help="What it is for.")
@click.option("--note", default="", help="Why this version is made.")
@click.option("--paused/--active", "is_paused", default=None, help="Whether its schedules rest. Default: as it is.")
@as_json_option
def deploy(
    target: str,
    given: GivenParameters,
    retries: int,
    retry_delay: str | None,
    timeout: str | None,
    tags: tuple[str, ...],
    job_variables: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Have NOTEBOOK, or a flow in Python, run by itself: on a schedule, or when asked to.

    The notebook is kept as it is now, without outputs: later edits change nothing until it is deployed again, which
    makes a new version. `orchestra serve` starts its runs. A flow is MODULE:FLOW or FILE.py:FLOW, or FILE.py where
    it has one; its code is that of the day of the run.
    """
    findings = Findings()
    schedule = findings.trying(lambda: schedule_of(options))
    request = DeploymentRequest(
        target=target,
        parameters=given.values,
        parameter_texts=given.texts,
        schedules=() if schedule is None else (schedule,),
        retry=findings.trying(lambda: read_retry(retries, retry_delay)) or RetryPolicy(),
        timeout_seconds=findings.trying(lambda: None if timeout is None else read_seconds(timeout, "--timeout")),
        tags=findings.trying(lambda: read_tags(tags)) or {},
        job_variables=read_assignments(job_variables, "--job-variable"),
        **options,
    )
    now = datetime.now(UTC)
    with opened_backend() as backend:
        done = backend.call(make_deployment, request, load_settings(), actor=caller(), now=now, findings=findings)
        has_changed([("deploy", done.details.name)])
        pool = request.pool
        has_service = backend.call(is_served, pool)
    if as_json:
        print_json(deployed_document(done))
        return
    tell_deployed(done)
    say_if_unserved(has_service, pool)


def schedule_of(options: dict[str, Any]) -> ScheduleRequest | None:
    """Take the schedule's options out of those of a command, and return the schedule; None where there is none."""
    jitter, max_late, catchup = (options.pop(name) for name in ("jitter", "max_late", "catchup"))
    fields = {name: options.pop(name) for name in ("cron", "every", "rrule", "timezone", "start", "end", "exclude")}
    given = [option for option in _FORMS if fields[option.removeprefix("--")] is not None]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} were given. Give one of them; a file for apply takes several.")
    if not given:
        others = {**fields, "jitter": jitter, "max-late": max_late, "catchup": catchup}
        alone = [f"--{name}" for name, value in others.items() if value]
        if alone:
            raise click.UsageError(f"{alone[0]} is about a schedule. Give one of {', '.join(_FORMS)}, too.")
        return None
    return ScheduleRequest(
        **fields,
        jitter_seconds=0.0 if jitter is None else read_seconds(jitter, "--jitter"),
        max_late_seconds=None if max_late is None else read_seconds(max_late, "--max-late"),
        catchup=catchup or "latest",
    )


def read_tags(tags: tuple[str, ...]) -> dict[str, str]:
    """Return the tags that were given as ``KEY=VALUE``, or as ``KEY`` alone."""
    found = {}
    for tag in tags:
        key, _, value = tag.partition("=")
        if not key.strip():
            raise InvalidInput(f"{tag!r} is no tag. Write KEY=VALUE.")
        found[key.strip()] = value.strip()
    return found
