"""What the benchmarks share: a measured pair (ours, the peer's), interleaved repetitions, and the table of them."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Medians of one thing and of its raw peer, taken alternately in one run.

    Parameters
    ----------
    bound
        What the design asks for, in words; empty where it names none.
    peer, peer_ms
        Empty and None where there is nothing to stand beside it.
    unit
        Of ours, the peer's and the spread; the names of the fields are those of the usual one.
    compare
        ``"ratio"`` where ours replaces the peer, ``"added"`` where ours comes on top of it.
    """

    what: str
    peer: str
    ours_ms: float
    peer_ms: float | None
    spread_ms: float
    repeats: int
    compare: str = "ratio"
    bound: str = ""
    unit: str = "ms"

    @property
    def verdict(self) -> str:
        """Ours against the peer in a few characters."""
        if self.peer_ms is None:
            return ""
        if self.compare == "added":
            return f"+{self.ours_ms - self.peer_ms:.0f} ms"
        return f"{self.ours_ms / self.peer_ms:.2f} x"

    def as_json(self) -> dict[str, object]:
        """Return all fields and the verdict, for a file."""
        return asdict(self) | {"verdict": self.verdict}


def alternate(ours: Callable[[], float], peer: Callable[[], float], repeats: int) -> tuple[list[float], list[float]]:
    """Return the times (ms) of both, after one unmeasured turn of each that fills the caches.

    They take turns, so that a machine that slows down or warms up does so for both.
    """
    ours()
    peer()
    pairs = [(ours(), peer()) for _ in range(repeats)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def summarise(
    what: str,
    peer: str,
    ours_ms: list[float],
    peer_ms: list[float] | None,
    *,
    compare: str = "ratio",
    bound: str = "",
    unit: str = "ms",
) -> Measurement:
    """Return the medians; the spread is the interquartile range of ours."""
    quartiles = statistics.quantiles(ours_ms, n=4) if len(ours_ms) > 1 else [0.0, 0.0, 0.0]
    return Measurement(
        what=what,
        peer=peer,
        ours_ms=statistics.median(ours_ms),
        peer_ms=None if peer_ms is None else statistics.median(peer_ms),
        spread_ms=quartiles[2] - quartiles[0],
        repeats=len(ours_ms),
        compare=compare,
        bound=bound,
        unit=unit,
    )


def run_python(code: str, environ: dict[str, str]) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout


def print_table(measurements: list[Measurement]) -> None:
    """Print the measurements, one row each."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Medians in one run, ours and the raw peer taking turns", title_justify="left")
    for heading in ("what", "ours", "±", "peer", "peer takes", "ours is", "the design asks", "n"):
        table.add_column(heading, justify="left" if heading in ("what", "peer", "the design asks") else "right")
    for row in measurements:
        peer = "" if row.peer_ms is None else _amount(row.peer_ms, row.unit)
        times = (_amount(row.ours_ms, row.unit), _amount(row.spread_ms), row.peer, peer)
        table.add_row(row.what, *times, row.verdict, row.bound, str(row.repeats))
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def _amount(number: float, unit: str = "") -> str:
    """Return a figure with as many digits as are of interest."""
    digits = 0 if number >= 20 or number == 0 else 1 if number >= 1 else 3
    return f"{number:,.{digits}f} {unit}".rstrip()
