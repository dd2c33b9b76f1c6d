"""Requests with a token of ours: who calls is the token, and what it may do are its scopes.

Jupyter's own identity and authorizer are for people, and for all of the server. A request with ``Authorization: Bearer
orc_…`` on one of our routes is judged by that token alone, whatever cookies come with it, and on no other route does it
open anything. A browser never sends one by itself, so such a request needs no token against forgery.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jupyter_core.utils import ensure_async
from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from orchestra_nb.errors import ScopeMissing
from orchestra_nb.model.access import Person, Role
from orchestra_nb.model.api_tokens import ApiToken, Scope, bearer_token
from orchestra_nb.operations.api_tokens import find_token
from orchestra_nb.server.callers import KnownCaller, needed_role

if TYPE_CHECKING:
    from orchestra_nb.server.store_access import StoreAccess

_LONGEST_HOST: Final = 200


class TokenIdentity(KnownCaller):
    """A handler that also takes tokens of ours."""

    #: What a token needs to read, and to do anything else; None for nothing but to be one.
    read_scope: Scope | None = Scope.READ_RUNS
    write_scope: Scope | None = Scope.WRITE_RUNS

    #: The token of this request, None where somebody else calls.
    api_token: ApiToken | None = None
    _access: StoreAccess
    _token_authenticated: bool
    _jupyter_current_user: User

    async def prepare(self, **options: Any) -> None:
        """Find out who calls; raise 401 for a token that opens nothing."""
        text = bearer_token(self.request.headers.get("Authorization", ""))
        if text is None:
            prepared: Any = super().prepare(**options)  # a coroutine that may return another one
            while prepared is not None:
                prepared = await ensure_async(prepared)
            return
        if not self.check_host():
            host = self.request.headers.get("Host", "")[:_LONGEST_HOST]
            raise web.HTTPError(
                403, f"This server does not answer to the name {host!r}: see ServerApp.local_hostnames in its settings."
            )
        self.api_token = await self._access.call(find_token, text, datetime.now(UTC))
        # what the identity provider does for its own tokens: so neither cookies nor origins count
        self._token_authenticated = True
        self._jupyter_current_user = User(f"token {self.api_token.name}")
        self.current_user = self._jupyter_current_user
        self.set_cors_headers()

    @property
    def caller_name(self) -> str:
        """Whose the things are that the caller makes: a token's are its own, or those of whom it acts for."""
        if self.api_token is None:
            return super().caller_name
        return self.api_token.owner or f"token {self.api_token.name}"

    @property
    def actor(self) -> str:
        """Who calls, for records of who did what."""
        return super().actor if self.api_token is None else f"token {self.api_token.name}"

    @property
    def role(self) -> Role:
        """The highest role of the caller; a token's is what its scopes allow, and no more than whom it acts for has."""
        if self.api_token is None:
            return super().role
        by_scopes = Role.VIEWER
        if self.api_token.allows(Scope.ADMIN):
            by_scopes = Role.ADMIN
        elif self.api_token.allows(Scope.WRITE_RUNS):
            by_scopes = Role.RUNNER
        return min(by_scopes, self._highest_role or Role.VIEWER, key=lambda role: role.rank)

    @property
    def owners(self) -> frozenset[str] | None:
        """Whose things the caller sees and may change; those of all for a token for all."""
        if self.api_token is None:
            return super().owners
        rules, person = self.access_rules, Person(self.caller_name)
        if self.api_token.owner is not None:
            return rules.owners_for(person)
        is_for_all = not rules.is_owners_only or self.api_token.allows(Scope.ADMIN)
        return None if is_for_all else rules.owners_shared_with(person)

    @property
    def authorizer(self) -> Authorizer:
        """Who decides what the caller may do: the server's authorizer, or for a token its scopes."""
        if self.api_token is None:
            return super().authorizer
        return _Scopes(self.api_token, self.read_scope, self.write_scope, self._highest_role)

    @property
    def _highest_role(self) -> Role | None:
        """What the token may at most: what whom it acts for has by name, since no token tells of groups."""
        owner = None if self.api_token is None else self.api_token.owner
        return Role.ADMIN if owner is None else self.access_rules.role_of(Person(owner))


class _Scopes(Authorizer):
    """Allows what a token has the scope for, and whom it acts for the role; says which one it would need."""

    def __init__(
        self, token: ApiToken, read_scope: Scope | None, write_scope: Scope | None, highest_role: Role | None
    ) -> None:
        super().__init__()
        self._token = token
        self._read_scope = read_scope
        self._write_scope = write_scope
        self._highest_role = highest_role

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        scope = self._read_scope if action == "read" else self._write_scope
        if scope is not None and not self._token.allows(scope):
            raise ScopeMissing(f"The token {self._token.name!r} does not have the scope {scope.value}.")
        needed, role = needed_role(action, resource), self._highest_role
        if role is None or role.rank < needed.rank:
            has = "has none by name on this server" if role is None else f"has the role {role} by name"
            raise web.HTTPError(
                403,
                f"This needs the role {needed}, and {self._token.owner}, for whom {self._token.name!r} acts, {has}.",
            )
        return True
