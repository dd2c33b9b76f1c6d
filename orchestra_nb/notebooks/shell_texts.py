"""The texts of magics and shell commands: their words, their options, and the Python that IPython expands in them."""

from __future__ import annotations

import ast
import builtins
import re
import shlex
from typing import Final

from orchestra_nb.notebooks.ipython_syntax import is_shell_call
from orchestra_nb.notebooks.source_text import literal

_OPTIONS_WITH_VALUE: Final = "nrplsTDmifu"


class ShellTexts:
    """Texts in which ``{x}`` and ``$x`` stand for values of the notebook.

    Parameters
    ----------
    names
        The notebook's variables.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def python(self, text: str) -> str:
        """Return a text in which IPython expands ``{x}`` and ``$x`` as Python: a string, or an f-string."""
        parts: list[tuple[bool, str]] = []
        position = 0
        for match in re.finditer(r"\{\{|\}\}|\{([^{}]+)\}|\$\$|\$(\w+)", text):
            found = match.group(1) or match.group(2)
            if match.group() in ("{{", "}}", "$$"):
                replaced: tuple[bool, str] = (False, match.group()[0])
            elif not self._is_known(found):
                return literal(text)  # as IPython does: with one word that it cannot expand, all is left to the shell
            else:
                replaced = (True, found)
            parts += [(False, text[position : match.start()]), replaced]
            position = match.end()
        parts.append((False, text[position:]))
        if not any(is_code for is_code, _ in parts):
            return literal("".join(part for _, part in parts))
        if any(is_code and re.search(r"[\"'\\]", part) for is_code, part in parts):
            values: list[ast.expr] = [
                ast.FormattedValue(value=ast.parse(part.strip(), mode="eval").body, conversion=-1)
                if is_code
                else ast.Constant(value=part)
                for is_code, part in parts
            ]
            return ast.unparse(ast.JoinedStr(values=values))
        plain = "".join("\0" if is_code else part.replace("{", "{{").replace("}", "}}") for is_code, part in parts)
        codes = iter(part for is_code, part in parts if is_code)
        return "f" + re.sub(r"\\x00", lambda _: "{" + next(codes) + "}", literal(plain))

    def _is_known(self, expression: str) -> bool:
        try:
            tree = ast.parse(expression.strip(), mode="eval")
        except (SyntaxError, ValueError):
            return False
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        return bool(names) and all(name in self._names or hasattr(builtins, name) for name in names)


def magic_of(call: ast.Call) -> tuple[str, str]:
    """Return (magic, its line); for another method of the shell ("", method)."""
    assert isinstance(call.func, ast.Attribute)
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    texts = [word for word in words if isinstance(word, str)]
    if call.func.attr in ("run_line_magic", "magic", "line_magic") and texts:
        name, _, rest = texts[0].partition(" ") if len(texts) == 1 else (texts[0], "", texts[1])
        return name.lstrip("%"), rest.strip()
    if call.func.attr in ("system", "system_raw", "system_piped") and texts:
        return "", "system"
    return "", call.func.attr


def first_text(call: ast.Call) -> str:
    """Return the first argument of a call of the shell."""
    value = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
    return value if isinstance(value, str) else ""


def own_shell_calls(statement: ast.stmt) -> list[ast.Call]:
    """Return the shell calls in a statement's own expressions, the last one first."""
    found: list[ast.Call] = []
    pending: list[ast.AST] = [node for node in ast.iter_child_nodes(statement) if not isinstance(node, ast.stmt)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call) and is_shell_call(node):
            found.append(node)
        elif not isinstance(node, ast.stmt):
            pending.extend(ast.iter_child_nodes(node))
    return sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True)


def without_options(line: str) -> str:
    """Return a magic's line without its options: ``-n 10 f(x)`` gives ``f(x)``."""
    rest = line.lstrip()
    while match := re.match(r"-([A-Za-z])(\S*)\s*", rest):
        rest = rest[match.end() :]
        if match.group(1) in _OPTIONS_WITH_VALUE and not match.group(2):
            rest = re.sub(r"^\S+\s*", "", rest)
    return rest


def split_words(line: str) -> list[str]:
    """Return the words of a line, as a shell parts them."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def unquoted(line: str) -> str:
    """Return a line without quotes around it."""
    line = line.strip()
    return line[1:-1] if len(line) > 1 and line[0] == line[-1] and line[0] in "\"'" else line
