"""What is wrong with services that are up, so that others than their own log can tell."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select

from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import drivers
from orchestra_nb.store.service_tables import service_problems
from orchestra_nb.store.stored_records import short_message


class ServiceProblems:
    """The problems in a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, driver_id: str, service: str, problem: str, at: datetime) -> None:
        """Note what is wrong with a loop of a service; empty when nothing is any more.

        What services that have ended left is deleted on the way.
        """
        ended = select(drivers.c.driver_id).where(drivers.c.ended_at.is_not(None))
        own = (service_problems.c.driver_id == driver_id) & (service_problems.c.service == service)
        with self._database.write(durable=False) as connection:
            connection.execute(delete(service_problems).where(own | service_problems.c.driver_id.in_(ended)))
            if problem:
                values = {"driver_id": driver_id, "service": service, "problem": short_message(problem), "since": at}
                connection.execute(insert(service_problems).values(values))

    def list_problems(self) -> dict[str, dict[str, str]]:
        """Return driver id to loop to what is wrong with it, also of services that have died since."""
        found: dict[str, dict[str, str]] = {}
        columns = (service_problems.c.driver_id, service_problems.c.service, service_problems.c.problem)
        with self._database.connect() as connection:
            for driver_id, service, problem in connection.execute(select(*columns)):
                found.setdefault(driver_id, {})[service] = problem
        return found
