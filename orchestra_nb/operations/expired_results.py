"""Lets go of results whose time is over: their keys, and their files where these are named by their content."""

from __future__ import annotations

import logging
import re
from datetime import datetime

from orchestra_nb.engine.result_files import delete_file
from orchestra_nb.store.result_index import ResultIndex
from orchestra_nb.store.run_store import RunStore

#: How a file begins that is named by its content.
_DIGEST = re.compile("[0-9a-f]{64}")
_log = logging.getLogger(__name__)


def delete_expired_results(store: RunStore, now: datetime) -> None:
    """Delete the results that have expired.

    A file that was named by ``result_storage_key`` stays: the user has named it, and the next result may have the name.
    One that cannot be deleted from here, such as another machine's, stays too.

    Raises
    ------
    StoreUnavailable
        The store cannot be read, or something has expired and it cannot be written.
    """
    index = ResultIndex(store.database)
    if not index.has_expired(now):
        return
    for reference in index.delete_expired(now):
        name = reference.url.rpartition("/")[2]
        # looked at, since a shared store holds what others wrote: it shall lead to no other file
        if not _DIGEST.match(name) or not name.startswith(reference.digest):
            continue
        try:
            delete_file(reference.url)
        except Exception as error:  # any error of a file system's library, or that there is none here
            _log.info("The file of an expired result stays at %s: %s", reference.url, error)
