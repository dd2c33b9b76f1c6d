"""Texts, times, words and conditions of an automation as a file says them, with the place of each error."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from typing import TypeVar

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automation_names import check_condition
from orchestra_nb.model.automations import Match
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.findings import Findings
from orchestra_nb.operations.deployment_request import read_seconds
from orchestra_nb.operations.located_yaml import LocatedYaml

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

#: One name or several, and a time, as files write them.
Names = str | list[str]
Duration = str | int | float


class ValueReader:
    """Reads values at their places; what is wrong goes to the findings or is raised, with its place."""

    def __init__(self, source: LocatedYaml, findings: Findings) -> None:
        self.source = source
        self.findings = findings

    def condition(self, path: str, text: str | bool, about: Collection[Match] | None) -> str:
        """Return a condition; None for what it is about is unknown, and no name is missing then."""
        if isinstance(text, bool):  # YAML's own true and false
            return str(text).lower()
        self.telling(path, lambda: check_condition(text, about))
        return text

    def window(self, path: str, value: Duration) -> float:
        """Return the seconds of `within`; 0 where they are wrong, so that the rest is read."""
        return self.findings.trying(lambda: self.seconds(f"{path}.within", value)) or 0.0

    def seconds(self, path: str, value: Duration) -> float:
        """Return the seconds of a time."""
        text = value if isinstance(value, str) else write_duration(value) if value >= 0 else str(value)
        return self.telling(path, lambda: read_seconds(text, path.rpartition(".")[2]))

    def words(self, path: str, said: Names | None, kind: type[E]) -> tuple[E, ...]:
        """Return what words stand for; those that stand for nothing hide nothing else that is wrong."""
        by_word = {str(one.value).lower(): one for one in kind}
        found = []
        for word in texts(said or []):
            if word.lower() not in by_word:
                refusal = InvalidInput(f"{word!r} is none of {', '.join(by_word)}.")
                self.findings.errors.append(self.source.error(path, refusal))
            else:
                found.append(by_word[word.lower()])
        return tuple(found)

    def telling(self, path: str, use: Callable[[], T]) -> T:
        """Return what a function returns; what it refuses is refused at this place."""
        try:
            return use()
        except InvalidInput as error:
            raise self.source.error(path, error) from None


def texts(said: Names) -> tuple[str, ...]:
    """Return names, of which one alone may be written without a list."""
    return (said,) if isinstance(said, str) else tuple(said)
