"""The Jupyter server extension: REST and a live stream of runs under ``/orchestra/api/v1/``.

Loading it imports neither SQLAlchemy nor anything else heavy and opens nothing, so it does not slow the server's start:
the store is opened by the first request that needs it, or, where it is there, by the first look for runs that need the
server.
"""

from __future__ import annotations

import asyncio
import os

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Dict, Float, Integer, Unicode

from orchestra_nb.errors import InvalidSetting
from orchestra_nb.model.access import AccessRules
from orchestra_nb.server.activity_watch import ActivityWatch
from orchestra_nb.server.callers import RULES_SETTING
from orchestra_nb.server.figures_collector import FiguresCollector
from orchestra_nb.server.health_handler import health_routes
from orchestra_nb.server.lab_titles import offer_titles
from orchestra_nb.server.landing_handler import landing_routes, redirect_routes
from orchestra_nb.server.languages import known_language
from orchestra_nb.server.metrics_handler import metrics_routes
from orchestra_nb.server.pages_handler import LANGUAGE_SETTING, pages_routes, unknown_page_routes
from orchestra_nb.server.presence_note import PresenceNote
from orchestra_nb.server.rest_handler import rest_routes
from orchestra_nb.server.run_events import RunEvents
from orchestra_nb.server.saved_notebooks import leave_out_empty_places
from orchestra_nb.server.service_keeper import ServiceKeeper
from orchestra_nb.server.store_access import StoreAccess
from orchestra_nb.server.stream_handler import stream_routes
from orchestra_nb.server.webhook_handler import webhook_routes
from orchestra_nb.server.worker_handlers import worker_routes
from orchestra_nb.version import __version__

_SQLITE = "sqlite:///"


