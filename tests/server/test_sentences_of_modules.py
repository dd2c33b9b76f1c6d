"""Modules all of whose messages are told to readers of other languages: a new one that is not listed is found here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

import orchestra_nb
from orchestra_nb.model.waiting_words import (
    EARLIER_RUN,
    MOST_NAMED,
    WAITS_FOR_WORKER,
    waits_for_tasks,
    waits_for_worker,
)
from orchestra_nb.server.sentences import Kind, in_language

MODULES = (
    "engine/cluster_class",
    "engine/cluster_failures",
    "engine/pool_cluster_host",
    "engine/pool_clusters",
    "operations/pool_retries",
    "operations/resumption_points",
    "operations/schedule_request",
)
#: Functions whose words are no messages: commands, parts of a list, and what users' code said.
NO_MESSAGES = {"_words", "said_by", "shell_command", "_listed"}
#: What a parameter may be, where it is a word of ours.
VALUES = {("operations/schedule_request", "name"): ["start", "end"]}
#: What stands between words that have to be translated.
PARTS = re.compile(r"`[^`]*`|v0|pip install|[.:;(),]")


class Messages(ast.NodeVisitor):
    """Gathers what a module raises, and returns as words, with ``v0`` for each value that it does not know."""

    def __init__(self, module: str) -> None:
        self.found: set[str] = set()
        self._module = module
        path = Path(orchestra_nb.__file__).parent / f"{module}.py"
        self._tree = ast.parse(path.read_text(encoding="utf-8"))
        self._said: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self._tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._said.setdefault(name, []).append(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self._said.setdefault(name, []).append(value)
        self.visit(self._tree)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name not in NO_MESSAGES:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Take the message of an error, what is said at its places, and the answer of a process."""
        if isinstance(node.func, ast.Name) and node.func.id[:1].isupper():
            for given in (*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "error")):
                parts = given.values if isinstance(given, ast.Dict) else [given]
                self.found |= {text for part in parts for text in self._texts(part)}
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if isinstance(node.value, ast.JoinedStr | ast.Constant):
            self.found |= set(self._texts(node.value))

    def _texts(self, node: ast.expr) -> list[str]:
        """Return what an expression may say."""
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=values):
                return ["".join(parts) for parts in product(*map(self._texts, values))]
            case ast.FormattedValue(value=value):
                return self._texts(value)
            case ast.IfExp(body=body, orelse=orelse):
                return [*self._texts(body), *self._texts(orelse)]
            case ast.Name(id=name) if (self._module, name) in VALUES:
                return VALUES[self._module, name]
            case ast.Name(id=name) if name in self._said:
                return list(dict.fromkeys(text for value in self._said[name] for text in self._texts(value)))
            case ast.Subscript(value=ast.Name(id=name)) if name in self._said:
                dicts = [value for value in self._said[name] if isinstance(value, ast.Dict)]
                return [text for one in dicts for value in one.values for text in self._texts(value)] or ["v0"]
            case ast.Call(func=ast.Attribute(value=value, attr="format")):
                return [re.sub(r"\{\w+\}", "v0", text) for text in self._texts(value)]
        return ["v0"]


def messages_of(module: str) -> Iterator[str]:
    for text in sorted(Messages(module).found):
        if re.search(r"[A-Za-z]{2,} [a-z]{2,}", text):
            yield text


@pytest.mark.parametrize("module", MODULES)
def test_all_messages_of_a_module_are_told_in_german(module: str) -> None:
    messages = list(messages_of(module))
    left = [
        (text, part.strip())
        for text in messages
        for part in PARTS.split(text)
        if " " in part.strip() and part.strip() in in_language(text, "de-DE")
    ]

    assert messages
    assert left == []


@pytest.mark.parametrize(
    ("english", "german"),
    [
        (WAITS_FOR_WORKER, "wartet auf einen Worker"),
        (waits_for_worker({"GPU": 1}), "wartet auf einen Worker mit GPU=1"),
        (waits_for_worker({"GPU": 1}, ["big-1"]), "wartet auf einen Worker mit GPU=1: big-1"),
        (waits_for_worker(workers=["big-1", "b"]), "wartet auf einen Worker: big-1, b"),
        (waits_for_tasks(["load", "clean"]), "wartet auf load, clean"),
        (waits_for_tasks([EARLIER_RUN]), "wartet auf ihren früheren Lauf"),
        (waits_for_tasks(["Run it again."]), "wartet auf Run it again."),
        (
            waits_for_tasks([f"square-{number}" for number in range(MOST_NAMED)], 9_998),
            "wartet auf square-0, square-1, square-2, square-3, square-4 und 9,998 weitere",
        ),
    ],
)
def test_what_a_task_waits_for_is_told_in_german(english: str, german: str) -> None:
    assert in_language(english, "de-DE", Kind.MESSAGE) == german
