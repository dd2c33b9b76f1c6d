"""All that is wrong with something that was given, told at once: nobody corrects one mistake to be told the next."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from orchestra_nb.errors import InvalidInput, NameTaken, NotFound, OrchestraError

T = TypeVar("T")

#: How the message of an error begins that has a line of a file.
_PLACE: Final = re.compile(r".*?:(\d+): ")


class Findings:
    """What was found to be wrong so far."""

    def __init__(self) -> None:
        self.errors: list[OrchestraError] = []

    def trying(self, use: Callable[[], T]) -> T | None:
        """Return what a call gives; None where it raises, which is kept."""
        try:
            return use()
        except OrchestraError as error:
            self.errors.append(error)
            return None

    def tell(self) -> None:
        """Raise what is wrong, if anything is: the one error, or all of them in the order of their lines.

        Of several at one place the first is said there.
        """
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            found = sorted(self.errors, key=_line_of)
            at: dict[str, str] = {}
            for error in found:
                if isinstance(error, InvalidInput | NotFound | NameTaken):
                    at |= {pointer: detail for pointer, detail in error.at.items() if pointer not in at}
            raise InvalidInput("\n".join(map(str, found)), at)


def _line_of(error: OrchestraError) -> int:
    found = _PLACE.match(str(error))
    return 0 if found is None else int(found[1])
