"""What a ``%flow`` line says: its verbs, how each is written, and what an unfinished line may become."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from orchestra_nb.errors import InvalidInput

#: Verb to how it is written.
USAGE: Final = {
    "keep": "%flow keep [on|off]",
    "stale": "%flow stale [NOTEBOOK]",
    "plan": "%flow plan [NOTEBOOK]",
    "run": "%flow run [--stale] [NOTEBOOK]",
    "deploy": "%flow deploy [NOTEBOOK] [--name NAME] [--cron '0 7 * * *' | --every 1h | --rrule RULE] …",
    "return": "%flow return NAME[=EXPRESSION], …",
}

HELP: Final = """\
%flow                       show the graph of this notebook's tasks, live
%flow return NAME[=EXPRESSION]  return a value from this notebook; several with commas
%flow keep [on|off]         keep what each cell gives that you run from now on
%flow stale [NOTEBOOK]      which cells above this one have results that no longer match, and why
%flow plan [NOTEBOOK]       what %flow run --stale would do with each cell
%flow run --stale [NOTEBOOK]  run the stale cells above this one; take what was kept, also by orchestra run --cache
%flow run [NOTEBOOK]        run all cells above this one, and keep what they give
%flow deploy [NOTEBOOK] --name NAME --cron '0 7 * * *'  have this notebook run by itself; options as of orchestra deploy

