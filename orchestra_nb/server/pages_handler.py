"""``GET /orchestra/`` and below: the pages for people, whose code in the browser asks the API for what they show.

The answer is the same frame for each page; the code of the pages reads from the address which one is meant. It is
built into ``orchestra_nb/static`` (``jlpm build:pages``) and served from here, so that a strict Content-Security-Policy
holds: nothing runs, and nothing is asked, that is not of this server.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from jupyter_server.auth.decorator import authorized
from tornado import web

from orchestra_nb.server.landing_handler import PageHandler, page_templates
from orchestra_nb.version import __version__

#: What the build wrote, and as what it is served.
STATIC: Final = Path(__file__).parent.parent / "static"
ASSETS: Final = {"pages.js": "text/javascript; charset=UTF-8", "pages.css": "text/css; charset=UTF-8"}

#: The addresses of pages below ``/orchestra/``, as regular expressions; ``labextension/src/pages/registry.ts`` has the
#: page of each.
PAGES: Final = (
    *("", "runs/([^/]+)", "flows", "flows/([^/]+)"),
    *("dead-letters", "notifications", "pools", "variables", "automations", "webhooks"),
)

#: Name of an extension of Jupyter to where below the server it opens a notebook, the preferred one first.
_NOTEBOOK_PAGES: Final = {"jupyterlab": "lab/tree/", "notebook": "notebooks/"}

_HOST: Final = re.compile(r"[\w.\-]+(?::\d+)?|\[[\da-fA-F:]+\](?::\d+)?")
_A_YEAR: Final = 365 * 24 * 60 * 60


class PagesHandler(PageHandler):
    """A page."""

    @property
    def content_security_policy(self) -> str:
        """Nothing but what comes from here; pictures also from within the page."""
        rules = [
            super().content_security_policy,
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            f"connect-src {self._stream_sources()}",
            "base-uri 'none'",
            "form-action 'self'",
        ]
        return "; ".join(rules)

    @web.authenticated
    @authorized
    def get(self, *_parts: str) -> None:
        """Give the frame; its code draws the page of the address."""
        self.xsrf_token  # noqa: B018  sets the cookie that the page's own requests are to show
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.finish(
            page_templates()
            .get_template("pages.html")
            .render(
                base=self.base_url,
                version=__version__,
                is_built=all((STATIC / name).exists() for name in ASSETS),
                digests={name: _digest(name) for name in ASSETS},
                notebook_url=self._notebook_url(),
                server_root=self._server_root(),
            )
        )

    head = get

    def _stream_sources(self) -> str:
        """Return whom the page may ask; not every browser takes the websocket's scheme for that of the page."""
        host = self.request.host
        return f"'self' ws://{host} wss://{host}" if _HOST.fullmatch(host) else "'self'"

    def _notebook_url(self) -> str:
        """Return the address below which a notebook is opened, empty where this server opens none."""
        extensions = self.serverapp.extension_manager.extensions if self.serverapp is not None else {}
        found = (place for name, place in _NOTEBOOK_PAGES.items() if name in extensions and extensions[name].enabled)
        place = next(found, None)
        return "" if place is None else f"{self.base_url}{place}"

    def _server_root(self) -> str:
        """Return the folder whose files are opened, empty where none are."""
        return str(getattr(self.contents_manager, "root_dir", "")) if self._notebook_url() else ""


class PageAssetHandler(PageHandler):
    """The code and the style of the pages."""

    @web.authenticated
    @authorized
    def get(self, name: str) -> None:
        """Give a file of the build; with its digest in the address it is kept by the browser."""
        if name not in ASSETS or not (STATIC / name).exists():
            raise web.HTTPError(404)
        is_named = self.get_query_argument("v", "") == _digest(name)
        self.set_header("Cache-Control", f"private, max-age={_A_YEAR}, immutable" if is_named else "private, no-cache")
        self.set_header("Content-Type", ASSETS[name])
        self.finish((STATIC / name).read_bytes())

    head = get


def _digest(name: str) -> str:
    path = STATIC / name
    return _digest_at(path, path.stat().st_mtime_ns) if path.exists() else ""


@cache
def _digest_at(path: Path, _changed_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


pages_routes = (
    *((rf"/orchestra/{page}", PagesHandler) for page in PAGES),
    (r"/orchestra/static/([^/]+)", PageAssetHandler),
)
