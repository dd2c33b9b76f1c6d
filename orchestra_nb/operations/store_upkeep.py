"""Looks after the store itself: how it is, its upgrade, copies, repair, and giving back what is unused."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.counted import counted
from orchestra_nb.operations.absolute_paths import absolute_path
from orchestra_nb.operations.doctor import Check
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.database import Database
    from orchestra_nb.store.run_store import RunStore
    from orchestra_nb.store.store_checks import Broken, StoreChecks

#: Why a run is ended whose driver is not known.
_CAUSE: Final = "The process that ran it is gone, and nobody has noticed when."
_REPAIR: Final = "orchestra db check --repair"


class StoreStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a store is.

    Parameters
    ----------
    revision, wanted_revision
        Of its tables, and the one that this version of Orchestra needs; None for a store without tables.
    size_bytes, free_bytes
        What it takes, and what of that is unused; None for a database that looks after that by itself.
    rows
        Table to the number of its rows, the largest first; empty where the tables are of another revision.
    open_runs
        Runs that have not ended.
    services
        Who starts the runs of deployments.
    cleaned_at
        When somebody last began to delete what is too old; None for never.
    """

    location: str
    kind: str
    revision: str | None
    wanted_revision: str
    size_bytes: int
    free_bytes: int | None = None
    rows: dict[str, int] = {}
    open_runs: int = 0
    services: tuple[str, ...] = ()
    cleaned_at: datetime | None = None

    @property
    def is_current(self) -> bool:
        """Whether its tables are those of this version."""
        return self.revision == self.wanted_revision


class Upgraded(msgspec.Struct, frozen=True, kw_only=True):
    """From which revision to which a store was brought, and where the copy of before is; None for none."""

    location: str
    before: str | None
    after: str
    copy: str | None


class Vacuumed(msgspec.Struct, frozen=True, kw_only=True):
    """What a store took before and takes now."""

    location: str
    before_bytes: int
    after_bytes: int


def store_status(settings: Settings, now: datetime) -> StoreStatus:
    """Return how the store is, without making or upgrading it.

    Raises
    ------
    StoreUnavailable
        There is none, or it cannot be read; or a newer version wrote it.
    """
    from orchestra_nb.model.retention import Horizon
    from orchestra_nb.model.states import TERMINAL_STATES, State
    from orchestra_nb.services.recovery import describe_driver
    from orchestra_nb.store.leases import Leases
    from orchestra_nb.store.old_records import OldRecords
    from orchestra_nb.store.run_store import RunStore
    from orchestra_nb.store.schema_revision import HEAD
    from orchestra_nb.store.schema_upgrade import stored_revision
    from orchestra_nb.store.store_size import free_bytes, row_counts, size_bytes

    with _as_it_is(settings) as database:
        status = StoreStatus(
            location=database.location,
            kind="SQLite" if database.is_sqlite else "PostgreSQL",
            revision=stored_revision(database),
            wanted_revision=HEAD,
            size_bytes=size_bytes(database),
            free_bytes=free_bytes(database),
        )
        if not status.is_current:
            return status
        store = RunStore(database)
        counts = store.state_counts()
        drivers = Leases(database).drivers_without_end()
        return msgspec.structs.replace(
            status,
            rows=row_counts(database),
            open_runs=sum(counts.get(state, 0) for state in State if state not in TERMINAL_STATES),
            services=tuple(describe_driver(driver) for driver in drivers if driver.kind == "service"),
            cleaned_at=OldRecords(database, Horizon(runs=None, logs=None, results=None)).cleaned_at(),
        )


def upgrade_store(settings: Settings) -> Upgraded:
    """Make the store, or bring its tables to this version; a SQLite file is copied first.

    Raises
    ------
    StoreUnavailable
        It cannot be reached or written, or a newer version wrote it.
    """
    from orchestra_nb.store.schema_revision import HEAD
    from orchestra_nb.store.schema_upgrade import stored_revision, upgrade
    from orchestra_nb.store.sqlite_file import create_file

    with _as_it_is(settings, create=create_file) as database:
        before = stored_revision(database)
        copy = None if before == HEAD else upgrade(database)
        return Upgraded(location=database.location, before=before, after=HEAD, copy=None if copy is None else str(copy))


def back_up_store(settings: Settings, file: str, *, is_replacing: bool = False) -> Path:
    """Copy a store in SQLite while it is in use, and return where the copy is.

    Raises
    ------
    InvalidInput
        The file is there already, or cannot be written.
    StoreUnavailable
        The store cannot be read; or it is in PostgreSQL, and the message says what copies it.
    """
    from orchestra_nb.store.database import parse_store_url
    from orchestra_nb.store.store_backup import back_up_file, dump_command

    url, copy = parse_store_url(settings.resolved_store_url), absolute_path(file)
    if url.get_backend_name() != "sqlite":
        command = shlex.join(dump_command(url, copy))
        raise StoreUnavailable(f"No copy was made: PostgreSQL makes its own. Run:\n  {command}")
    back_up_file(Path(str(url.database)), copy, is_replacing=is_replacing)
    return copy