class OrchestraExtension(ExtensionApp):
    """Serves the runs in the store to JupyterLab.

    The traits hold for this server and for the kernels that it starts, where the environment does not say otherwise.
    """

    name = "orchestra_nb"
    version = __version__
    description = "Tasks and flows from notebooks, on Dask."
    load_other_extensions = True

    store_url = Unicode(
        "", help="SQLAlchemy URL of the store; empty means SQLite in Jupyter's data folder. As ORCHESTRA_STORE_URL."
    ).tag(config=True)
    cluster = Unicode(
        "", help="The Dask cluster of task cells: 'local', an address, or JSON with a class. As ORCHESTRA_CLUSTER."
    ).tag(config=True)
    keeps_server = Bool(
        True,
        help="Whether a run that goes on here, or a schedule that a service here starts within an hour, counts as "
        "activity, so that an idle server is not culled meanwhile.",
    ).tag(config=True)
    activity_seconds = Float(60.0, help="How often such runs are looked for.").tag(config=True)

    has_services = Bool(
        None,
        allow_none=True,
        help="Whether this server keeps a process that runs deployments when they are due. None, the default, means "
        "yes for a store that is a SQLite file, once that is there, and no for a database that others may share: "
        "their deployments would run here.",
    ).tag(config=True)
    service_pools = Unicode(
        "", help="The pools whose runs are started here, with commas between them. As ORCHESTRA_SERVICE_POOLS."
    ).tag(config=True)
    service_runs = Integer(
        0, min=0, help="How many runs go on here at a time; 0 means two for each core. As ORCHESTRA_SERVICE_RUNS."
    ).tag(config=True)

    emits_events = Bool(
        True,
        help="Whether the states of runs are emitted as events of the server (jupyter_events), where somebody collects "
        "such events.",
    ).tag(config=True)
    events_seconds = Float(1.0, help="How often is looked for such states.").tag(config=True)

    roles = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="What those who are logged in may do with Orchestra: a user's name, 'group:NAME' (of a JupyterHub) or '*' "
        "(everybody else) to 'viewer', 'runner', 'author' or 'admin'; the highest one counts, and who has none may "
        "nothing. Asked beside the server's authorizer. Empty, the default: everybody may everything.",
    ).tag(config=True)
    owners_only = Bool(
        False,
        help="Whether those who are no admins see, and may change, only what is theirs, or shared with them: runs and "
        "deployments with all that belongs to them. Needs roles. To go back on a store where it was on, set it to "
        "False: left out it says nothing of what triggers hear of.",
    ).tag(config=True)
    sharing = Dict(
        key_trait=Unicode(),
        help="With whom users share the runs and deployments that are theirs, to see and to change: a user's name to a "
        "list of users, 'group:NAME' or '*'.",
    ).tag(config=True)

    language = Unicode(
        "",
        help="The language of the pages at /orchestra/, such as 'de' or 'en'; empty, the default, means that of the "
        "browser. JupyterLab has a setting of its own.",
    ).tag(config=True)

    _is_serving = False

    def initialize_settings(self) -> None:
        """Put the traits where this process and its kernels read settings, and make the access to the store."""
        if not self._linked:  # Jupyter would go on with the defaults, and they let everybody do everything
            raise InvalidSetting("The configuration of OrchestraExtension is wrong, so it does not serve anybody.")
        try:
            rules = AccessRules.of(self.roles, is_owners_only=self.owners_only, sharing=self.sharing)
            language = known_language(self.language)
        except InvalidSetting as error:
            raise InvalidSetting(f"The configuration of OrchestraExtension is wrong: {error}") from None
        self.settings[RULES_SETTING] = rules
        self.settings[LANGUAGE_SETTING] = language
        offer_titles(self.log)
        contents = self.settings.get("contents_manager")
        if contents is not None and hasattr(contents, "register_pre_save_hook"):
            contents.register_pre_save_hook(leave_out_empty_places)
        self._is_serving = True
        self._exported: dict[str, str] = {}
        store_url = self.store_url
        if (
            store_url.startswith(_SQLITE) and store_url != f"{_SQLITE}:memory:"
        ):  # a relative path means another file in a kernel's folder
            store_url = _SQLITE + os.path.abspath(store_url.removeprefix(_SQLITE))
        exports = (
            ("ORCHESTRA_STORE_URL", store_url),
            ("ORCHESTRA_CLUSTER", self.cluster),
            # what the wheel that brought this brought for the front end, too: kernels need to make no widgets
            ("ORCHESTRA_LABEXTENSION", __version__),
        )
        for variable, value in exports:
            if value and variable not in os.environ:
                os.environ[variable] = self._exported[variable] = value
        says_who_sees = "owners_only" in self.config.get(OrchestraExtension.__name__, {})
        self._access = StoreAccess(self.log, rules, is_for_all=says_who_sees and not rules.is_owners_only)
        self._note: PresenceNote | None = None
        self._keeper = ServiceKeeper(self.has_services, self.log, self._service_options())
        self._figures = FiguresCollector(self._access.read_now, self._keeper)
        if not rules.is_owners_only:  # whoever is logged in may read what is registered, with the names of flows
            self._figures.register()
        self._activity: ActivityWatch | None = None
        if self.keeps_server and self.serverapp is not None:
            web_settings = self.serverapp.web_app.settings
            self._activity = ActivityWatch(self._access, web_settings, self.log, self.activity_seconds)
            self.serverapp.io_loop.add_callback(self._activity.start)
        self._events: RunEvents | None = None
        if self.emits_events and self.serverapp is not None and self.serverapp.event_logger is not None:
            logger, has_names = self.serverapp.event_logger, not self.roles
            self._events = RunEvents(self._access, logger, self.log, self.events_seconds, has_names=has_names)
            self.serverapp.io_loop.add_callback(self._events.start)

    def current_activity(self) -> list[str] | None:
        """Return why the server is needed, None where it is not: asked before it ends for want of use."""
        return list(self._activity.reasons) or None if self._activity is not None else None

    @property
    def access(self) -> StoreAccess:
        """The way to the store."""
        return self._access

    @property
    def keeper(self) -> ServiceKeeper:
        """Who keeps the services of this server."""
        return self._keeper

    @property
    def figures(self) -> FiguresCollector:
        """What this server tells Prometheus of the store."""
        return self._figures

    def _service_options(self) -> list[str]:
        options = [word for name in self.service_pools.split(",") if name.strip() for word in ("--pool", name.strip())]
        return [*options, "--runs", str(self.service_runs)] if self.service_runs else options

    def initialize_handlers(self) -> None:
        """Register the routes."""
        arguments = {"access": self._access}
        routes = (*stream_routes, *webhook_routes, *worker_routes, *rest_routes)
        with_keeper = {**arguments, "keeper": self._keeper}
        self.handlers.extend((route, handler, with_keeper) for route, handler in (*health_routes, *landing_routes))
        with_figures = {**arguments, "figures": self._figures}
        self.handlers.extend((route, handler, with_figures) for route, handler in metrics_routes)
        self.handlers.extend((*redirect_routes, *pages_routes))
        self.handlers.extend((route, handler, arguments) for route, handler in routes)
        self.handlers.extend(unknown_page_routes)
        assert self.serverapp is not None
        self.serverapp.io_loop.add_callback(self._keeper.start)
        self._note = PresenceNote(self.serverapp.info_file, self.log)
        self.serverapp.io_loop.add_callback(self._note.put)

    async def stop_extension(self) -> None:
        """End the services, the stream and its clients, and close the store."""
        if not self._is_serving:
            return
        if self._note is not None:
            await self._note.take_away()
        await asyncio.to_thread(self._keeper.close)
        if self._activity is not None:
            await self._activity.close()
        if self._events is not None:
            await self._events.close()
        await asyncio.to_thread(self._figures.close)
        await self._access.close()
        for variable, value in self._exported.items():
            if os.environ.get(variable) == value:
                del os.environ[variable]
