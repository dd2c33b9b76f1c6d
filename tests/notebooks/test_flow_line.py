"""What a ``%flow`` line says, what is said of one that is wrong, and how it is completed."""

from __future__ import annotations

import ast

import pytest

from orchestra_nb.errors import InvalidInput
from orchestra_nb.notebooks.flow_line import HELP, FlowLine, complete_flow_line, parse_flow_line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", FlowLine()),
        ("  # only the graph", FlowLine()),
        ("keep", FlowLine(verb="keep")),
        ("keep on", FlowLine(verb="keep")),
        ("keep off  # done", FlowLine(verb="keep", is_on=False)),
        ("stale", FlowLine(verb="stale")),
        ("plan 'my report.ipynb'", FlowLine(verb="plan", notebook="my report.ipynb")),
        ("run", FlowLine(verb="run")),
        ("run --stale", FlowLine(verb="run", is_stale_only=True)),
        ("run a.ipynb --stale", FlowLine(verb="run", notebook="a.ipynb", is_stale_only=True)),
        ("deploy", FlowLine(verb="deploy")),
        (
            "deploy a.ipynb --cron '0 7 * * *'  # daily",
            FlowLine(verb="deploy", notebook="a.ipynb", options=("--cron", "0 7 * * *")),
        ),
        ("deploy --name x -p n 1", FlowLine(verb="deploy", options=("--name", "x", "-p", "n", "1"))),
        ("--help", FlowLine(help=HELP)),
    ],
)
def test_a_line_says_what_is_to_be_done(line: str, said: FlowLine) -> None:
    assert parse_flow_line(line) == said


def test_returned_values_keep_their_expressions() -> None:
    returned = parse_flow_line("return auc, best=max(scores)  # both").returned

    assert returned is not None
    assert {name: ast.unparse(value) for name, value in returned.items()} == {"auc": "auc", "best": "max(scores)"}


@pytest.mark.parametrize("verb", ["keep", "stale", "plan", "run", "deploy", "return"])
def test_each_verb_tells_how_it_is_written(verb: str) -> None:
    told = parse_flow_line(f"{verb} --help").help

    assert told.startswith(f"%flow {verb}")
    assert all(line.startswith(f"%flow {verb}") for line in told.splitlines())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("stael", "%flow knows no 'stael'. It takes:\n%flow "),
        ("stale a b", "%flow stale takes one notebook, not 2 (a, b). Write %flow stale [NOTEBOOK]."),
        ("stale --stale", "%flow stale knows no --stale. Write %flow stale [NOTEBOOK]."),
        ("plan --json", "%flow plan knows no --json. Write %flow plan [NOTEBOOK]."),
        ("run --stal", "%flow run knows no --stal. Did you mean --stale? Write %flow run [--stale] [NOTEBOOK]."),
        ("run --stale a b", "%flow run takes one notebook, not 2 (a, b). Write %flow run [--stale] [NOTEBOOK]."),
        ("keep maybe", "%flow keep takes on or off, not 'maybe'. Write %flow keep [on|off]."),
        ("keep on off", "%flow keep takes on or off, not 'on off'. Write %flow keep [on|off]."),
        ("stale 'a", "A quote in `%flow stale 'a` is not closed."),
        ("return", "Write %flow return NAME, or %flow return NAME=EXPRESSION; several with commas."),
        ("return 3", "%flow return: '3' has no name. Write %flow return NAME"),
        ("return x y", "%flow return x y: invalid syntax. Perhaps you forgot a comma. Write %flow return NAME"),
    ],
)
def test_a_wrong_line_is_told_how_it_is_written(line: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_flow_line(line)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["--help", "deploy", "keep", "plan", "return", "run", "stale"]),
        ("r", ["return", "run"]),
        ("keep o", ["off", "on"]),
        ("keep on ", []),
        ("run --", ["--stale"]),
        ("run --stale ", ["a.ipynb"]),
        ("deploy a.ipynb --cr", ["--cron"]),
        ("stale ", ["a.ipynb"]),
        ("stale a.ipynb ", []),
        ("return ra", ["rate"]),
        ("return rate,ro", ["rows"]),
        ("nothing ", []),
    ],
)
def test_an_unfinished_line_is_completed(text: str, words: list[str]) -> None:
    assert complete_flow_line(text, ["rate", "rows"], ["a.ipynb"]) == words
