"""The combinations of parameters that a sweep runs a notebook with.

Axes are multiplied: each value of one with each of the others, the last one varying fastest. Combinations that were
listed one by one are taken as they are, and each of them with all the axes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidParameters

#: More runs than this nobody means; the store and the disk would suffer before anybody noticed.
MAX_COMBINATIONS: Final = 10_000

#: The tag of a sweep's child run: the number of its combination, from 0.
COMBINATION_TAG: Final = "sweep-combination"

_NUMBER = r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER}):({_NUMBER})")
_RANGE_WITHOUT_STEP = re.compile(rf"{_NUMBER}:{_NUMBER}")


class TypedText(str):
    """A value from a command line, which the notebook's declaration gives its meaning."""

    __slots__ = ()


class SweepRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep as it is asked for, and kept, so that it can be retried.

    Parameters
    ----------
    path
        The notebook.
    combinations
        What each run gets; the parameters that all get are among them.
    swept
        The names that differ, in the order in which they are shown.
    output_folder
        Where the executed notebooks go; None for a folder of the sweep's name beside the notebook.
    limit
        How many run at once; None for as many as there are cores, or slots of the cluster.
    stops_on_failure
        Whether nothing more is started, and what runs is stopped, when one run has failed.
    timeout_seconds, start_timeout_seconds, cell_timeout_seconds
        Of each run, of its kernel's start, and of each of its cells; None for ever.
    is_cached, is_refreshed
        Whether cells are replayed from what was kept, of other runs of the sweep, too; whether all run nevertheless.
    report_mode
        Whether the code is hidden in the executed notebooks.
    visible_parameters
        Names whose values others could read where they were given, so that none of them may be a secret.
    """

    path: str
    combinations: tuple[dict[str, object], ...]
    swept: tuple[str, ...]
    output_folder: str | None = None
    cwd: str | None = None
    kernel_name: str | None = None
    cluster: str | None = None
    is_strict: bool = True
    flow_name: str | None = None
    limit: int | None = None
    stops_on_failure: bool = False
    timeout_seconds: float | None = None
    start_timeout_seconds: float = 60.0
    cell_timeout_seconds: float | None = None
    report_mode: bool = False
    is_cached: bool = False
    is_refreshed: bool = False
    visible_parameters: tuple[str, ...] = ()


def product_of(
    axes: Mapping[str, Sequence[object]],
    combinations: Sequence[Mapping[str, object]] = (),
    fixed: Mapping[str, object] | None = None,
) -> tuple[tuple[dict[str, object], ...], tuple[str, ...]]:
    """Return the combinations, and the names that differ between them.

    Raises
    ------
    InvalidParameters
        An axis has no values, a name is given twice, or there are too many; the message names it.

    Examples
    --------
    >>> product_of({"a": [1, 2], "b": "xy"}, fixed={"c": 0})[0][:2]
    ({'c': 0, 'a': 1, 'b': 'x'}, {'c': 0, 'a': 1, 'b': 'y'})
    >>> product_of({}, [{"a": 1}, {"a": 2, "b": 3}])
    (({'a': 1}, {'a': 2, 'b': 3}), ('a', 'b'))
    """
    fixed = dict(fixed or {})
    listed = list(dict.fromkeys(name for combination in combinations for name in combination))
    for name in (*listed, *axes):
        if name in fixed:
            raise InvalidParameters(f"The parameter {name!r} is swept and has one value, too. Give it only one way.")
    for name, values in axes.items():
        if name in listed:
            raise InvalidParameters(f"The parameter {name!r} is swept twice. Give it only one way.")
        if not len(values):
            raise InvalidParameters(f"The parameter {name!r} is to be swept over no values.")
    count = max(1, len(combinations))
    for values in axes.values():
        count *= len(values)
        if count > MAX_COMBINATIONS:
            raise InvalidParameters(
                f"The sweep has more than {MAX_COMBINATIONS:,} combinations. Sweep over fewer values."
            )
    found = [
        {**fixed, **combination, **dict(zip(axes, values, strict=True))}
        for combination in (combinations or [{}])
        for values in itertools.product(*axes.values())
    ]
    return tuple(found), (*listed, *axes)


def range_of(text: str) -> list[int | float] | None:
    """Return the numbers of ``START:STOP:STEP``, the stop included; None for a text of another form.

    Raises
    ------
    InvalidParameters
        The step is 0 or leads away from the stop.

    Examples
    --------
    >>> range_of("1:10:3"), range_of("0:0.3:0.1"), range_of("5:1:-2"), range_of("12:30")
    ([1, 4, 7, 10], [0.0, 0.1, 0.2, 0.3], [5, 3, 1], None)
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    is_whole = not any(set(part) & set(".eE") for part in match.groups())
    start, stop, step = (float(part) for part in match.groups())
    if step == 0 or (stop - start) / step < 0:
        raise InvalidParameters(f"The range {text} has no values: its step must lead from {start:g} to {stop:g}.")
    steps = int((stop - start) / step + 1e-9)  # 0.3 / 0.1 is a little less than 3
    if steps >= MAX_COMBINATIONS:
        raise InvalidParameters(f"The range {text} has more than {MAX_COMBINATIONS:,} values.")
    numbers = [start + number * step for number in range(steps + 1)]
    return [int(number) for number in numbers] if is_whole else [float(f"{number:.12g}") for number in numbers]


def lacks_step(text: str) -> bool:
    """Whether a text is a range but for its step: ``START:STOP``."""
    return _RANGE_WITHOUT_STEP.fullmatch(text) is not None


def names_of(combinations: Iterable[Mapping[str, object]]) -> tuple[str, ...]:
    """Return the names whose values differ between the combinations, in the order in which they come up.

    Examples
    --------
    >>> names_of([{"a": 1, "b": 2}, {"a": 1, "b": 3}])
    ('b',)
    """
    listed = list(combinations)
    names = dict.fromkeys(name for combination in listed for name in combination)
    return tuple(
        name
        for name in names
        if any(name not in one or one[name] != listed[0].get(name) or name not in listed[0] for one in listed)
    )
