"""A notebook as the plan of a flow: what heads the module, which cells become tasks, what each takes and gives.

The rule is that the flow gives what the notebook gives. Tasks are called in the order of their cells, in the flow's
own process, so what they share beside their arguments (files, generators of random numbers, styles) is as it is in a
kernel. Names that functions read when they are called, and that the notebook binds anew, stay global, as they are in a
notebook. What cannot be a function stays in the flow's body.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from typing import Final

from orchestra_nb.notebooks.cell_size import is_trivial
from orchestra_nb.notebooks.module_level import import_names, is_star, module_level, surely_changed
from orchestra_nb.notebooks.names import analyse_cell
from orchestra_nb.notebooks.notebook_code import NotebookCode
from orchestra_nb.notebooks.script_steps import Part, ScriptPlan, Step
from orchestra_nb.notebooks.source_text import (
    Chunk,
    free_names,
    join_chunks,
    kept_scopes,
    lasting_scopes,
    names_in_order,
)
from orchestra_nb.notebooks.step_names import name_steps

#: Calls that reach names by their text: only in a namespace of all names they find what they find in a notebook.
_NAMESPACE: Final = re.compile(
    r"(?<![\w.])(?:exec|eval|globals|locals|vars|dir)\s*\(|\b__main__\b|user_ns\b|sys\._getframe|currentframe\("
)
#: Methods and functions of libraries that give generators.
_GENERATOR_METHODS: Final = frozenset("glob rglob iglob walk iterdir iterrows iter_content iter_lines".split())
_LONGEST_GROUP: Final = 8
_HIDDEN_NAMES: Final = frozenset({"__", "___", "_i", "_ii", "In", "_oh", "_ih"})


def plan_script(code: NotebookCode) -> ScriptPlan:
    """Return the plan of a notebook's script."""
    return _Planner(code).plan()


