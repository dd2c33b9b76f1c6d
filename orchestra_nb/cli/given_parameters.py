"""The flags that give parameters to what is deployed, as `orchestra run` has them; a secret is given by its name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import click

from orchestra_nb.cli.parameter_hints import check_pairs
from orchestra_nb.errors import InvalidParameters
from orchestra_nb.model.secret_values import SECRET_KEY
from orchestra_nb.notebooks.parameter_flags import GivenParameters, collect_parameters

_pair = (str, str)
_ASKED: Final = "-"


def parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command, which gets them as one argument, ``given``."""

    @click.option(
        "-p",
        "--parameters",
        "typed",
        nargs=2,
        type=_pair,
        multiple=True,
        metavar="NAME VALUE",
        help="A parameter, read as the type that is declared, or that its default has.",
    )
    @click.option(
        "-r",
        "--parameters_raw",
        "raw",
        nargs=2,
        type=_pair,
        multiple=True,
        metavar="NAME TEXT",
        help="A parameter whose value is this text.",
    )
    @click.option(
        "-f", "--parameters_file", "files", multiple=True, metavar="FILE", help="Parameters from a YAML or JSON file."
    )
    @click.option(
        "-y", "--parameters_yaml", "yaml_texts", multiple=True, metavar="YAML", help="Parameters as YAML text."
    )
    @click.option(
        "--secret",
        "secrets",
        nargs=2,
        type=_pair,
        multiple=True,
        metavar="NAME SECRET",
        help="A parameter whose value is the stored secret of this name.",
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
