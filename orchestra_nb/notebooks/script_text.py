"""The text of a script: a module with imports, definitions, tasks, the flow, and its command line."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence
from typing import Final

from orchestra_nb.notebooks.flow_body import FlowBody, wrapped_arguments
from orchestra_nb.notebooks.module_level import import_names
from orchestra_nb.notebooks.notebook_analysis import NotebookAnalysis
from orchestra_nb.notebooks.script_imports import imports_block, is_standard
from orchestra_nb.notebooks.script_parameters import flow_parameters
from orchestra_nb.notebooks.script_statements import Figures, StatementWriter, markdown_comment
from orchestra_nb.notebooks.script_steps import ScriptPlan, Step
from orchestra_nb.notebooks.source_text import Chunk, docstring, indent, literal, words_of
from orchestra_nb.notebooks.submitted_steps import submitted_steps
from orchestra_nb.notebooks.task_line import TaskLine

_LINE: Final = 100
_SHOW: Final = '''\
def {name}(value):
    """Print a value as a notebook shows that of a cell's last line."""
    if value is not None:
        print(repr(value))'''
_SHOW_FIGURES: Final = '''\
def {name}():
    """Show the figures that are open and close them, as a notebook does at the end of a cell."""
    {pyplot}.show()
    {pyplot}.close("all")'''
_IMPOSSIBLE: Final = '''\
def not_in_a_script(magic):
    """Stand for a magic of IPython that has no counterpart in a script."""
    raise NotImplementedError(f"{magic} has no counterpart in a script")'''


def script_text(plan: ScriptPlan, name: str, *, submitting: NotebookAnalysis | None = None) -> str:
    """Return the script of a plan.

    Parameters
    ----------
    name
        Of the notebook, without a suffix: the flow is called after it.
    submitting
        What is known of the notebook's cells, where tasks that need not wait for each other are to be sent to the task
        runner in place of being called.
    """
    return _ScriptWriter(plan, name, submitting).text()


class _ScriptWriter:
    def __init__(self, plan: ScriptPlan, name: str, submitting: NotebookAnalysis | None) -> None:
        self._plan = plan
        self._used_names = {*plan.code.taken, *(step.name for step in plan.steps)}
        self._show = self._free_name("show")
        self._show_figures = self._free_name("show_figures")
        chunks = [chunk for cell in plan.code.cells for chunk in cell.chunks]
        self._figures = Figures(chunks)
        self._writer = StatementWriter(
            plan.shared,
            self._figures,
            is_one_body=plan.is_one_body,
            show=self._show,
            show_figures=self._show_figures,
            keeps_shown=plan.reads_shown,
            keeps_all=plan.reads_all_shown,
        )
        self._parameters = flow_parameters(plan.parameters, plan.module.names)
        self._flow_name = self._free_name(words_of(name, limit=12) or "notebook_flow", "_flow")
        self._cells_name = self._free_name("run_cells")
        self._is_async = any(step.is_async for step in plan.steps)
        self._submitted = frozenset() if submitting is None else submitted_steps(plan, self._figures, submitting)
        self._body = FlowBody(plan, self._writer, self._submitted, self._free_name)
        self._imports: set[str] = set().union(*(cell.translation.imports for cell in plan.code.cells))
        self._task, self._flow = self._decorator("task"), self._decorator("flow")

    def _free_name(self, wanted: str, ending: str = "_") -> str:
        name = wanted
        while name in self._used_names:
            name += ending
        return name

    def _decorator(self, name: str) -> str:
        own = f"from orchestra_nb import {name}"
        given = [imports for chunk in self._plan.module.preamble if (imports := import_names(chunk))]
        is_same = any(imports.get(name) == own for imports in given)
        return name if is_same or name not in self._plan.code.taken else f"orchestra_nb.{name}"

    def text(self) -> str:
        tasks = [self._task_text(step) for step in self._plan.steps if not step.why_inline]
        flow = self._flow_text()
        main = self._main_text()
        helpers = self._helpers_text()
        definitions = self._definitions_text()
        head = [self._docstring(), self._futures_text(), self._imports_text(bool(tasks))]
        blocks = [*definitions, *helpers, *tasks, flow, main]
        return "\n\n".join(filter(None, head)) + "\n\n\n" + "\n\n\n".join(filter(None, blocks)) + "\n"

    # The head of the module

    def _docstring(self) -> str:
        code = self._plan.code
        title = code.title or self._flow_name.replace("_", " ").capitalize()
        return docstring("\n\n".join(filter(None, [_sentence(title), code.introduction])))

    def _futures_text(self) -> str:
        return "\n".join(dict.fromkeys(ast.unparse(chunk.statements[0]) for chunk in self._plan.module.futures))

    def _imports_text(self, has_tasks: bool) -> str:
        words = [word for word in ("flow", "task") if (word == "flow" or has_tasks)]
        plain = [word for word in words if "." not in (self._flow if word == "flow" else self._task)]
        extra = sorted(
            {
                line
                for line in self._imports | self._writer.used | self._body.imports
                if line.startswith(("import ", "from "))
            }
        )
        if plain:
            extra.append(f"from orchestra_nb import {', '.join(plain)}")
        if len(plain) < len(words):
            extra.append("import orchestra_nb")
        chunks = [Chunk(-1, line, 0, ast.parse(line).body) for line in extra]
        blocks: list[list[Chunk]] = [[]]
        for chunk in self._plan.module.preamble:
            is_import = import_names(chunk) is not None
            if blocks[-1] and is_import != (import_names(blocks[-1][-1]) is not None):
                blocks.append([])
            blocks[-1].append(chunk)
        if blocks[0] and import_names(blocks[0][0]) is None:
            blocks.insert(0, [])
        blocks[0] = [*(chunk for chunk in chunks if is_standard(chunk)), *blocks[0]]
        blocks[0] += [chunk for chunk in chunks if not is_standard(chunk)]
        seen: set[str] = set()
        return "\n\n".join(filter(None, (imports_block(block, seen) for block in blocks)))

    def _definitions_text(self) -> list[str]:
        """Return functions, classes and constants; constants stand together."""
        blocks: list[str] = []
        was_constant = False
        texts = self._texts_of_definitions()
        for chunk in self._plan.module.definitions:
            is_constant = isinstance(chunk.statement, ast.Assign | ast.AnnAssign)
            text = "\n".join(filter(None, [texts.get(chunk.cell, ""), chunk.text]))
            texts.pop(chunk.cell, None)
            if is_constant and was_constant:
                blocks[-1] += f"\n{text}"
            else:
                blocks.append(text)
            was_constant = is_constant
        return blocks

    def _texts_of_definitions(self) -> dict[int, str]:
        """Return the text above each cell of which nothing but definitions is left."""
        remaining = {part.cell.index for step in self._plan.steps for part in step.parts}
        found: dict[int, str] = {}
        for cell in self._plan.code.cells:
            if cell.index not in remaining:
                taken = {step.heading for step in self._plan.steps if step.heading}
                heading = "" if cell.heading in taken else cell.heading
                found[cell.index] = markdown_comment("\n\n".join(filter(None, [heading, cell.text])))
        return found

    def _helpers_text(self) -> list[str]:
        helpers: list[str] = []
        if self._show in self._writer.used:
            text = _SHOW.format(name=self._show)
            if self._plan.reads_shown:
                self._imports.add("import builtins")
                text += "\n        builtins._ = value  # so that `_` is the last one everywhere"
            if self._plan.reads_all_shown:
                text = f"Out = {{}}\n\n\n{text.replace('(value):', '(value, cell):')}\n        Out[cell] = value"
            helpers.append(text)
        if self._show_figures in self._writer.used:
            pyplot = self._figures.pyplot
            if self._figures.modules.get(pyplot) != "matplotlib.pyplot" or pyplot not in self._plan.module.names:
                pyplot = self._free_name("pyplot")
                self._imports.add(f"from matplotlib import pyplot{'' if pyplot == 'pyplot' else f' as {pyplot}'}")
            helpers.append(_SHOW_FIGURES.format(name=self._show_figures, pyplot=pyplot))
        if any(line == "def not_in_a_script" for line in self._imports):
            helpers.append(_IMPOSSIBLE)
        return helpers

    # Tasks

    def _task_text(self, step: Step) -> str:
        options = self._options(step)
        decorator = f"@{self._task}" + (f"({', '.join(options)})" if options else "")
        if len(decorator) > _LINE:
            decorator = f"@{self._task}(\n    " + ",\n    ".join(options) + ",\n)"
        definition = "async def" if step.is_async else "def"
        head = f"{definition} {step.name}({', '.join(step.takes)}):"
        if len(head) > _LINE:
            head = f"{definition} {step.name}({wrapped_arguments(step.takes)}):"
        first = step.parts[0]
        heading = _sentence(step.heading) if step.heading else ""
        about = "\n\n".join(filter(None, [heading, first.text]))
        above = ""
        if sum(other.parts[0].cell.section == first.cell.section for other in self._plan.steps if other.name) > 1:
            # the heading is of all of them
            about, above = ("", about) if first.cell.heading else (about, "")
        lines = [docstring(about, "    ")] if about else []
        lines += _global_lines(step.binds_global)
        body = self._body.parts_text(step, with_first_text=False)
        lines.append(body)
        if step.gives:
            lines.append(f"return {', '.join(step.gives)}")
        text = "\n".join(filter(None, lines)) or "pass"
        return "\n".join(filter(None, [markdown_comment(above), decorator, head, indent(text)]))

    def _options(self, step: Step) -> list[str]:
        options = []
        if step.title and step.title != step.name:
            options.append(f"name={literal(step.title)}")
        if step.task is not None:
            options += self._task_options(step.task)
        if step in self._submitted and "print(" in step.source:
            options.append("log_prints=True")
        return options

    def _task_options(self, task: TaskLine) -> list[str]:
        options: list[str] = []
        retry = task.retry
        if retry.retries:
            options.append(f"retries={retry.retries}")
        delays = list(retry.delays_seconds)
        if retry.exponential is not None:
            first, limit = retry.exponential
            delays = [min(first * 2**number, limit) for number in range(retry.retries)]
        if delays:
            shown = [f"{delay:g}" for delay in delays]
            value = shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
            options.append(f"retry_delay_seconds={value}")
        if task.timeout_seconds is not None:
            options.append(f"timeout_seconds={task.timeout_seconds:g}")
        if task.tags:
            options.append(f"tags=[{', '.join(literal(f'{key}={value}') for key, value in task.tags.items())}]")
        if task.cache is not None:
            self._imports.add("from orchestra_nb.cache_policies import INPUTS, TASK_SOURCE")
            options.append("cache_policy=INPUTS + TASK_SOURCE")
            if task.cache.ttl_seconds is not None:
                self._imports.add("from datetime import timedelta")
                options.append(f"cache_expiration=timedelta(seconds={task.cache.ttl_seconds:g})")
        return options

    # The flow

    @property
    def _is_apart(self) -> bool:
        """Whether the cells need a function of their own: a parameter that they bind anew cannot be global."""
        names = {parameter.name for parameter in self._parameters} & set(self._plan.shared)
        return any(names & step.names.defines for step in self._plan.steps)

    def _flow_text(self) -> str:
        body: list[str] = []
        for parameter in self._parameters:
            if parameter.late_default is not None:
                body.append(f"if {parameter.name} is None:\n    {parameter.name} = {parameter.late_default}")
        shared = [parameter.name for parameter in self._parameters if parameter.name in self._plan.shared]
        if shared:
            words = ", ".join(f"{name}={name}" for name in shared)
            body.append(f"globals().update({words})  # functions of this module read {_all_of(shared)}")
        cells = self._body.lines()
        definition = "async def" if self._is_async else "def"
        if not self._is_apart:
            globals_first = self._globals_line(shared)
            return self._flow_definition(definition, [*globals_first, *body, *cells])
        apart = "\n".join([*self._globals_line([]), *cells]) or "pass"
        arguments = [parameter.name for parameter in self._parameters if parameter.name not in self._plan.shared]
        call = f"{'await ' if self._is_async else ''}{self._cells_name}({', '.join(arguments)})"
        cells_text = f"{definition} {self._cells_name}({', '.join(arguments)}):\n{indent(apart)}"
        return f"{cells_text}\n\n\n{self._flow_definition(definition, [*body, call])}"

    def _globals_line(self, parameters: list[str]) -> list[str]:
        bound: set[str] = set()
        for step in self._plan.steps:
            if step.why_inline:
                bound |= set(step.binds_global)
        names = [name for name in self._plan.shared if name in bound and name not in parameters]
        return _global_lines(names)

    def _flow_definition(self, definition: str, body: list[str]) -> str:
        words = [parameter.signature for parameter in self._parameters]
        head = f"{definition} {self._flow_name}({', '.join(words)}):"
        if len(head) > _LINE or any(parameter.help for parameter in self._parameters):
            lines = [
                f"    {parameter.signature}," + (f"  # {parameter.help}" if parameter.help else "")
                for parameter in self._parameters
            ]
            head = f"{definition} {self._flow_name}(\n" + "\n".join(lines) + "\n):"
        is_exact = all(parameter.is_exact for parameter in self._parameters)
        decorator = f"@{self._flow}" + ("" if is_exact else "(validate_parameters=False)")
        title = docstring(_sentence(self._plan.code.title or f"Run the cells of {self._flow_name}"), "    ")
        ending = markdown_comment(self._plan.code.ending)
        lines = [title, *body]
        if ending:
            lines.append(f"\n{ending}")
        return f"{decorator}\n{head}\n{indent(chr(10).join(lines))}"

    # The command line

    def _main_text(self) -> str:
        lines: list[str] = []
        if any("subprocess.run(" in cell.translation.source for cell in self._plan.code.cells):
            self._imports.add("import sys")
            lines.append("sys.stdout.reconfigure(line_buffering=True)  # what commands print comes in its turn")
        call = f"{self._flow_name}()"
        if self._parameters:
            self._imports.add("import argparse")
            lines.append("parser = argparse.ArgumentParser(description=__doc__)")
            options = [parameter.option() for parameter in self._parameters]
            lines += options
            if any("ast.literal_eval" in option for option in options):
                self._imports.add("import ast")
            call = f"{self._flow_name}(**vars(parser.parse_args()))"
        if self._is_async:
            self._imports.add("import asyncio")
            call = f"asyncio.run({call})"
        return 'if __name__ == "__main__":\n' + indent("\n".join([*lines, call]))


def _global_lines(names: Sequence[str]) -> list[str]:
    return [f"global {line.rstrip(chr(44))}" for line in textwrap.wrap(", ".join(names), _LINE - 12)] if names else []


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?:…" else f"{text}."


def _all_of(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
