"""Statements that are sent without waiting: what goes wrong with one is told, and undoes its transaction."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, text
from stored_examples import NOON

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.store.code_tables import concurrency_limits
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.pipelines import SENT

_INSERT = insert(concurrency_limits).execution_options(**SENT)


def _names(database: Database) -> list[str]:
    with database.connect() as connection:
        return list(connection.execute(select(concurrency_limits.c.name).order_by(concurrency_limits.c.name)).scalars())


def _row(name: str) -> dict[str, object]:
    numbers = {"slot_limit": 1, "slot_decay_per_second": 0.0, "decaying": 0.0}
    return {"name": name, "is_active": True, "decaying_at": NOON, **numbers}


def test_what_was_sent_is_seen_by_the_next_statement_and_kept(database: Database) -> None:
    with database.write() as connection:
        for name in ("a", "b", "c"):
            connection.execute(_INSERT, _row(name))
        seen = list(connection.execute(select(concurrency_limits.c.name)).scalars())
        connection.execute(_INSERT, _row("d"))

    assert sorted(seen) == ["a", "b", "c"]
    assert _names(database) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("is_looked_at", [True, False], ids=["by the next statement", "by the end"])
def test_a_sent_statement_that_fails_undoes_the_transaction(database: Database, is_looked_at: bool) -> None:
    with pytest.raises(Exception, match="(?i)unique"), database.write() as connection:
        connection.execute(_INSERT, _row("a"))
        connection.execute(_INSERT, _row("a"))
        if is_looked_at:
            connection.execute(text("SELECT 1"))

    assert _names(database) == []
    with database.write() as connection:  # the connection is as good as new
        connection.execute(_INSERT, _row("b"))
    assert _names(database) == ["b"]


def test_what_was_sent_is_undone_when_the_block_raises(database: Database) -> None:
    with pytest.raises(KeyError), database.write() as connection:
        connection.execute(_INSERT, _row("a"))
        raise KeyError("a mistake of ours")

    assert _names(database) == []


def test_a_failure_inside_of_a_larger_transaction_undoes_only_its_own_part(database: Database) -> None:
    with database.together():
        with database.write() as connection:
            connection.execute(_INSERT, _row("a"))
        with pytest.raises(Exception, match="(?i)unique"), database.write() as connection:
            connection.execute(_INSERT, _row("b"))
            connection.execute(_INSERT, _row("a"))
        with database.write() as connection:
            connection.execute(_INSERT, _row("c"))

    assert _names(database) == ["a", "c"]


@pytest.mark.parametrize("behind", range(4))
@pytest.mark.parametrize("raises", [False, True])
def test_what_fails_inside_of_a_larger_transaction_is_told_and_the_rest_goes_on(
    database: Database, behind: int, raises: bool
) -> None:
    with database.together():
        with pytest.raises(Exception, match="(?i)unique"), database.write() as connection:
            connection.execute(_INSERT, _row("a"))
            connection.execute(_INSERT, _row("a"))
            for number in range(behind):
                connection.execute(_INSERT, _row(f"b{number}"))
            if raises:
                raise KeyError("a mistake of ours")
        with database.write() as connection:
            connection.execute(_INSERT, _row("c"))

    assert _names(database) == ["c"]


@pytest.mark.parametrize("behind", range(4))
def test_what_failed_first_is_told(database: Database, behind: int) -> None:
    with pytest.raises(Exception, match="(?i)unique"), database.write() as connection:
        connection.execute(_INSERT, _row("a"))
        connection.execute(_INSERT, _row("a"))
        for number in range(behind):
            connection.execute(_INSERT, _row(f"b{number}"))

    assert _names(database) == []


def test_a_connection_that_is_lost_behind_a_sent_statement_is_told_as_the_store_away(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = open_database(postgres_url)
    with pytest.raises(StoreUnavailable), database.write() as connection:
        own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with database._engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:own)"), {"own": own})
        connection.execute(_INSERT, _row("a"))

    assert caplog.text == ""  # psycopg would tell of its pipeline
    assert _names(database) == []
    with database.write() as connection:
        connection.execute(_INSERT, _row("b"))
    assert _names(database) == ["b"]
    database.close()


def test_a_connection_that_was_lost_a_moment_ago_is_replaced(postgres_url: str) -> None:
    database = open_database(postgres_url)
    other = open_database(postgres_url)
    end_all_others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for name in ("a", "b"):
        assert _names(database) == ["a"][: name == "b"]
        with other.connect() as connection:
            connection.execute(end_all_others)
        with database.write() as connection:  # at once: before the connection would be asked whether it is there
            connection.execute(_INSERT, _row(name))
        with other.connect() as connection:
            connection.execute(end_all_others)
        assert name in _names(database)
    database.close()
    other.close()


def test_a_connection_that_is_lost_while_statements_are_on_their_way_is_replaced_without_noise(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = open_database(postgres_url)
    admin = open_database(postgres_url)

    with pytest.raises(StoreUnavailable), database.write() as connection:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        connection.execute(_INSERT, _row("a"))
        with admin.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})
            connection.execute(_INSERT, _row("b"))
    with database.write() as connection:
        connection.execute(_INSERT, _row("c"))

    assert _names(database) == ["c"]
    assert caplog.text == ""
    database.close()
    admin.close()
