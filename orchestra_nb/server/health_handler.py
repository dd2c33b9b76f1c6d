"""``GET /orchestra/api/v1/health`` and ``/presence``: whether the store can be used, whether there is one at all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado import web

from orchestra_nb.errors import InvalidSetting, StoreUnavailable
from orchestra_nb.operations.problems import problem_of
from orchestra_nb.operations.server_activity import may_have_store
from orchestra_nb.operations.service_health import ServerHealth, ServiceHealth, StorePresence, service_health
from orchestra_nb.server.api_handler import OrchestraAPIHandler
from orchestra_nb.server.store_access import as_seen_by
from orchestra_nb.settings import load_settings
from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from orchestra_nb.server.service_keeper import ServiceKeeper
    from orchestra_nb.server.store_access import StoreAccess


class HealthHandler(OrchestraAPIHandler):
    """``health``: how it stands."""

    def initialize(self, access: StoreAccess, keeper: ServiceKeeper) -> None:  # type: ignore[override]  # from its route
        """Take the way to the store, and who keeps the services of this server."""
        super().initialize(access)
        self._keeper = keeper

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer 200 also when something is wrong."""
        word, message = "ok", ""
        try:
            health = await self.call(as_seen_by(self.owners, service_health), datetime.now(UTC))
        except StoreUnavailable as error:
            problem = problem_of(error)
            word, message = problem.code, problem.detail
            health = ServiceHealth(schema_revision=None, services=(), oldest_waiting=None)
        self.answer(
            ServerHealth(
                version=__version__,
                store=word,
                message=message,
                schema_revision=health.schema_revision,
                own_service=self._keeper.state,
                own_loops={
                    name: None if at is None else datetime.fromtimestamp(at, UTC)
                    for name, at in self._keeper.last_steps.items()
                },
                services=health.services,
                oldest_waiting=health.oldest_waiting,
            )
        )


class PresenceHandler(HealthHandler):
    """``presence``: whether there is a store, for those who must not make one by looking."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer without opening the store."""
        try:
            has_store = await asyncio.to_thread(lambda: may_have_store(load_settings()))
        except InvalidSetting:  # told by what needs the store
            has_store = False
        self.answer(StorePresence(has_store=has_store))


health_routes = (
    (r"/orchestra/api/v1/health", HealthHandler),
    (r"/orchestra/api/v1/presence", PresenceHandler),
)