def vacuum_store(store: RunStore) -> Vacuumed:
    """Give back what is unused.

    Raises
    ------
    StoreUnavailable
        Somebody else uses the store without a pause, or the disk is full.
    """
    from orchestra_nb.store.store_size import size_bytes, vacuum

    database = store.database
    before = size_bytes(database)
    vacuum(database)
    return Vacuumed(location=database.location, before_bytes=before, after_bytes=size_bytes(database))


def check_store(store: RunStore, now: datetime) -> Iterator[Check]:
    """Yield what must hold in a store, and whether it does; changes nothing."""
    from orchestra_nb.store.store_backup import damage_of
    from orchestra_nb.store.store_checks import StoreChecks

    database = store.database
    if database.path is not None:
        damage = damage_of(database.path)
        remedy = "Put back a copy of the file, or save what can be read: sqlite3 FILE .recover"
        yield Check("file", "fail" if damage else "ok", damage or "whole", remedy if damage else "")
        if damage:
            return
    rules = StoreChecks(database, now)
    for name, (well, read, remedy) in _RULES.items():
        broken = read(rules)
        yield Check(name, "ok", well) if not broken.count else Check(name, "fail", _words(broken), remedy)
    orphans = rules.rows_without_runs()
    detail = "; ".join(f"{table}: {_words(broken)}" for table, broken in orphans.items())
    yield Check("rows of runs", "fail" if orphans else "ok", detail or "each has its run", _REPAIR if orphans else "")
    for name, broken, well, remedy in (
        (
            "schedules",
            rules.schedules_with_problems(),
            "each can be worked off",
            "Correct it, and deploy it again: orchestra deployments show NAME",
        ),
        ("late schedules", rules.late_schedules(), "none", "Start a service: orchestra serve"),
    ):
        yield Check(
            name,
            "warn" if broken.count else "ok",
            _words(broken) if broken.count else well,
            remedy if broken.count else "",
        )


def repair_store(store: RunStore, now: datetime) -> int:
    """Mend what can be mended without a question; return how many things that were.

    Runs and tasks of drivers that are gone are ended as crashed, runs that nobody would start as cancelled; what means
    nothing is deleted.
    """
    from orchestra_nb.model.runs import Driver
    from orchestra_nb.services.recovery import ACTOR, end_driver
    from orchestra_nb.store.leases import Leases
    from orchestra_nb.store.store_checks import StoreChecks
    from orchestra_nb.store.work_queue import WorkQueue

    rules = StoreChecks(store.database, now)
    count = rules.runs_without_driver().count + rules.tasks_without_driver().count
    for driver_id in rules.drivers_to_end():
        driver = Leases(store.database).find_driver(driver_id) or Driver(
            driver_id=driver_id,
            kind="process",
            host="",
            boot_id="",
            pid=0,
            process_started_at=0.0,
            heartbeat_at=now,
            lease_until=now,
        )
        end_driver(store, driver, _CAUSE, now)
    count += WorkQueue(store.database).cancel_all(rules.ids_that_nobody_starts(), ACTOR, now)
    return count + rules.delete_what_is_void()


@contextmanager
def _as_it_is(settings: Settings, create: Callable[[Path], None] | None = None) -> Iterator[Database]:
    """Open the store without upgrading it; a file that is missing is made by ``create``."""
    from orchestra_nb.store.database import Database, parse_store_url
    from orchestra_nb.store.sqlite_file import is_writable

    url = parse_store_url(settings.resolved_store_url)
    is_read_only = False
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        if not path.exists():
            if create is None:
                raise StoreUnavailable(f"There is no store at {path} yet. `orchestra db upgrade` makes it.")
            create(path)
        is_read_only = not is_writable(path)
    database = Database(url, is_read_only=is_read_only)
    try:
        yield database
    finally:
        database.close()


def _words(broken: Broken) -> str:
    more = " …" if broken.count > len(broken.examples) else ""
    return f"{counted(broken.count, 'case')}: {', '.join(broken.examples)}{more}"


#: What is looked at to (what is said when it is well, how it is read, what mends it).
_RULES: Final[dict[str, tuple[str, Callable[[StoreChecks], Broken], str]]] = {
    "open runs": ("each has its driver", lambda rules: rules.runs_without_driver(), _REPAIR),
    "open tasks": ("each has its run and driver", lambda rules: rules.tasks_without_driver(), _REPAIR),
    "waiting runs": ("each stands in the queue", lambda rules: rules.runs_that_nobody_starts(), _REPAIR),
    "queue": ("each place has its run", lambda rules: rules.queue_without_runs(), _REPAIR),
    "deployments": ("each says what it runs", lambda rules: rules.deployments_without_version(), _REPAIR),
    "schedules' deployments": ("each is there", lambda rules: rules.schedules_without_deployment(), _REPAIR),
}
