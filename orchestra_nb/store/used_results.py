"""The files of results that a store still knows: one that is named by its content may be that of several runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select

from orchestra_nb.store.code_tables import run_codes
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import cached_results, recorded_values, staged_results

_QUERIES: Final = (
    select(cached_results.c.reference),
    select(recorded_values.c.reference).where(recorded_values.c.reference.is_not(None)),
    select(staged_results.c.result),
    select(run_codes.c.pickle).where(run_codes.c.pickle.is_not(None)),
)


class UsedResults:
    """The files of results that a store knew when this was made. Costs a read of all that it keeps of results."""

    def __init__(self, database: Database) -> None:
        self._urls: dict[str, set[str]] = {}
        with database.connect() as connection:
            for query in _QUERIES:
                for stored in connection.execute(query).scalars():
                    for url in _urls_in(stored):
                        self._urls.setdefault(_name_of(url), set()).add(url)

    def may_hold(self, url: str) -> bool:
        """Tell whether a file may be one of them.

        One folder has different paths on the machines that share it. So where one with the same content is at another
        path, it is another file only if both are seen here and differ.
        """
        return any(_may_be_same(url, used) for used in self._urls.get(_name_of(url), ()))


def _may_be_same(url: str, used: str) -> bool:
    if url == used:
        return True
    if ("://" in url) != ("://" in used):
        return False
    try:
        return "://" in url or os.path.samefile(url, used)
    except OSError:  # one of them is not seen here
        return True


def _name_of(url: str) -> str:
    return url.rpartition("/")[2]


def _urls_in(stored: object) -> Sequence[str]:
    """Return the URLs in a stored reference, or in a staged result with its own."""
    if not isinstance(stored, dict):
        return []
    own = [stored[name] for name in ("url", "final_url") if isinstance(stored.get(name), str)]
    return own + [url for value in stored.values() for url in _urls_in(value)]
