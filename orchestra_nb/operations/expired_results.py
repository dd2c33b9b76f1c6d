"""Lets go of results whose time is over: their keys, and their files where these are named by their content."""

from __future__ import annotations

import logging
from datetime import datetime

from orchestra_nb.engine.result_files import delete_by_content
from orchestra_nb.store.result_index import ResultIndex
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.used_results import UsedResults

_log = logging.getLogger(__name__)


def delete_expired_results(store: RunStore, now: datetime) -> None:
    """Delete the results that have expired.

    A file that was named by ``result_storage_key`` stays: the user has named it, and the next result may have the name.
    One that a run still refers to stays as long as that, and one that cannot be deleted from here, such as another
    machine's, stays too.

    Raises
    ------
    StoreUnavailable
        The store cannot be read, or something has expired and it cannot be written.
    """
    index = ResultIndex(store.database)
    if not index.has_expired(now):
        return
    expired = index.delete_expired(now)
    used = UsedResults(store.database)  # runs keep references of their own
    for reference in expired:
        if used.may_hold(reference.url):
            continue
        try:
            delete_by_content(reference, now)
        except Exception as error:  # any error of a file system's library, or that there is none here
            _log.info("The file of an expired result stays at %s: %s", reference.url, error)
