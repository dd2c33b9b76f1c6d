"""Cells with IPython syntax as the plain Python of a script: magics, shell commands, help."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.notebooks.ipython_syntax import is_shell_call, python_source
from orchestra_nb.notebooks.shell_texts import (
    ShellTexts,
    first_text,
    magic_of,
    own_shell_calls,
    split_words,
    unquoted,
    without_options,
)
from orchestra_nb.notebooks.source_text import block_literal, comment, indent, literal, replace_span
from orchestra_nb.notebooks.task_line import TaskLine, parse_task_line

#: Magics that only say how a notebook looks or is worked with: a script does without.
_DROPPED: Final = frozenset(
    "matplotlib load_ext reload_ext unload_ext autoreload config colors conda pdb precision xmode gui alias automagic "
    "autoawait autocall doctest_mode history hist notebook page pinfo pinfo2 pdoc pdef psource pfile psearch quickref "
    "lsmagic magic who who_ls whos tb qtconsole connect_info orchestra task flow watermark nbdev_export code_wrap "
    "logstart logstop logon logoff logstate rehashx bookmark dhist dirs killbgscripts".split()
)
_SHOWN_BODIES: Final = frozenset("html HTML javascript js latex markdown svg SVG mermaid".split())
_SCRIPTS: Final = {"python": "python", "python2": "python2", "python3": "python3", "pypy": "pypy"} | {
    name: name for name in ("bash", "sh", "zsh", "perl", "ruby")
}
_RUN_ONLY: Final = frozenset("prun memit mprun lprun snakeviz pyinstrument".split())
_LIST_OF_LINES: Final = re.compile(r"\.(?:n|s|p|l|grep|fields|nlstr|spstr|paths|list|get_list)\b")


@dataclass
class Translation:
    """A cell as Python.

    Parameters
    ----------
    source
        Python without IPython's syntax.
    imports
        Import lines that the source needs beyond its own.
    notes
        What could not be said in Python, in words for people.
    task
        What the cell's ``%%task`` line asks for.
    """

    source: str
    imports: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    task: TaskLine | None = None


def translate_cell(
    source: str, names: Collection[str] = (), taken: Collection[str] = (), all_code: str = ""
) -> Translation:
    r"""Return a cell as Python that needs no IPython shell.

    Parameters
    ----------
    names
        Variables of the notebook: ``$x`` in a shell command is one of these, or else the shell's own.
    taken
        Names that must not be used for new variables.
    all_code
        The code of all cells: how the result of a shell command is used.

    Examples
    --------
    >>> print(translate_cell("files = !ls {folder}", {"folder"}).source)
    files = subprocess.getoutput(f"ls {folder}").splitlines()
    """
    return _Translator(frozenset(names), frozenset(taken), all_code).cell(source)


class _Translator:
    def __init__(self, names: frozenset[str], taken: frozenset[str], all_code: str) -> None:
        self._all_code = all_code
        self._texts = ShellTexts(names)
        self._taken = taken
        self._result = Translation("")

    def cell(self, source: str) -> Translation:
        self._result.source = self._cell(source)
        return self._result

    def _cell(self, source: str) -> str:
        stripped = source.lstrip("\n")
        if stripped.startswith("%%") and not stripped.startswith("%%%"):
            line, _, body = stripped.partition("\n")
            name, _, rest = line[2:].strip().partition(" ")
            return self._cell_magic(name, rest.strip(), body)
        try:
            return self._statements(python_source(source)).strip("\n")
        except SyntaxError as error:
            return self._impossible(source, f"it is no Python: {error.msg}")

    # Cells

    def _cell_magic(self, name: str, line: str, body: str) -> str:
        if name == "task":
            try:
                self._result.task = parse_task_line(line, body)
            except InvalidTaskLine as error:
                self._result.notes.append(str(error))
                self._result.task = TaskLine(body=body)
            lines = body.split("\n")
            while lines and re.match(r"\s*(#:|$)", lines[0]):
                lines.pop(0)
            return self._cell("\n".join(lines))
        if name == "time":
            return self._timed(self._cell(body), is_last=True)
        if name == "timeit":
            return self._measured(self._cell("\n".join(filter(None, [without_options(line), body]))))
        if name == "capture":
            target = next((word for word in line.split() if word.isidentifier()), None)
            self._need("from IPython.utils.capture import capture_output")
            bound = f" as {target}" if target else ""
            return f"with capture_output(){bound}:\n{indent(self._cell(body) or 'pass')}"
        if name in _RUN_ONLY:
            return self._cell(body)
        if name in _SHOWN_BODIES:
            return comment(f"%%{name} {line}".rstrip() + f"\n{body}")
        if name in ("!", "sx", "system"):
            return "\n".join(self._system(command) for command in body.splitlines() if command.strip())
        if name in _SCRIPTS or name == "script":
            return self._script(name, line, body)
        if name in ("writefile", "file"):
            words = split_words(line)
            mode = "a" if any(word in ("-a", "--append") for word in words) else "w"
            path = next((word for word in words if not word.startswith("-")), "")
            ending = body if body.endswith("\n") else body + "\n"
            opened = f"with open({self._texts.python(path)}, {literal(mode)}) as file:"
            return f"{opened}\n    file.write({block_literal(ending)})"
        return self._impossible(f"%%{name} {line}".rstrip() + f"\n{body}", f"%%{name} has no counterpart in a script")

    def _script(self, name: str, line: str, body: str) -> str:
        self._need("import subprocess")
        targets = dict(re.findall(r"--(out|err|proc)[ =]+([A-Za-z_]\w*)", line))
        words = split_words(re.sub(r"--(?:out|err|proc)[ =]+\w+|--(?:no-)?raise-error|--bg", "", line))
        program = words if name == "script" else [_SCRIPTS[name], *words]
        check = "" if "--no-raise-error" in line else ", check=True"
        words_text = ", ".join(self._texts.python(word) for word in program)
        arguments = f"[{words_text}], input={block_literal(body)}, text=True{check}"
        if "out" not in targets and "err" not in targets:
            return f"subprocess.run({arguments})"
        place = self._new_name("finished")
        pipes = "".join(f", std{kind}=subprocess.PIPE" for kind in targets if kind != "proc")
        lines = [f"{place} = subprocess.run({arguments}{pipes})"]
        lines += [f"{target} = {place}.std{kind}" for kind, target in targets.items() if kind != "proc"]
        return "\n".join(lines)

    def _impossible(self, source: str, why: str) -> str:
        self._result.notes.append(why)
        return f"{comment(source)}\nraise NotImplementedError({literal(why)})"

    # Statements

    def _statements(self, source: str) -> str:
        if "get_ipython()" not in source:
            return source
        tree = ast.parse(source)
        last = tree.body[-1] if tree.body else None
        statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
        # from the end, so that what is still to be replaced keeps its position
        for statement in sorted(statements, key=lambda node: (node.lineno, node.col_offset), reverse=True):
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Call) and is_shell_call(value):
                text = self._statement(value, is_last=statement is last)
                source = replace_span(source, statement, self._placed(text, statement.col_offset))
            elif (
                isinstance(statement, ast.Assign | ast.AnnAssign)
                and isinstance(value, ast.Call)
                and is_shell_call(value)
            ):
                source = self._assignment(source, statement, value)
            else:
                for call in own_shell_calls(statement):
                    source = replace_span(source, call, self._expression(call, ""))
        return source

    @staticmethod
    def _placed(text: str, column: int) -> str:
        """Return replacing lines at the column of the statement that they replace."""
        if column and all(line.lstrip().startswith("#") for line in text.splitlines()):
            text = f"pass  {text}".rstrip() if "\n" not in text else f"{text}\npass"
        return indent(text, " " * column).lstrip(" ")

    def _statement(self, call: ast.Call, *, is_last: bool) -> str:
        name, line = magic_of(call)
        if name == "":  # a method of the shell
            return self._expression(call, "") if line != "system" else self._system(first_text(call))
        if name in ("flow", "task", "orchestra") or (name.endswith("load_ext") and line == "orchestra_nb"):
            return ""
        if name in _DROPPED:
            return f"# %{name} {line}".rstrip()
        if name == "time":
            return self._timed(self._cell(line), is_last=is_last)
        if name == "timeit":
            return self._measured(self._cell(without_options(line)))
        if name in _RUN_ONLY:
            return self._cell(without_options(line))
        if name == "pylab":
            return "import matplotlib.pyplot as plt\nimport numpy as np\nfrom matplotlib.pylab import *"
        translated = self._simple(name, line)
        return (
            translated
            if translated is not None
            else self._impossible(f"%{name} {line}".rstrip(), f"%{name} has no counterpart in a script")
        )

    def _assignment(self, source: str, statement: ast.Assign | ast.AnnAssign, call: ast.Call) -> str:
        name, line = magic_of(call)
        if name == "time":
            target = source.split("\n")[statement.lineno - 1].encode()[statement.col_offset : call.col_offset].decode()
            inner = self._cell(line)
            text = self._timed(f"{target}{inner}", is_last=False)
            return replace_span(source, statement, self._placed(text, statement.col_offset))
        bound = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        return replace_span(source, call, self._expression(call, bound.id if isinstance(bound, ast.Name) else ""))

    def _expression(self, call: ast.Call, target: str) -> str:
        name, line = magic_of(call)
        if name == "":
            if line in ("getoutput", "getoutput_pcolor"):
                return self._output(first_text(call), target)
            if line == "system":
                self._need("import subprocess")
                return f"subprocess.run({self._texts.python(first_text(call))}, shell=True)"
            self._need("from IPython import get_ipython")
            self._result.notes.append(f"get_ipython().{line}(…) needs IPython: outside of it get_ipython() is None")
            return ast.unparse(call)
        if name in ("sx", "system"):
            return self._output(line, target)
        if name in ("pwd", "env", "time", "pip"):
            expression = {
                "pwd": "os.getcwd()",
                "env": f"os.environ[{self._texts.python(line)}]" if line else "dict(os.environ)",
            }
            if name in expression:
                self._need("import os")
                return expression[name]
            if name == "time":
                return f"({self._cell(line)})"
        self._result.notes.append(f"%{name} has no counterpart in a script")
        self._need_impossible()
        return f"not_in_a_script({literal(f'%{name} {line}'.rstrip())})"

    def _need_impossible(self) -> None:
        self._need("def not_in_a_script")

    def _simple(self, name: str, line: str) -> str | None:
        """Translate the magics that are one statement."""
        known: dict[str, Callable[[], str]] = {
            "cd": lambda: self._os(f"os.chdir(os.path.expanduser({self._texts.python(unquoted(line) or '~')}))"),
            "pwd": lambda: self._os("os.getcwd()"),
            "env": lambda: self._env(line),
            "set_env": lambda: self._env(line),
            "pip": lambda: self._module("pip", line),
            "conda": lambda: self._system(f"conda {line}"),
            "mamba": lambda: self._system(f"mamba {line}"),
            "uv": lambda: self._system(f"uv {line}"),
            "sx": lambda: self._system(line),
            "system": lambda: self._system(line),
            "xdel": lambda: f"del {line.strip()}",
            "pprint": lambda: "pass",
            "reset_selective": lambda: "pass",
        }
        known |= {
            command: (lambda command=command: self._system(f"{command} {line}".rstrip()))  # type: ignore[misc]
            for command in ("ls", "cat", "cp", "mv", "rm", "mkdir", "rmdir", "man", "more", "less", "ldir", "ll")
        }
        return known[name]() if name in known else None

    def _os(self, text: str) -> str:
        self._need("import os")
        return text

    def _env(self, line: str) -> str:
        self._need("import os")
        name, equals, value = line.partition("=") if "=" in line.split(" ")[0] else line.partition(" ")
        if not line:
            return "dict(os.environ)"
        if not equals:
            return f"os.environ[{self._texts.python(name.strip())}]"
        return f"os.environ[{self._texts.python(name.strip())}] = {self._texts.python(value.strip())}"

    def _module(self, module: str, line: str) -> str:
        self._result.imports |= {"import subprocess", "import sys"}
        words = ", ".join(self._texts.python(word) for word in split_words(line))
        return f"subprocess.run([sys.executable, {literal('-m')}, {literal(module)}, {words}], check=True)"

    def _system(self, command: str) -> str:
        self._need("import subprocess")
        return f"subprocess.run({self._texts.python(command)}, shell=True)"

    def _output(self, command: str, target: str) -> str:
        self._need("import subprocess")
        if target and re.search(rf"\b{re.escape(target)}{_LIST_OF_LINES.pattern}", self._all_code):
            self._need("from IPython.utils.text import SList")
            return f"SList(subprocess.getoutput({self._texts.python(command)}).splitlines())"
        return f"subprocess.getoutput({self._texts.python(command)}).splitlines()"

    def _timed(self, code: str, *, is_last: bool) -> str:
        self._need("import time")
        started = self._new_name("started")
        report = f'print(f"Wall time: {{time.perf_counter() - {started}:.3g}} s")'
        tree = ast.parse(code)
        lines = [f"{started} = time.perf_counter()"]
        if is_last and tree.body and isinstance(tree.body[-1], ast.Expr) and not code.rstrip().endswith(";"):
            value = self._new_name("timed")
            code = replace_span(code, tree.body[-1], f"{value} = {ast.get_source_segment(code, tree.body[-1])}")
            return "\n".join([*lines, code, report, value])
        return "\n".join([*lines, code or "pass", report])

    def _measured(self, code: str) -> str:
        self._need("import timeit")
        body = self._new_name("measured")
        return (
            f"def {body}():\n{indent(code or 'pass')}\n\n"
            f'print(f"{{min(timeit.repeat({body}, number=1, repeat=7)):.3g}} s, the best of 7")'
        )

    # Texts

    def _need(self, line: str) -> None:
        self._result.imports.add(line)

    def _new_name(self, wanted: str) -> str:
        name = wanted
        while name in self._taken:
            name += "_"
        return name
