"""The type of options that are durations: text with units. Of a number alone it is said that it is in seconds."""

from __future__ import annotations

import re
from typing import Final

import click

from orchestra_nb.cli.run_tables import one_line

#: A number without a unit, also among the delays of retries: ``10,1m`` and ``exp:2:60``.
_BARE: Final = re.compile(r"(?:^|[,:])\s*0*[1-9]\d*(?:\.\d+)?\s*(?:$|[,:])")


class _Duration(click.types.StringParamType):
    name = "duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is; what it means is read with the rest."""
        if _BARE.search(value) and param is not None:
            click.echo(
                f"{param.opts[0]} {one_line(value)}: a number without a unit is in seconds. Minutes are 10m, hours 2h, "
                "days 1d.",
                err=True,
            )
        return value


DURATION: Final = _Duration()
