"""``orchestra doctor``: checks an installation and says how to mend it."""

from __future__ import annotations

import click

from orchestra_nb.cli.check_lines import print_checks
from orchestra_nb.cli.json_output import print_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def doctor(as_json: bool) -> int:
    """Check this installation and say how to mend it.

    Exit code 1 when a check failed; warnings do not count.
    """
    from orchestra_nb.operations.doctor import Check, examine

    checks: list[Check] = []
    for check in examine():
        checks.append(check)
        if not as_json:
            print_checks([check])
    if as_json:
        print_json({"checks": checks})
    return 1 if any(check.status == "fail" for check in checks) else 0
