"""Stores of their own for tests, on both kinds of database: copies of one that the product made, which is the faster way."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from postgres import new_database

from orchestra_nb.store.database import open_database


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a store with nothing in it, in a SQLite file."""
    return new_sqlite_store(tmp_path / "orchestra.db")


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """The URL of a store with nothing in it, on PostgreSQL."""
    with new_database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a store with nothing in it: a test with it runs once on each kind of database."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def any_missing_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that is not made yet: a test with it runs once on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'orchestra.db'}"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a database that is a store with nothing in it."""
    with new_database(postgres_server) as url:
        open_database(url).close()
        yield url.rpartition("/")[2]


def new_sqlite_store(file: Path) -> str:
    """Make a store with nothing in it, and its folder, and return its URL."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(_sqlite_template(), file)
    return f"sqlite:///{file}"


@cache
def _sqlite_template() -> Path:
    file = Path(tempfile.mkdtemp(prefix="store-")) / "orchestra.db"
    open_database(f"sqlite:///{file}").close()
    return file
