"""``orchestra schedule``: when a schedule would be due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from orchestra_nb.cli.duration_option import DURATION
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import printable
from orchestra_nb.operations.schedule_preview import FireTime, preview_schedule

_MOST = 1_000


@click.group()
def schedule() -> None:
    """Show when a schedule would be due."""


@schedule.command()
@click.option("--cron", metavar="EXPRESSION", help="Five fields, such as '0 9 * * 1-5'; or @daily, @hourly …")
@click.option("--every", type=DURATION, help="A time between two runs: 15m, 1h30m, 1d.")
@click.option("--rrule", metavar="RULE", help="An iCalendar rule, such as 'FREQ=WEEKLY;BYDAY=MO;BYHOUR=9'.")
@click.option("--timezone", metavar="ZONE", help="Such as Europe/Berlin. Default: this machine's.")
@click.option(
    "--after", metavar="TIME", help="Show what is due after this: 2026-03-28, 2026-03-28T09:00. Default: now."
)
@click.option("--start", metavar="TIME", help="Nothing is due before; an interval counts from here.")
@click.option("--end", metavar="TIME", help="Nothing is due after; a day counts to its end.")
@click.option("--exclude", multiple=True, metavar="FILE", help="Days off: an iCalendar file, or one date a line.")
@click.option("-n", "count", type=click.IntRange(1, _MOST), default=5, show_default=True, help="How many times.")
@as_json_option
def preview(
    cron: str | None,
    every: str | None,
    rrule: str | None,
    timezone: str | None,
    after: str | None,
    start: str | None,
    end: str | None,
    exclude: tuple[str, ...],
    count: int,
    as_json: bool,
) -> None:
    """Show the next times at which a schedule would be due, and what changes of the clock do to them.

    Give one of --cron, --every and --rrule. With --json: a list of instants with their offset.
    """
    given = [name for name, form in (("--cron", cron), ("--every", every), ("--rrule", rrule)) if form is not None]
    if len(given) != 1:
        both = f"{' and '.join(given)} were given. " if given else ""
        raise click.UsageError(f"{both}Give one of --cron, --every and --rrule.")
    found = preview_schedule(
        now=datetime.now(UTC),
        count=count,
        cron=cron,
        every=every,
        rrule=rrule,
        timezone=timezone,
        after=after,
        start=start,
        end=end,
        exclude=exclude,
    )
    if as_json:
        print_json([time.at.isoformat() for time in found.fire_times])
        return
    click.echo(f"{printable(found.words[:1].upper() + found.words[1:])}.")
    if found.timezone_place:
        click.echo(
            f"The time zone {found.timezone} is this machine's ({found.timezone_place}); --timezone names another."
        )
    click.echo()
    _print_times(found.fire_times)
    if len(found.fire_times) < count:
        click.echo("\nThen the schedule ends.")


def _print_times(times: Sequence[FireTime]) -> None:
    """Print one time a line, nothing of it cut: what the clocks do is what people look for."""
    lines = [("DUE", "INSTANT", "CLOCKS" if any(time.note for time in times) else "")]
    lines += [(time.words, time.at.isoformat(), time.note) for time in times]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    for words, instant, note in lines:
        click.echo(f"{words:{widths[0]}}  {instant:{widths[1]}}  {note}".rstrip())
