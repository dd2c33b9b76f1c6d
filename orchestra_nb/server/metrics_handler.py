"""``GET /orchestra/api/v1/metrics``: Orchestra's figures for a Prometheus that has a token of ours.

Jupyter Server's own ``/metrics`` has them, too, among all others of the server: it opens to Jupyter's token alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from tornado import web

from orchestra_nb.model.api_tokens import Scope
from orchestra_nb.server.api_handler import OrchestraAPIHandler

if TYPE_CHECKING:
    from orchestra_nb.server.figures_collector import FiguresCollector
    from orchestra_nb.server.store_access import StoreAccess


class MetricsHandler(OrchestraAPIHandler):
    """``metrics``: the figures in the text format of Prometheus."""

    read_scope = Scope.READ_METRICS

    def initialize(self, access: StoreAccess, figures: FiguresCollector) -> None:  # type: ignore[override]  # from its route
        """Take the way to the store, and the figures."""
        super().initialize(access)
        self._figures = figures

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with what a scrape of ``/metrics`` would see of ours; they have the names of everybody's flows."""
        if self.owners is not None and self.api_token is None:
            raise web.HTTPError(403, "These are figures of everybody's runs. On this server this needs the role admin.")
        registry = CollectorRegistry()
        registry.register(self._figures)
        text = await asyncio.to_thread(generate_latest, registry)
        self.set_header("Cache-Control", "no-store")
        self.finish(text, set_content_type=CONTENT_TYPE_LATEST)


metrics_routes = ((r"/orchestra/api/v1/metrics", MetricsHandler),)
