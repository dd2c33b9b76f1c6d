"""Who calls, and what they may do by the rules of this server, which are asked beside Jupyter's authorizer.

All that is known of a caller comes from the server's identity provider, a JupyterHub's as well as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jupyter_core.utils import ensure_async
from jupyter_server.auth import Authorizer
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from orchestra_nb.acting_user import process_user
from orchestra_nb.model.access import AccessRules, Person, Role

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from jupyter_server.auth.identity import User

#: The resource that authorizers are asked about.
AUTH_RESOURCE: Final = "orchestra"
ADMIN_RESOURCE: Final = f"{AUTH_RESOURCE}_admin"

#: Under which setting of the server's application the rules stand.
RULES_SETTING: Final = "orchestra_nb_access_rules"

#: What authorizers are asked, whether the user may do the action to the resource, to the role that this needs.
_NEEDED: Final = {
    ("read", AUTH_RESOURCE): Role.VIEWER,
    ("execute", AUTH_RESOURCE): Role.RUNNER,
    ("write", AUTH_RESOURCE): Role.AUTHOR,
    ("read", ADMIN_RESOURCE): Role.ADMIN,
    ("execute", ADMIN_RESOURCE): Role.ADMIN,
    ("write", ADMIN_RESOURCE): Role.ADMIN,
}


#: What the names begin with of who is no user.
_SERVICE: Final = "service "
_TOKEN: Final = "token "
#: What the name of a user begins with who is called as one of those, or so.
_USER: Final = "user "


class KnownCaller(JupyterHandler):
    """A handler that asks the rules of this server, too, where the server's authorizer is asked."""

    @property
    def access_rules(self) -> AccessRules:
        """The rules of this server."""
        rules = self.settings.get(RULES_SETTING)
        return rules if isinstance(rules, AccessRules) else AccessRules()

    @property
    def person(self) -> Person:
        """Who is logged in. Jupyter's own providers know no names: who has the server's token is its owner."""
        if type(self.identity_provider).__module__.partition(".")[0] == "jupyter_server":
            return Person(process_user())
        return _person_of(self.current_user)

    @property
    def caller_name(self) -> str:
        """Whose the things are that the caller makes."""
        return self.person.name

    @property
    def actor(self) -> str:
        """Who calls, for records of who did what."""
        return f"user {self.caller_name}"

    @property
    def role(self) -> Role:
        """The highest role of the caller, who has one."""
        return self.access_rules.role_of(self.person) or Role.VIEWER

    @property
    def owners(self) -> frozenset[str] | None:
        """Whose things the caller sees and may change; None for those of all, and for what is nobody's."""
        return self.access_rules.owners_for(self.person)

    @property
    def authorizer(self) -> Authorizer:
        """Who decides what the caller may do: the rules of this server, and the server's own authorizer."""
        authorizer = super().authorizer
        return _ByRole(self.access_rules, authorizer) if self.access_rules.roles else authorizer

    async def is_allowed_by_server(self, action: str, resource: str) -> bool:
        """Tell whether the server's own authorizer allows something, whatever the rules here say of it."""
        allowed: bool | Awaitable[bool] = super().authorizer.is_authorized(self, self.current_user, action, resource)
        return await ensure_async(allowed)


class _ByRole(Authorizer):
    """Allows what the caller has the role for and another authorizer allows, too."""

    def __init__(self, rules: AccessRules, inner: Authorizer) -> None:
        super().__init__()
        self._rules = rules
        self._inner = inner

    async def is_authorized(  # type: ignore[override]  # whoever asks one awaits what needs it
        self, handler: KnownCaller, user: User, action: str, resource: str
    ) -> bool:
        needed = needed_role(action, resource)
        role = self._rules.role_of(handler.person)
        if role is None or role.rank < needed.rank:
            has = "you have none on this server" if role is None else f"you have the role {role}"
            raise web.HTTPError(403, f"This needs the role {needed}, and {has}.")
        allowed: bool | Awaitable[bool] = self._inner.is_authorized(handler, user, action, resource)
        return await ensure_async(allowed)


def needed_role(action: str, resource: str) -> Role:
    """Return the role that doing something to a resource needs."""
    return _NEEDED.get((action, resource), Role.ADMIN)


def _person_of(user: User) -> Person:
    """Return whom an identity provider tells of, with their groups: a JupyterHub's in ``hub_user``."""
    hub_user: Any = getattr(user, "hub_user", None)
    is_of_hub = isinstance(hub_user, dict)
    groups = hub_user.get("groups") if is_of_hub else getattr(user, "groups", None)
    is_service = is_of_hub and hub_user.get("kind") == "service"
    name = f"{_SERVICE}{user.username}" if is_service else _plain_name(user.username)
    return Person(name, frozenset(str(group) for group in groups or ()))


def _plain_name(username: str) -> str:
    """Return what a user is called: a hub lets one be called as a service or a token is, who are somebody else."""
    return f"{_USER}{username}" if username.startswith((_SERVICE, _TOKEN, _USER)) else username
