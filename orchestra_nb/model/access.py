"""Who may do what where several people use one server: roles, and whose things somebody sees and may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from orchestra_nb.errors import InvalidSetting

#: Stands in rules for whoever is logged in.
EVERYBODY: Final = "*"
#: What the name of a group begins with in rules.
GROUP_PREFIX: Final = "group:"


class Role(StrEnum):
    """Who may call; each role may do what those before it may."""

    #: see what there is
    VIEWER = "viewer"
    #: start, stop and retry runs
    RUNNER = "runner"
    #: deploy, and change what runs by itself
    AUTHOR = "author"
    #: secrets, tokens and the store itself
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Its place in the order of the roles."""
        return list(Role).index(self)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in.

    Parameters
    ----------
    groups
        Those that the identity provider tells of, as a JupyterHub's does.
    """

    name: str
    groups: frozenset[str] = frozenset()

    @property
    def words(self) -> tuple[str, ...]:
        """By which words rules may mean them."""
        groups = tuple(f"{GROUP_PREFIX}{group}" for group in sorted(self.groups))
        is_plain = self.name != EVERYBODY and not self.name.startswith(GROUP_PREFIX)  # nobody becomes a group by a name
        return (*((self.name,) if is_plain else ()), *groups, EVERYBODY)


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The rules of a server.

    Parameters
    ----------
    roles
        User, ``group:NAME`` or ``*`` to the role; empty where everybody may do everything, as far as the server's
        authorizer lets them.
    is_owners_only
        Whether those who are no admins see, and may change, only what is theirs, or shared with them.
    sharing
        Owner to the users, ``group:NAME`` and ``*`` who see, and may change, what is theirs.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    is_owners_only: bool = False
    sharing: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        roles: Mapping[str, str],
        *,
        is_owners_only: bool = False,
        sharing: Mapping[str, Iterable[str]] | None = None,
    ) -> AccessRules:
        """Return the rules that a configuration says.

        Raises
        ------
        InvalidSetting
            A word is no role, or rules for owners are given where nobody has a role: all would be admins.

        Examples
        --------
        >>> rules = AccessRules.of({"alice": "admin", "group:lab": "runner", "*": "viewer"})
        >>> [rules.role_of(Person(*who)) for who in (("alice",), ("bob", frozenset({"lab"})), ("eve",))]
        [<Role.ADMIN: 'admin'>, <Role.RUNNER: 'runner'>, <Role.VIEWER: 'viewer'>]
        >>> AccessRules.of({"alice": "boss"})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        orchestra_nb.errors.InvalidSetting: 'boss' (of 'alice') is no role. The roles are: viewer, runner, author, ...
        """
        for name, role in roles.items():
            if role not in list(Role):
                raise InvalidSetting(f"{role!r} (of {name!r}) is no role. The roles are: {', '.join(Role)}.")
        if is_owners_only and not roles:
            raise InvalidSetting(
                "owners_only changes nothing where nobody has a role, since everybody is an admin then. Set "
                'OrchestraExtension.roles, too: {"alice": "admin", "*": "author"}.'
            )
        for owner, others in (sharing or {}).items():
            if isinstance(others, str):
                raise InvalidSetting(f"What {owner!r} shares is with a list of users and groups: [{others!r}].")
        return cls(
            roles={name: Role(role) for name, role in roles.items()},
            is_owners_only=is_owners_only,
            sharing={owner: frozenset(others) for owner, others in (sharing or {}).items()},
        )

    def role_of(self, person: Person) -> Role | None:
        """Return the highest role that somebody has; None for none at all."""
        if not self.roles:
            return Role.ADMIN
        found = [self.roles[word] for word in person.words if word in self.roles]
        return max(found, key=lambda role: role.rank, default=None)

    def owners_for(self, person: Person) -> frozenset[str] | None:
        """Return whose things somebody sees and may change; None for those of all, and for what is nobody's.

        Examples
        --------
        >>> roles = {"root": "admin", "*": "author"}
        >>> rules = AccessRules.of(roles, is_owners_only=True, sharing={"alice": ["bob"]})
        >>> [sorted(rules.owners_for(Person(name)) or ()) for name in ("alice", "bob", "eve")]
        [['alice'], ['alice', 'bob'], ['eve']]
        >>> rules.owners_for(Person("root")) is None
        True
        """
        if not self.is_owners_only or self.role_of(person) is Role.ADMIN:
            return None
        return self.owners_shared_with(person)

    def owners_shared_with(self, person: Person) -> frozenset[str]:
        """Return whose things are somebody's own, or shared with them, whatever their role."""
        words = frozenset(person.words)
        return frozenset({person.name, *(owner for owner, others in self.sharing.items() if others & words)})
