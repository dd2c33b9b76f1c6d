"""Variables and secrets, as users read and write them."""

from __future__ import annotations

from collections.abc import Iterable

from orchestra_nb.engine.services import ask_for, in_thread
from orchestra_nb.errors import InvalidInput, SecretNotFound
from orchestra_nb.model.json_values import from_json_text, to_json_text
from orchestra_nb.model.questions import (
    DeleteVariable,
    DoneAnswer,
    GetSecret,
    GetVariable,
    SecretAnswer,
    SetSecret,
    SetVariable,
    VariableAnswer,
)
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import StoredVariable, check_name


class Variable(StoredVariable, frozen=True, kw_only=True):
    """A named JSON value that all runs share."""

    @classmethod
    def get(cls, name: str, default: object = None) -> object:
        """Return a variable's value, or ``default`` when there is no variable of this name."""
        answer = ask_for(VariableAnswer, GetVariable(name=check_name(name, "variable")))
        return default if answer.value_json is None else from_json_text(answer.value_json)

    @classmethod
    def set(cls, name: str, value: object, tags: Iterable[str] | None = None, overwrite: bool = False) -> Variable:
        """Set a variable and return it.

        Raises
        ------
        NameTaken
            There is one of this name, and ``overwrite`` is False.
        InvalidInput
            The value is no JSON, or the name is none.
        """
        question = SetVariable(
            name=check_name(name, "variable"),
            value_json=to_json_text(value, f"The value of variable {name!r}"),
            tags=_tags(tags),
            may_overwrite=overwrite,
        )
        answer = ask_for(VariableAnswer, question)
        assert answer.value_json is not None
        assert answer.created_at is not None
        assert answer.updated_at is not None
        return cls(
            name=answer.name,
            value=from_json_text(answer.value_json),
            tags=answer.tags,
            created_at=answer.created_at,
            updated_at=answer.updated_at,
        )

    @classmethod
    def unset(cls, name: str) -> bool:
        """Delete a variable; False when there is none of this name."""
        return ask_for(DoneAnswer, DeleteVariable(name=check_name(name, "variable"))).has_changed

    @classmethod
    async def aget(cls, name: str, default: object = None) -> object:
        """:meth:`get` for coroutines."""
        return await in_thread(cls.get, name, default)

    @classmethod
    async def aset(
        cls, name: str, value: object, tags: Iterable[str] | None = None, overwrite: bool = False
    ) -> Variable:
        """:meth:`set` for coroutines."""
        return await in_thread(cls.set, name, value, tags, overwrite)

    @classmethod
    async def aunset(cls, name: str) -> bool:
        """:meth:`unset` for coroutines."""
        return await in_thread(cls.unset, name)


def get_secret(name: str, default: Secret | None = None) -> Secret:
    """Return a secret, which hides itself where it would be shown; its text is ``.get()``.

    Raises
    ------
    SecretNotFound
        There is none of this name, and no default.
    """
    try:
        return Secret(ask_for(SecretAnswer, GetSecret(name=check_name(name, "secret"))).text)
    except SecretNotFound:
        if default is None:
            raise
        return default


def set_secret(name: str, value: str | Secret) -> None:
    """Set a secret, new or not. It is kept encrypted.

    Raises
    ------
    InvalidInput
        The value is no text.
    """
    text = value.get() if isinstance(value, Secret) else value
    if not isinstance(text, str):
        raise InvalidInput(f"The value of secret {name!r} is a {type(text).__name__}; a secret is text.")
    ask_for(DoneAnswer, SetSecret(name=check_name(name, "secret"), text=text))


async def aget_secret(name: str, default: Secret | None = None) -> Secret:
    """:func:`get_secret` for coroutines."""
    return await in_thread(get_secret, name, default)


async def aset_secret(name: str, value: str | Secret) -> None:
    """:func:`set_secret` for coroutines."""
    await in_thread(set_secret, name, value)


def _tags(tags: Iterable[str] | None) -> tuple[str, ...]:
    found = () if tags is None else tuple(tags)
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in found):
        raise InvalidInput(f"{tags!r} are no tags: tags are a list of text.")
    return found