The notebook is read as it was saved: save it first. NOTEBOOK is needed only where its name is not known."""

#: What ``deploy`` takes most; all of it: ``orchestra deploy --help``.
_DEPLOY_OPTIONS: Final = (
    "--name", "--cron", "--every", "--rrule", "--timezone", "--start", "--end", "--exclude", "-p", "--secret",
    "--retries", "--retry-delay", "--timeout", "--concurrency", "--on-conflict", "--catchup", "--cache", "--cluster",
    "--tag", "--description", "--note", "--paused", "--active",
)  # fmt: skip

#: Below a graph that has nothing to show yet.
HINT: Final = "%flow keep, stale, plan, run, deploy and return see to the whole notebook: %flow --help tells how."

#: How ``return`` is written, for who wrote it in another way.
RETURN_USAGE: Final = "Write %flow return NAME, or %flow return NAME=EXPRESSION; several with commas."
_HELP_WORDS: Final = frozenset({"--help", "-h"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLine:
    """A line that was understood.

    Parameters
    ----------
    verb
        "" for the line alone, which shows the graph.
    help
        What is to be printed in place of doing anything; "" for nothing.
    is_on
        Of ``keep``.
    notebook
        Of ``stale``, ``plan``, ``run`` and ``deploy``; None where the front end's is meant.
    is_stale_only
        Of ``run``.
    returned
        Of ``return``: name to the expression that gives its value.
    options
        Of ``deploy``: the words of ``orchestra deploy`` behind the notebook.
    """

    verb: str = ""
    help: str = ""
    is_on: bool = True
    notebook: str | None = None
    is_stale_only: bool = False
    returned: dict[str, ast.expr] | None = None
    options: tuple[str, ...] = ()


def parse_flow_line(line: str) -> FlowLine:
    """Return what a line says.

    Raises
    ------
    InvalidInput
        There is no such verb, or it is written in another way; the message tells how.

    Examples
    --------
    >>> parse_flow_line("run --stale report.ipynb").notebook
    'report.ipynb'
    """
    verb, rest = [*line.split(maxsplit=1), "", ""][:2]
    if verb == "return":
        rest = rest.strip()
        return _help_of(verb) if rest in _HELP_WORDS else FlowLine(verb=verb, returned=_returned(rest))
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        raise InvalidInput(f"A quote in `%flow {line.strip()}` is not closed.") from None
    if not words:
        return FlowLine()
    verb, arguments = words[0], words[1:]
    if verb in _HELP_WORDS:
        return FlowLine(help=HELP)
    if verb not in USAGE:
        raise InvalidInput(f"%flow knows no {verb!r}. It takes:\n{HELP}")
    if _HELP_WORDS & set(arguments):
        return _help_of(verb)
    if verb == "deploy":
        has_path = bool(arguments) and not arguments[0].startswith("-")
        return FlowLine(
            verb=verb, notebook=arguments[0] if has_path else None, options=tuple(arguments[1 if has_path else 0 :])
        )
    if verb == "keep":
        return FlowLine(verb=verb, is_on=_is_on(arguments))
    known = {"--stale"} if verb == "run" else set()
    paths = [word for word in arguments if word not in known]
    for word in paths:
        if word.startswith("-"):
            raise InvalidInput(f"%flow {verb} knows no {word}.{_hint(word, known)} {_written(verb)}")
    if len(paths) > 1:
        raise InvalidInput(f"%flow {verb} takes one notebook, not {len(paths)} ({', '.join(paths)}). {_written(verb)}")
    return FlowLine(verb=verb, notebook=paths[0] if paths else None, is_stale_only="--stale" in arguments)


def complete_flow_line(text_before_cursor: str, names: Collection[str], notebooks: Collection[str]) -> list[str]:
    """Return what the last, unfinished word of a line may become, sorted.

    Parameters
    ----------
    text_before_cursor
        The text between ``%flow`` and the cursor.
    names
        Variables that ``return`` may name.
    notebooks
        Paths of notebooks that can be named.

    Examples
    --------
    >>> complete_flow_line("st", [], [])
    ['stale']
    >>> complete_flow_line("run ", [], ["report.ipynb"])
    ['--stale', 'report.ipynb']
    """
    *before, word = text_before_cursor.replace(",", " , ").split(" ")
    before = [found for found in before if found]
    if not before:
        found: Collection[str] = [*USAGE, "--help"]
    elif before[0] == "return":
        found = names
    elif before[0] == "keep":
        found = ["on", "off"] if len(before) == 1 else []
    elif before[0] in USAGE:
        known = {"run": ("--stale",), "deploy": _DEPLOY_OPTIONS}.get(before[0], ())
        options = [option for option in known if option not in before]
        has_path = any(not item.startswith("-") for item in before[1:])
        found = [*options, *([] if has_path else notebooks)]
    else:
        found = []
    return sorted(item for item in found if item.startswith(word))


def _help_of(verb: str) -> FlowLine:
    lines = [line for line in HELP.splitlines() if line.startswith(f"%flow {verb}")]
    return FlowLine(verb=verb, help="\n".join(lines))


def _is_on(arguments: list[str]) -> bool:
    if arguments not in ([], ["on"], ["off"]):
        raise InvalidInput(f"%flow keep takes on or off, not {' '.join(arguments)!r}. {_written('keep')}")
    return arguments != ["off"]


def _returned(text: str) -> dict[str, ast.expr]:
    """Return name to expression of ``auc, best=max(scores)``."""
    try:
        call = ast.parse(f"_({text}\n)", mode="eval").body
    except SyntaxError as error:
        raise InvalidInput(f"%flow return {text}: {error.msg.rstrip('.?')}. {RETURN_USAGE}") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not (call.args or call.keywords):
        raise InvalidInput(RETURN_USAGE)
    named: dict[str, ast.expr] = {}
    for value in call.args:
        if not isinstance(value, ast.Name):
            raise InvalidInput(f"%flow return: {ast.unparse(value)!r} has no name. {RETURN_USAGE}")
        named[value.id] = value
    for keyword in call.keywords:
        if keyword.arg is None:
            raise InvalidInput(RETURN_USAGE)
        named[keyword.arg] = keyword.value
    return named


def _hint(word: str, known: Collection[str]) -> str:
    import difflib  # only for who mistyped

    close = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _written(verb: str) -> str:
    return f"Write {USAGE[verb]}."
