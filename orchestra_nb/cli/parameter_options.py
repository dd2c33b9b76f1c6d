"""The flags that give parameters, as papermill has them, for each command that takes some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

#: A name and its value.
_PAIR = (str, str)


def parameter_flags(*, typed_help: str, secret_help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds the flags ``typed``, ``raw``, ``files``, ``yaml_texts`` and ``secrets`` to a command."""

    def pairs(*names: str, metavar: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return click.option(*names, nargs=2, type=_PAIR, multiple=True, metavar=metavar, help=text)

    flags = (
        pairs("-p", "--parameters", "typed", metavar="NAME VALUE", text=typed_help),
        pairs("-r", "--parameters_raw", "raw", metavar="NAME TEXT", text="A parameter whose value is this text."),
        click.option(
            "-f",
            "--parameters_file",
            "files",
            multiple=True,
            metavar="FILE",
            help="Parameters from a YAML or JSON file.",
        ),
        click.option(
            "-y", "--parameters_yaml", "yaml_texts", multiple=True, metavar="YAML", help="Parameters as YAML text."
        ),
        pairs("--secret", "secrets", metavar="NAME SECRET", text=secret_help),
    )

    def with_flags(command: Callable[..., Any]) -> Callable[..., Any]:
        for flag in reversed(flags):  # the first one is shown first
            command = flag(command)
        return command

    return with_flags
