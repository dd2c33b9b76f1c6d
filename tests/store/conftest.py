"""Stores on each kind of database, and records to put into them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.run_store import RunStore


@pytest.fixture
def database(any_store_url: str) -> Iterator[Database]:
    database = open_database(any_store_url)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> RunStore:
    return RunStore(database)
