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
from orchestra_nb.server.languages import catalogues, wanted_language
from orchestra_nb.version import __version__

#: What the build wrote, and as what it is served.
STATIC: Final = Path(__file__).parent.parent / "static"
ASSETS: Final = {"pages.js": "text/javascript; charset=UTF-8", "pages.css": "text/css; charset=UTF-8"}

#: Key of the server's settings: the language of the pages, empty for the browser's.
LANGUAGE_SETTING: Final = "orchestra_language"

#: The addresses of pages below ``/orchestra/``, as regular expressions; ``labextension/src/pages/registry.ts`` has the
#: page of each.
PAGES: Final = (
    *("", "runs/([^/]+)", "flows", "flows/([^/]+)", "flows/([^/]+)/(.+)"),
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
        self.give_frame()

    head = get

    def give_frame(self) -> None:
        """Give what is the same for each page."""
        self.xsrf_token  # noqa: B018  sets the cookie that the page's own requests are to show
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        language = self._language()
        self.finish(
            page_templates()
            .get_template("pages.html")
            .render(
                base=self.base_url,
                version=__version__,
                is_built=all((STATIC / name).exists() for name in ASSETS),
                digests={name: _digest(STATIC / name) for name in ASSETS},
                language=language,
                words_digest=_digest(catalogues()[language]) if language in catalogues() else "",
                notebook_url=self._notebook_url(),
                server_root=self._server_root(),
            )
        )

    def _stream_sources(self) -> str:
        """Return whom the page may ask; not every browser takes the websocket's scheme for that of the page."""
        host = self.request.host
        return f"'self' ws://{host} wss://{host}" if _HOST.fullmatch(host) else "'self'"

    def _language(self) -> str:
        """Return the language of the page as a BCP 47 tag."""
        chosen: str = self.settings.get(LANGUAGE_SETTING, "")
        return chosen or wanted_language(self.request.headers.get("Accept-Language", ""))

    def _notebook_url(self) -> str:
        """Return the address below which a notebook is opened, empty where this server opens none."""
        extensions = self.serverapp.extension_manager.extensions if self.serverapp is not None else {}
        found = (place for name, place in _NOTEBOOK_PAGES.items() if name in extensions and extensions[name].enabled)
        place = next(found, None)
        return "" if place is None else f"{self.base_url}{place}"

    def _server_root(self) -> str:
        """Return the folder whose files are opened, empty where none are."""
        return str(getattr(self.contents_manager, "root_dir", "")) if self._notebook_url() else ""


class UnknownPageHandler(PagesHandler):
    """An address that is none: the frame, whose code says so and leads on. Programs get the bare answer."""

    @web.authenticated
    @authorized
    def get(self, path: str) -> None:
        """Say that there is no such page."""
        if path.startswith(("api/", "static/")) or "text/html" not in self.request.headers.get("Accept", ""):
            raise web.HTTPError(404)
        self.set_status(404)
        self.give_frame()

    head = get


class PageAssetHandler(PageHandler):
    """The code, the style and the words of the pages.

    The code is a plain script, not a module: browsers ask for modules as they do for other origins (``Sec-Fetch-Mode:
    cors``), which under a JupyterHub needs a token against forgery that no tag can send.
    """

    def get_login_url(self) -> str:
        """Refuse whoever is not logged in: a login page is no script, and a login at a JupyterHub leads back here."""
        raise web.HTTPError(403)

    @web.authenticated
    @authorized
    def get(self, name: str) -> None:
        """Give a file; with its digest in the address it is kept by the browser."""
        path = STATIC / name if name in ASSETS else catalogues().get(name.removesuffix(".json"))
        if path is None or not path.exists():
            raise web.HTTPError(404)
        is_named = self.get_query_argument("v", "") == _digest(path)
        self.set_header("Cache-Control", f"private, max-age={_A_YEAR}, immutable" if is_named else "private, no-cache")
        self.set_header("Content-Type", ASSETS.get(name, "application/json"))
        self.finish(path.read_bytes())

    head = get


def _digest(path: Path) -> str:
    return _digest_at(path, path.stat().st_mtime_ns) if path.exists() else ""


@cache
def _digest_at(path: Path, _changed_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


pages_routes = (
    *((rf"/orchestra/{page}", PagesHandler) for page in PAGES),
    (r"/orchestra/static/([^/]+)", PageAssetHandler),
)
#: Comes after all other routes.
unknown_page_routes = ((r"/orchestra/(.+)", UnknownPageHandler),)
