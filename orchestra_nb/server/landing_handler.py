"""``GET /orchestra/service``: a page for people that says what is up. It needs nothing in the browser but itself."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader
from jupyter_server.auth.decorator import authorized
from tornado import web

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.operations.service_health import ServiceHealth, service_health
from orchestra_nb.server.callers import AUTH_RESOURCE, KnownCaller
from orchestra_nb.server.store_access import as_seen_by
from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from orchestra_nb.server.service_keeper import ServiceKeeper
    from orchestra_nb.server.store_access import StoreAccess
    from orchestra_nb.store.run_store import RunStore


#: The pages that this one leads to, below ``/orchestra/``; ``labextension/src/pages/pageLinks.ts`` has the same.
_PAGES: Final = (
    ("", "Runs"),
    ("flows", "Flows"),
    ("dead-letters", "Dead letters"),
    ("notifications", "Notifications"),
    ("pools", "Work pools"),
    ("variables", "Variables"),
    ("automations", "Automations"),
    ("webhooks", "Webhooks"),
)


class PageHandler(KnownCaller):
    """A page for people: who is not logged in is sent to the login page, and may do nothing else.

    Handlers still put ``@web.authenticated`` and ``@authorized`` on each method, as those of the API do.
    """

    auth_resource = AUTH_RESOURCE

    async def prepare(self) -> None:  # type: ignore[override]  # as JupyterHandler itself
        """Refuse whoever is not logged in, whatever the method."""
        await super().prepare()
        if self.current_user is None and self.request.method not in ("GET", "HEAD"):
            raise web.HTTPError(403)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        """Answer in plain words: this needs nothing of Jupyter's own pages."""
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{status_code} {HTTPStatus(status_code).phrase}\n")


class LandingHandler(PageHandler):
    """``/orchestra/service``: the page."""

    def initialize(self, access: StoreAccess, keeper: ServiceKeeper) -> None:
        """Take the way to the store, and who keeps the services of this server."""
        self._access = access
        self._keeper = keeper

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Show how it stands, also when the store cannot be read."""
        location, store_problem, now = "", "", datetime.now(UTC)
        try:
            location, health = await self._access.call(as_seen_by(self.owners, _look), now)
        except StoreUnavailable as error:
            store_problem, health = str(error), ServiceHealth(schema_revision=None, services=(), oldest_waiting=None)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.finish(
            page_templates()
            .get_template("landing.html")
            .render(
                base=self.base_url,
                version=__version__,
                location=location,
                store_problem=store_problem,
                health=health,
                own_service=self._keeper.state,
                pages=_PAGES,
                now=now,
            )
        )

    head = get


class LandingRedirect(PageHandler):
    """``/orchestra``: to the pages."""

    @web.authenticated
    @authorized
    def get(self) -> None:
        """Go there, with what was asked."""
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.base_url}orchestra/{query}")

    head = get


def _look(store: RunStore, now: datetime) -> tuple[str, ServiceHealth]:
    return store.database.location, service_health(store, now)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _relative(at: datetime, now: datetime) -> str:
    seconds = (now - at).total_seconds()
    if seconds < 0:
        return "soon"
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


@cache
def page_templates() -> Environment:
    """Return the templates of the pages for people."""
    templates = Environment(loader=PackageLoader("orchestra_nb.server"), autoescape=True)
    templates.filters["moment"] = _moment
    templates.filters["relative"] = _relative
    return templates


landing_routes = ((r"/orchestra/service", LandingHandler),)
redirect_routes = ((r"/orchestra", LandingRedirect),)
