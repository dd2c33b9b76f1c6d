"""Cells with IPython syntax as Python trees, and what magics do to names.

A cell that is plain Python is parsed as it is. Else IPython's own transformer turns ``%time f(x)`` into
``get_ipython().run_line_magic('time', 'f(x)')``; this file tells which of these calls hold Python code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

#: Magics whose line or body is Python that runs in the notebook's namespace.
_RUNNING: Final = frozenset({"time", "capture", "prun", "memit", "mprun", "lprun", "snakeviz", "pyinstrument", "debug"})
#: Magics whose line or body is Python that runs in a function of its own: what it binds is gone afterwards.
_RUNNING_LOCALLY: Final = frozenset({"timeit"})
#: Options of these magics that take a value (``%timeit -n 10 f(x)``).
_VALUE_OPTIONS: Final = {
    "timeit": "nrp",
    "prun": "lsTDm",
    "memit": "rti",
    "mprun": "fT",
    "lprun": "fTDmsu",
    "snakeviz": "f",
    "pyinstrument": "ir",
    "debug": "b",
}
#: Magics that neither read nor bind names of the notebook.
_HARMLESS: Final = frozenset(
    """
    alias alias_magic autoawait autocall automagic autoreload bookmark cat cd clear colors conda config connect_info cp
    dhist dirs doctest_mode env gui hist history killbgscripts ldir less lf lk ll load_ext ls lsmagic lx magic man
    matplotlib mkdir more mv notebook page pastebin pdb pdef pdoc pfile pinfo pinfo2 pip uv mamba micromamba pushd popd
    pprint precision profile psearch psource pwd pycat qtconsole quickref reload_ext rep rm rmdir set_env subshell
    sx system tb unalias unload_ext who who_ls whos xmode code_wrap orchestra task flow watermark nbdev_export
    reload_kernel
    """.split()
)
#: Cell magics whose body is not Python of this kernel.
_FOREIGN_BODIES: Final = frozenset(
    "! bash cmd html javascript js latex markdown perl pypy python python2 python3 ruby script sh svg sx system "
    "writefile file task SVG HTML zsh powershell mermaid".split()
)
_SCRIPTS: Final = frozenset("bash cmd perl pypy python python2 python3 ruby script sh zsh powershell".split())
_SCRIPT_TARGET = re.compile(r"--(?:out|err|proc)[ =]+([A-Za-z_]\w*)")
_EXPANSION = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|\$\$|\$(\w+(?:\.\w+)*)")


@dataclass(frozen=True, slots=True)
class MagicEffect:
    """What one magic or shell call does.

    Parameters
    ----------
    code
        Python that it runs.
    is_local
        What ``code`` binds is gone afterwards.
    expressions
        Expressions that are read: ``{x}`` and ``$x`` of its line.
    """

    code: tuple[ast.Module, ...] = ()
    is_local: bool = False
    expressions: tuple[ast.expr, ...] = ()
    binds: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    opaque: str | None = None


@lru_cache(maxsize=1024)
def parse_cell(source: str) -> ast.Module:
    """Return the tree of a cell; never change it, it is shared.

    Raises
    ------
    SyntaxError
        ``lineno`` is the line in ``source``, from 1.
    """
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        plain = error
    transformed = _transform(source)
    if transformed is None or transformed == source:
        raise _syntax_error(plain)
    lost_lines = source[: len(source) - len(source.lstrip())].count("\n")  # IPython drops empty lines at the head
    try:
        tree = ast.parse(transformed)
    except (SyntaxError, ValueError) as error:
        raise _syntax_error(error, lost_lines) from None
    return ast.increment_lineno(tree, lost_lines) if lost_lines else tree


def python_source(source: str) -> str:
    """Return a cell as the Python that IPython runs; a cell that is Python already comes back as it is.

    Raises
    ------
    SyntaxError
        ``lineno`` is the line in ``source``, from 1.
    """
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        parse_cell(source)
        return _transform(source) or source
    return source


def _transform(source: str) -> str | None:
    """Return the cell as IPython would compile it, or None where it cannot."""
    from IPython.core.inputtransformer2 import TransformerManager  # only for cells that are not plain Python

    manager = TransformerManager()  # type: ignore[no-untyped-call]
    try:
        return manager.transform_cell(source)
    except SyntaxError:
        return None


def _syntax_error(error: SyntaxError | ValueError, lines_before: int = 0) -> SyntaxError:
    if not isinstance(error, SyntaxError):
        return SyntaxError(str(error), ("<cell>", 1, 1, None))  # such as "source code string cannot contain null bytes"
    return type(error)(error.msg, ("<cell>", (error.lineno or 1) + lines_before, error.offset, error.text))


def is_shell_call(node: ast.Call) -> bool:
    """Tell whether this is ``get_ipython().something(…)``."""
    function = node.func
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "get_ipython"
        and not function.value.args
    )


def shell_call_effect(node: ast.Call) -> MagicEffect:
    """Return what ``get_ipython().something(…)`` does.

    Raises
    ------
    SyntaxError
        The Python in a magic is none; ``lineno`` is the line in the cell.
    """
    assert isinstance(node.func, ast.Attribute)
    method = node.func.attr
    texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    words = [text for text in texts if isinstance(text, str)]
    if method in ("run_line_magic", "magic", "line_magic") and words and len(words) >= len(node.args):
        name, _, rest = words[0].partition(" ") if len(words) == 1 else (words[0], "", words[1])
        return _line_magic(name.lstrip("%"), rest, node.lineno)
    if method == "run_cell_magic" and len(words) == 3 == len(node.args):
        return _cell_magic(words[0], words[1], words[2], node.lineno)
    if method in ("system", "getoutput", "getoutput_pcolor", "system_raw", "system_piped") and words:
        return MagicEffect(expressions=tuple(_expanded(words[0])))
    if method in ("run_cell", "run_cell_async", "ex", "ev", "push", "drop_by_id", "reset", "run_code", "safe_execfile"):
        return MagicEffect(opaque=f"`get_ipython().{method}(…)` can read and bind any name")
    if method in ("run_line_magic", "magic", "run_cell_magic"):
        return MagicEffect(opaque="a magic whose text is not written in the cell can read and bind any name")
    return MagicEffect()


def _line_magic(name: str, line: str, lineno: int) -> MagicEffect:
    expressions = tuple(_expanded(line))
    if name in _RUNNING_LOCALLY or name in _RUNNING:
        line = line.split(" #", 1)[0] if name == "memit" else line
        if name == "debug" and not line.strip():
            return MagicEffect()
        code = _python(_without_options(name, line), lineno)
        return MagicEffect(code=(code,), is_local=name in _RUNNING_LOCALLY)
    if name in _HARMLESS:
        return MagicEffect(expressions=expressions)
    if name == "xdel":
        return MagicEffect(deletes=tuple(word for word in line.split() if word.isidentifier()))
    if name == "store" and not any(word.startswith("-") for word in line.split()):
        return MagicEffect(expressions=tuple(_names(line.partition(">")[0])))
    if name in ("psearch", "rehashx", "logoff", "logon", "logstart", "logstate", "logstop"):
        return MagicEffect(expressions=expressions)
    return MagicEffect(opaque=f"`%{name}` can read and bind any name", expressions=expressions)


def _cell_magic(name: str, line: str, body: str, lineno: int) -> MagicEffect:
    if name in _RUNNING_LOCALLY:
        # the line of %%timeit is set-up code in the same function
        code = _without_options(name, line) + "\n" + body
        return MagicEffect(code=(_python(code, lineno),), is_local=True)
    if name in _RUNNING:
        binds: tuple[str, ...] = ()
        if name == "capture":
            binds = tuple(word for word in line.split() if word.isidentifier())
        return MagicEffect(code=(_python(body, lineno + 1),), binds=binds)
    if name in _FOREIGN_BODIES:
        targets = tuple(_SCRIPT_TARGET.findall(line)) if name in _SCRIPTS else ()
        body_reads = _expanded(body) if name in ("!", "sx", "system") else ()
        return MagicEffect(expressions=(*_expanded(line), *body_reads), binds=targets)
    return MagicEffect(opaque=f"`%%{name}` can read and bind any name", expressions=tuple(_expanded(line)))


def _python(code: str, lineno: int) -> ast.Module:
    """Parse Python inside a magic; errors carry the line in the cell, where ``code`` starts at ``lineno``."""
    try:
        return parse_cell(code)
    except SyntaxError as error:
        raise _syntax_error(error, lineno - 1) from None


def _without_options(name: str, line: str) -> str:
    """Return ``line`` without the magic's options: ``-n 10 -q f(x)`` gives ``f(x)``."""
    with_value = _VALUE_OPTIONS.get(name, "")
    rest = line.lstrip()
    while match := re.match(r"-([A-Za-z])(\S*)\s*|--[\w-]+(?:=\S*)?\s*|--\s+", rest):
        rest = rest[match.end() :]
        letter, attached = match.group(1), match.group(2)
        if letter and letter in with_value and not attached:
            rest = re.sub(r"^\S+\s*", "", rest)
    return rest


def _expanded(line: str) -> Iterator[ast.expr]:
    """Yield the expressions that IPython expands in a line: ``{x + 1}`` and ``$x``."""
    for match in _EXPANSION.finditer(line):
        text = match.group(1) or match.group(2)
        if not text:
            continue
        try:
            yield ast.parse(text.partition("!r")[0].strip(), mode="eval").body
        except (SyntaxError, ValueError):
            continue  # braces and dollars of the shell itself


def _names(text: str) -> Iterator[ast.expr]:
    for word in text.split():
        if word.isidentifier():
            yield ast.Name(id=word, ctx=ast.Load())
