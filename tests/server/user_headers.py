"""An identity provider as a JupyterHub's is: it knows users by name and groups, and nothing of Jupyter's own tokens.

Who calls stands in headers, where a hub would ask itself whose the token or the cookie is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import IdentityProvider, User
from tornado.web import RequestHandler


@dataclass
class HubUser(User):
    """A user with what the hub says of them, as ``jupyterhub.singleuser`` keeps it."""

    hub_user: dict[str, object] = field(default_factory=dict)


class HeaderIdentity(IdentityProvider):
    """Takes the name, the groups and the kind of who calls from three headers."""

    @property
    def auth_enabled(self) -> bool:
        return True

    def get_user(self, handler: RequestHandler) -> HubUser | None:
        name = handler.request.headers.get("X-User")
        if not name:
            return None
        handler._token_authenticated = True  # as a token of a hub: no cookie, so no token against forgery
        groups = handler.request.headers.get("X-Groups", "").split(",")
        kind = handler.request.headers.get("X-Kind", "user")
        groups = [group for group in groups if group]
        return HubUser(username=name, hub_user={"name": name, "groups": groups, "kind": kind})


class NotMallory(Authorizer):
    """An authorizer of the server's own, which is asked whatever roles say."""

    def is_authorized(self, handler: RequestHandler, user: User, action: str, resource: str) -> bool:
        return user.username != "mallory"


class OnlyReading(Authorizer):
    """Allows to read."""

    def is_authorized(self, handler: RequestHandler, user: User, action: str, resource: str) -> bool:
        return action == "read"
