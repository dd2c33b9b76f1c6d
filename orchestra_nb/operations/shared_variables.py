"""Variables and secrets in the store: list, read, set, unset.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.errors import SecretNotFound, VariableNotFound
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import StoredSecret, StoredVariable, check_name
from orchestra_nb.settings import SecretKeyPlace

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def list_variables(store: RunStore) -> list[StoredVariable]:
    """Return all variables by name."""
    from orchestra_nb.store.variable_store import VariableStore

    return VariableStore(store.database).list_variables()


def find_variable(store: RunStore, name: str) -> StoredVariable | None:
    """Return a variable, None when there is none."""
    from orchestra_nb.store.variable_store import VariableStore

    return VariableStore(store.database).find(check_name(name, "variable"))


def get_variable(store: RunStore, name: str) -> StoredVariable:
    """Return a variable.

    Raises
    ------
    VariableNotFound
        There is none of this name.
    """
    found = find_variable(store, name)
    if found is None:
        raise VariableNotFound(f"No variable {name!r}. `orchestra variables ls` lists them.")
    return found


def set_variable(
    store: RunStore, name: str, value: object, *, tags: Sequence[str], may_overwrite: bool, now: datetime
) -> StoredVariable:
    """Set a variable and return it.

    Raises
    ------
    InvalidInput
        The name is none, or the value is no JSON.
    NameTaken
        There is one of this name, and it may not be overwritten.
    """
    from orchestra_nb.store.variable_store import VariableStore

    check_name(name, "variable")
    to_json_text(value, f"The value of variable {name!r}")
    return VariableStore(store.database).set(name, value, tags, now, may_overwrite=may_overwrite)


def unset_variable(store: RunStore, name: str) -> bool:
    """Delete a variable; False when there is none."""
    from orchestra_nb.store.variable_store import VariableStore

    return VariableStore(store.database).delete(check_name(name, "variable"))


def list_secrets(store: RunStore, owner: str | None = None, *, has_shared: bool = True) -> list[StoredSecret]:
    """Return secrets by name, without their values.

    Parameters
    ----------
    owner
        Whose own are among them; None for nobody's.
    has_shared
        Whether those are among them that are for the runs of all.
    """
    from orchestra_nb.store.secret_store import SecretStore

    secrets = SecretStore(store.database)
    return [
        *(() if owner is None else secrets.list_own(owner)),
        *(secrets.list_secrets() if has_shared else ()),
    ]


def get_secret(store: RunStore, name: str, key_place: SecretKeyPlace, owner: str | None = None) -> Secret:
    """Return a secret.

    Parameters
    ----------
    owner
        Whose run wants it: one of their own comes before that of all. None where it is nobody's.

    Raises
    ------
    SecretNotFound
        There is none of this name.
    SecretUnreadable
        It was encrypted with another key.
    """
    from orchestra_nb.store.secret_key import load_secret_key
    from orchestra_nb.store.secret_store import SecretStore

    return SecretStore(store.database, load_secret_key(key_place)).get(check_name(name, "secret"), owner)


def has_own_secret(store: RunStore, name: str, owner: str | None = None) -> bool:
    """Tell whether a user, or some user, has a secret of this name for their own runs."""
    from orchestra_nb.store.secret_store import SecretStore

    return SecretStore(store.database).is_somebodys(name, owner)


def set_secret(
    store: RunStore, name: str, secret: Secret, key_place: SecretKeyPlace, now: datetime, owner: str | None = None
) -> bool:
    """Set a secret; False when one of this name was replaced. The first one makes the key.

    Parameters
    ----------
    owner
        For whose runs alone it is; None for those of all.
    """
    from orchestra_nb.store.secret_key import load_secret_key
    from orchestra_nb.store.secret_store import SecretStore

    check_name(name, "secret")
    return SecretStore(store.database, load_secret_key(key_place)).set(name, secret, now, owner)


def unset_secret(store: RunStore, name: str, owner: str | None = None) -> None:
    """Delete a secret; with an owner one of theirs.

    Raises
    ------
    SecretNotFound
        There is none of this name.
    """
    from orchestra_nb.store.secret_store import SecretStore

    if not SecretStore(store.database).delete(check_name(name, "secret"), owner):
        whose = "" if owner is None else " of your own"
        raise SecretNotFound(f"No secret {name!r}{whose}. `orchestra secrets ls` lists them.")
