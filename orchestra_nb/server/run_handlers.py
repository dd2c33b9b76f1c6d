"""REST for runs, under ``/orchestra/api/v1/``: list, read, logs, cancel."""

from __future__ import annotations

from datetime import UTC, datetime

from jupyter_server.auth.decorator import authorized
from tornado import web

from orchestra_nb.operations import run_changes, runs
from orchestra_nb.server.api_handler import OrchestraAPIHandler, UnknownRouteHandler

API = r"/orchestra/api/v1"
_ID = r"([^/]+)"


class RunsHandler(OrchestraAPIHandler):
    """``runs?limit=&before=&state=&kind=&flow=``: a page of runs, the newest first."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer ``{"runs", "next", "sequence"}``; a stream from ``sequence`` on misses nothing."""
        sequence = await self.call(run_changes.last_sequence)
        page = await self.call(
            runs.list_runs,
            limit=self.integer("limit", 50),
            before=self.get_query_argument("before", None),
            states=self.words("state"),
            kind=self.get_query_argument("kind", None),
            flow_name=self.get_query_argument("flow", None),
        )
        self.answer({"runs": page.runs, "next": page.next, "sequence": sequence})


class RunHandler(OrchestraAPIHandler):
    """``runs/RUN``: one run, by id or name."""

    @web.authenticated
    @authorized
    async def get(self, run: str) -> None:
        """Answer ``{"run", "tasks", "cells", "sequence"}``."""
        sequence = await self.call(run_changes.last_sequence)
        details = await self.call(runs.show_run, run)
        self.answer({"run": details.run, "tasks": details.tasks, "cells": details.cells, "sequence": sequence})


class RunTasksHandler(OrchestraAPIHandler):
    """``runs/RUN/tasks``: its task runs."""

    @web.authenticated
    @authorized
    async def get(self, run: str) -> None:
        """Answer ``{"tasks"}``."""
        self.answer({"tasks": await self.call(runs.list_tasks, run)})


class RunLogsHandler(OrchestraAPIHandler):
    """``runs/RUN/logs?task=&after=&limit=``: its log lines, in order."""

    @web.authenticated
    @authorized
    async def get(self, run: str) -> None:
        """Answer ``{"lines", "next"}``; ``next`` is the ``after`` of the following page."""
        page = await self.call(
            runs.read_logs,
            run,
            task=self.get_query_argument("task", None),
            after=self.integer("after", 0),
            limit=self.integer("limit", 1000),
        )
        self.answer(page)


class CancelHandler(OrchestraAPIHandler):
    """``runs/RUN/cancel`` and ``runs/RUN/tasks/TASK/cancel``: ask the run's driver to stop it, or one task."""

    @web.authenticated
    @authorized
    async def post(self, run: str, task: str | None = None) -> None:
        """Answer 202 with ``{"cancelled": run_id}`` once the request is stored."""
        actor = f"user {self.current_user.username}"
        found = await self.call(runs.cancel_run, run, task=task, actor=actor, now=datetime.now(UTC))
        self.answer({"cancelled": found.run_id}, status=202)


run_routes = (
    (rf"{API}/runs", RunsHandler),
    (rf"{API}/runs/{_ID}", RunHandler),
    (rf"{API}/runs/{_ID}/tasks", RunTasksHandler),
    (rf"{API}/runs/{_ID}/logs", RunLogsHandler),
    (rf"{API}/runs/{_ID}/cancel", CancelHandler),
    (rf"{API}/runs/{_ID}/tasks/{_ID}/cancel", CancelHandler),
)

#: Registered after all other routes.
unknown_routes = ((rf"{API}(?:/.*)?", UnknownRouteHandler),)
