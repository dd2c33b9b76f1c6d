"""A command that says how parameters are given when they were written as other tools take them.

``-p region=US`` and ``--region US`` are no way to give a parameter, but clear enough to show the one that there is.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Sequence
from typing import Final

import click

from orchestra_nb.cli.run_tables import one_line
from orchestra_nb.errors import InvalidParameters

#: A name and its value in one word: ``region=US``.
_PAIR: Final = re.compile(r"([^\W\d]\w*)=(.*)", re.DOTALL)
_OPTION: Final = re.compile(r"--([^\W\d][\w-]*)(?:=(.*))?", re.DOTALL)
_FLAGS: Final = ("-p", "--parameters", "-r", "--parameters_raw")


class ParametersCommand(click.Command):
    """A command that takes parameters as ``-p NAME VALUE`` and ``-r NAME TEXT``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of the command line; a refusal shows how the parameter in it is written."""
        words = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            hint = _hint_of_pair(words)
            if not hint and isinstance(error, click.NoSuchOption):
                hint = _hint_of_option(words, error.option_name)
            if not hint:
                raise
            raise click.UsageError(f"{error.format_message().rstrip()}{hint}", error.ctx) from None


def check_pairs(flag: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse a name that has its value in it, where a word of something else was taken for the value.

    Raises
    ------
    InvalidParameters
        The message says how it is written.
    """
    for name, _ in pairs:
        if _PAIR.fullmatch(name):
            raise InvalidParameters(
                f"{one_line(repr(name))} cannot be the name of a parameter.{_hint_of_pair([flag, name])}"
            )


def _hint_of_pair(words: Sequence[str]) -> str:
    for flag, word in itertools.pairwise(words):
        if flag in _FLAGS and (pair := _PAIR.fullmatch(word)):
            return f" Write {_shown(flag, *pair.groups())}, without the equals sign."
    return ""


def _hint_of_option(words: Sequence[str], option: str) -> str:
    """Return how a parameter is written whose name was taken for an option's; empty where it has no value."""
    for word, following in zip(words, [*words[1:], None], strict=True):
        found = _OPTION.fullmatch(word)
        if found is None or f"--{found[1]}" != option:
            continue
        value = following if found[2] is None else found[2]
        if value is None or value.endswith(".ipynb") or (value.startswith("-") and not _is_number(value)):
            return ""
        return f" A parameter of the notebook is given so: {_shown('-p', found[1].replace('-', '_'), value)}."
    return ""


def _shown(*words: str) -> str:
    return one_line(shlex.join(words))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
