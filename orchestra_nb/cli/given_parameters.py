"""The flags that give parameters to what is deployed, as `orchestra run` has them; a secret is given by its name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

from orchestra_nb.cli.parameter_hints import check_pairs
from orchestra_nb.cli.parameter_options import parameter_flags
from orchestra_nb.errors import InvalidParameters
from orchestra_nb.model.secret_values import SECRET_KEY
from orchestra_nb.notebooks.parameter_flags import GivenParameters, collect_parameters

_ASKED: Final = "-"


def parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command, which gets them as one argument, ``given``."""

    @parameter_flags(
        typed_help="A parameter, read as the type that is declared, or that its default has.",
        secret_help="A parameter whose value is the stored secret of this name.",
    )
    @functools.wraps(command)
    def with_parameters(
        *args: Any,
        typed: tuple[tuple[str, str], ...],
        raw: tuple[tuple[str, str], ...],
        files: tuple[str, ...],
        yaml_texts: tuple[str, ...],
        secrets: tuple[tuple[str, str], ...],
        **others: Any,
    ) -> Any:
        check_pairs("-p", typed)
        check_pairs("-r", raw)
        _refuse_twice([*typed, *raw, *secrets])
        given = collect_parameters(files=files, yaml_texts=yaml_texts, typed=typed, raw=raw)
        for name, secret in secrets:
            if secret == _ASKED:
                raise InvalidParameters(
                    f"The secret {name!r} has to be stored, as its run starts later: `orchestra secrets set NAME`, and "
                    f"--secret {name} NAME."
                )
        references: dict[str, object] = {name: {SECRET_KEY: secret} for name, secret in secrets}
        values = given.values | references
        texts = {name: text for name, text in given.texts.items() if name not in references}
        return command(*args, given=GivenParameters(values, texts, given.visible), **others)

    return with_parameters


def _refuse_twice(pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse a parameter that is given two values: the first would be lost, for all runs to come, in silence."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    for name, given in values.items():
        if len(given) > 1:
            shown = " and ".join(map(repr, given))
            raise InvalidParameters(
                f"The parameter {name!r} is given {len(given)} values: {shown}. Runs have one: give each its own "
                "schedule in a file, which `orchestra export` begins, or its own deployment."
            )
