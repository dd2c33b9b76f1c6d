"""``GET /orchestra/api/v1/health``: whether the store can be used, and whether deployments run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado import web

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.operations.problems import problem_of
from orchestra_nb.operations.service_health import ServiceHealth, service_health
from orchestra_nb.server.api_handler import OrchestraAPIHandler
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
        """Answer 200 also when something is wrong.

        ``store`` is "ok" or the code of what is wrong with it, which ``message`` tells; ``own_service`` is how the
        service process of this server is; the rest is as :class:`~.service_health.ServiceHealth`.
        """
        word, message = "ok", ""
        try:
            health = await self.call(service_health, datetime.now(UTC))
        except StoreUnavailable as error:
            problem = problem_of(error)
            word, message = problem.code, problem.detail
            health = ServiceHealth(schema_revision=None, services=(), oldest_waiting=None)
        self.answer(
            {
                "version": __version__,
                "store": word,
                "message": message,
                "schema_revision": health.schema_revision,
                "own_service": self._keeper.state,
                "services": health.services,
                "oldest_waiting": health.oldest_waiting,
            }
        )


health_routes = ((r"/orchestra/api/v1/health", HealthHandler),)