class _Planner:
    def __init__(self, code: NotebookCode) -> None:
        self._code = code
        self._parameters = code.parameters
        self._parameter_names = {parameter.name for parameter in self._parameters}
        chunks = [chunk for cell in code.cells for chunk in cell.chunks if not self._declares_parameter(chunk)]
        self._module = module_level([chunk for chunk in chunks if not self._may_fail(chunk)], self._parameter_names)
        self._notes = list(code.notes)
        self._parts = list(self._remaining_parts())
        reaches_by_text = any(_NAMESPACE.search(cell.translation.source) for cell in code.cells)
        # what a star import in the middle binds nobody knows: names must then be where it puts its own
        self._is_one_body = reaches_by_text or any(is_star(chunk) for part in self._parts for chunk in part.chunks)
        self._has_star = any(is_star(chunk) for chunk in self._module.preamble)
        self._bound = {part: analyse_cell(part.source) for part in self._parts}
        self._flow_names = self._parameter_names.union(*(names.defines for names in self._bound.values()))
        self._flow_names |= {name for part in self._parts for name in _imported_here(part)}
        self._flow_names -= self._module.names
        self._shared = self._shared_names() | {name for name in self._deleted_names() if self._is_given(name)}
        self._generator_functions = {
            node.name
            for cell in code.cells
            for node in ast.walk(ast.parse(cell.translation.source))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))
        }

    def plan(self) -> ScriptPlan:
        while True:
            steps = self._group()
            self._decide(steps)
            first = self._wire(steps)
            if not self._has_star or first <= self._shared:
                break
            # a star import may give what is read before it is bound: a global name finds that
            self._shared |= first
        name_steps(steps, self._code, self._parts)
        order = [name for part in self._parts for name in names_in_order(part.tree, self._shared)]
        order += [name for name in self._parameter_names if name in self._shared]
        self._note_hidden()
        return ScriptPlan(
            code=self._code,
            module=self._module,
            parameters=self._parameters,
            steps=steps,
            shared=tuple(dict.fromkeys([*order, *sorted(self._shared)])),
            builtins_first=tuple(sorted(name for name in first - self._shared if hasattr(builtins, name))),
            notes=self._notes,
            is_one_body=self._is_one_body,
            reads_shown=self._reads_hidden("_"),
            reads_all_shown=self._reads_hidden("Out"),
        )

    # What is left when definitions have moved

    def _declares_parameter(self, chunk: Chunk) -> bool:
        if chunk.cell != self._code.parameters_cell or not chunk.statements:
            return False
        nodes = [node for node in chunk.statements if isinstance(node, ast.Assign | ast.AnnAssign)]
        names = {*chunk.names.defines, *(name for node in nodes for name in _annotated_names(node))}
        return len(nodes) == len(chunk.statements) and names <= self._parameter_names

    def _may_fail(self, chunk: Chunk) -> bool:
        return self._code.cells[chunk.cell].may_fail

    def _remaining_parts(self) -> Iterator[Part]:
        moved = self._module.chunks
        waiting = ""
        for cell in self._code.cells:
            chunks = [chunk for chunk in cell.chunks if chunk not in moved and not self._declares_parameter(chunk)]
            text = "\n\n".join(filter(None, [waiting, cell.text]))
            has_code = any(chunk.statements for chunk in chunks)
            waiting = ""
            if not has_code and not any("%" in chunk.text for chunk in chunks):
                if not any(chunk in moved for chunk in cell.chunks) and cell.index != self._code.parameters_cell:
                    waiting = "\n\n".join(filter(None, [text, *(_uncommented(chunk.text) for chunk in chunks)]))
                continue
            source = join_chunks([chunk for chunk in chunks if chunk.statements])
            yield Part(cell, chunks, source, ast.parse(source), text)

    def _shared_names(self) -> set[str]:
        """Return the names that must be global for functions to see what they see in the notebook."""
        if self._is_one_body:
            return set(self._flow_names)
        shared: set[str] = set()
        for chunk in self._module.definitions:
            for node in chunk.statements:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    shared |= free_names(node)[1]
                else:
                    shared.update(*(free_names(scope)[1] for scope in lasting_scopes(node)))
        bound_in: dict[str, list[int]] = {}
        for part, names in self._bound.items():
            for name in names.defines:
                bound_in.setdefault(name, []).append(part.cell.index)
        for part in self._parts:
            shared |= {name for node in ast.walk(part.tree) if isinstance(node, ast.Global) for name in node.names}
            shared |= _imported_here(part)
            for scope in kept_scopes(part.tree):
                for name in free_names(scope)[1]:
                    places = [*bound_in.get(name, ()), *([-1] if name in self._parameter_names else [])]
                    if len(set(places)) > 1 or any(place > part.cell.index for place in places):
                        shared.add(name)
        return shared & self._flow_names

    def _deleted_names(self) -> set[str]:
        return self._flow_names & set().union(*(names.deletes for names in self._bound.values()))

    def _is_given(self, name: str) -> bool:
        """Whether a name means something, too, that the notebook did not bind itself."""
        return self._has_star or hasattr(builtins, name)

    # Steps

    def _group(self) -> list[Step]:
        """Put cells together that belong together: below one heading, and each needing the one before."""
        steps: list[Step] = []
        for part in self._parts:
            names = self._bound[part]
            step = Step(parts=[part], names=names, task=part.cell.translation.task, why_inline=self._why_inline(part))
            last = steps[-1] if steps else None
            if last is not None and self._belongs_to(step, last):
                last.parts.append(part)
                last.names = analyse_cell(last.source)
            else:
                if not step.why_inline and step.task is None and is_trivial(part.tree):
                    step.why_inline = "it is too short to be a task"
                steps.append(step)
        return steps

    def _belongs_to(self, step: Step, last: Step) -> bool:
        if step.why_inline or last.why_inline or step.task or last.task or len(last.parts) >= _LONGEST_GROUP:
            return False
        part, before = step.parts[0], last.parts[-1]
        is_short = is_trivial(part.tree)
        if part.cell.section != before.cell.section or (not self._code.has_headings and not is_short):
            return False
        made = last.names.defines | last.names.mutates
        return bool(step.names.reads & made)

    def _why_inline(self, part: Part) -> str:
        names = self._bound[part]
        if self._is_one_body:
            return "code of this notebook reaches names by their text"
        if part.cell.translation.notes:
            return part.cell.translation.notes[0]
        if part.cell.may_fail:
            return "the notebook goes on when it fails"
        if any(is_star(chunk) for chunk in part.chunks):
            return "it imports whatever a module has"
        if names.opaque:
            return names.opaque
        if names.deletes & self._flow_names:
            return f"it deletes {', '.join(sorted(names.deletes & self._flow_names))}"
        if any(isinstance(node, ast.Global) for node in part.tree.body):
            return "it declares global names"
        generator = next((name for name in self._generators_of(part)), "")
        if generator:
            return f"{generator} is a generator, which a task would read to its end"
        return ""

    def _generators_of(self, part: Part) -> Iterator[str]:
        """Yield the names that a cell binds to generators: a task that returns one hands over what is in it."""
        for node in ast.walk(part.tree):
            if isinstance(node, ast.Assign) and self._gives_generator(node.value):
                yield from (target.id for target in ast.walk(node) if isinstance(target, ast.Name))
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value and self._gives_generator(node.value):
                yield ast.unparse(node.target)

    def _gives_generator(self, value: ast.expr) -> bool:
        if isinstance(value, ast.GeneratorExp):
            return True
        if isinstance(value, ast.Tuple | ast.List | ast.Dict | ast.IfExp):
            return any(
                self._gives_generator(item) for item in ast.iter_child_nodes(value) if isinstance(item, ast.expr)
            )
        if not isinstance(value, ast.Call):
            return False
        name = getattr(value.func, "attr", getattr(value.func, "id", ""))
        return name in self._generator_functions or name in _GENERATOR_METHODS

    def _decide(self, steps: list[Step]) -> None:
        """Put back into the flow's body what a task could not hand over."""
        surely = set(self._parameter_names)
        perhaps = set(surely)
        for step in steps:
            local = self._flow_names - self._shared
            unsure = (step.names.conditional & local) - surely & self._read_after(steps, step)
            missing = (step.names.reads & local & perhaps) - surely
            if unsure and not step.why_inline:
                step.why_inline = f"it may or may not bind {', '.join(sorted(unsure))}"
            if missing and not step.why_inline:
                step.why_inline = f"{', '.join(sorted(missing))} may not be bound here"
            step.bound_before = frozenset(perhaps)
            surely |= step.names.defines - step.names.conditional
            perhaps |= step.names.defines
            surely -= step.names.deletes

    @staticmethod
    def _read_after(steps: list[Step], step: Step) -> set[str]:
        position = steps.index(step)
        return set().union(*(later.names.reads for later in steps[position + 1 :]))

    def _wire(self, steps: list[Step]) -> set[str]:
        """Find what each task takes and gives, from the last one to the first; return what nobody binds first."""
        live: set[str] = set()
        for step in reversed(steps):
            names = step.names
            local = self._flow_names - self._shared
            scopes = {name for part in step.parts for scope in kept_scopes(part.tree) for name in free_names(scope)[1]}
            bound = {*names.defines}
            needed = ((names.reads | (scopes - bound)) & local) | (names.conditional & live)
            plainly = {name for part in step.parts for node in ast.walk(part.tree) for name in surely_changed(node)}
            changed = plainly & names.mutates & local
            given = ((bound | changed) & live & local) if step.task is None else self._given(step, bound, changed, live)
            if not step.why_inline:
                tree = ast.parse(step.source)
                is_there = {name for name in needed if name in step.bound_before or hasattr(builtins, name)}
                step.takes = tuple(names_in_order(tree, is_there))
                step.gives = tuple(names_in_order(tree, given))
                step.copies = tuple(name for name in step.takes if step.task is not None and name in changed)
            step.binds_global = tuple(sorted((names.defines | names.deletes) & self._shared))
            sure = (
                (bound - names.conditional) if step.why_inline or step.task is None else set(given) - names.conditional
            )
            live = (live - sure) | needed
        return live - self._parameter_names

    @staticmethod
    def _given(step: Step, bound: set[str], changed: set[str], live: set[str]) -> set[str]:
        """Return what a ``%%task`` cell gives: its ``--out`` decides, as it does in the notebook."""
        assert step.task is not None
        outputs = (bound | changed) if step.task.outputs is None else set(step.task.outputs)
        return outputs & live

    def _reads_hidden(self, name: str) -> bool:
        return name not in self._flow_names and any(name in names.reads for names in self._bound.values())

    def _note_hidden(self) -> None:
        for part in self._parts:
            hidden = (self._bound[part].reads & _HIDDEN_NAMES) - self._flow_names
            if hidden:
                self._notes.append(
                    f"cell {part.cell.index + 1}: it reads {', '.join(sorted(hidden))}, which only a notebook has"
                )


def _annotated_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def _imported_here(part: Part) -> set[str]:
    """Return the names of imports that could not move."""
    return {name for chunk in part.chunks for name in (import_names(chunk) or ()) if name != "*"}


def _uncommented(text: str) -> str:
    return "\n".join(re.sub(r"^\s*# ?", "", line) for line in text.split("\n"))
