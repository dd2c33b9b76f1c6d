"""An open store for the services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from new_stores import new_sqlite_store

from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return new_sqlite_store(tmp_path / "store" / "orchestra.db")


@pytest.fixture
def store(store_url: str) -> Iterator[RunStore]:
    database = open_database(store_url)
    yield RunStore(database)
    database.close()
