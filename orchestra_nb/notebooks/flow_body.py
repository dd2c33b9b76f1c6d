"""The body of a script's flow: calls of its tasks and statements between them, in the order of the notebook."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from orchestra_nb.notebooks.script_statements import StatementWriter, markdown_comment
from orchestra_nb.notebooks.script_steps import ScriptPlan, Step

_LINE: Final = 100


class FlowBody:
    """Writes the steps of a flow.

    Parameters
    ----------
    submitted
        Steps that are sent off in place of being called.
    free_name
        Makes a name that the script does not use out of the one that is wanted.
    """

    def __init__(
        self,
        plan: ScriptPlan,
        writer: StatementWriter,
        submitted: Collection[Step],
        free_name: Callable[[str], str],
    ) -> None:
        self._plan = plan
        self._writer = writer
        self._submitted = submitted
        self._free_name = free_name
        #: import lines that it needs
        self.imports: set[str] = set()

    def lines(self) -> list[str]:
        """Return the steps of the flow, one text for each."""
        lines = [f"{name} = builtins.{name}  # bound anew below" for name in self._plan.builtins_first]
        if lines:
            self.imports.add("import builtins")
        pending: dict[str, tuple[str, tuple[str, ...]]] = {}
        was_inline = False
        for step in self._plan.steps:
            if step.why_inline:
                text = self.parts_text(step, with_first_text=True)
                lines += self._fetched(step, pending)
                is_set_apart = bool(lines) and ("\n" in text or not was_inline or text.startswith("#"))
                lines.append(("\n" if is_set_apart else "") + text if text else "")
            elif step in self._submitted:
                lines += self._submission(step, pending)
            else:
                lines += self._fetched(step, pending)
                lines.append(self._call(step))
            was_inline = bool(step.why_inline)
        for name, (future, names) in list(pending.items()):
            if name in pending and (not names or future != name):
                pending.pop(name, None)
        return [line for line in lines if line]

    def _call(self, step: Step) -> str:
        if step.copies:
            self.imports.add("import copy")
        words = [f"copy.deepcopy({name})" if name in step.copies else name for name in step.takes]
        call = f"{'await ' if step.is_async else ''}{step.name}({', '.join(words)})"
        bound = f"{', '.join(step.gives)} = " if step.gives else ""
        if len(bound + call) + 4 <= _LINE:
            return bound + call
        if len(bound) + len(step.name) > _LINE - 12:
            bound = "(\n    " + ",\n    ".join(step.gives) + ",\n) = "
        return f"{bound}{'await ' if step.is_async else ''}{step.name}({wrapped_arguments(words)})"

    def _fetched(self, step: Step, pending: dict[str, tuple[str, tuple[str, ...]]]) -> list[str]:
        """Return lines that wait for the values that a step needs."""
        lines: list[str] = []
        needed = [*step.takes, *sorted(step.names.reads | step.names.deletes | step.names.defines)]
        for name in dict.fromkeys(needed):
            if name in pending:
                future, names = pending[name]
                lines.append(f"{', '.join(names)} = {future}.result()")
                for other in names:
                    pending.pop(other, None)
        return lines

    def _submission(self, step: Step, pending: dict[str, tuple[str, tuple[str, ...]]]) -> list[str]:
        lines: list[str] = []
        for name in step.takes:
            if name in pending and len(pending[name][1]) > 1:
                future, names = pending[name]
                lines.append(f"{', '.join(names)} = {future}.result()")
                for other in names:
                    pending.pop(other, None)
        for name in step.gives:
            pending.pop(name, None)
        call = f"{step.name}.submit({', '.join(step.takes)})"
        if len(step.gives) == 1:
            pending[step.gives[0]] = (step.gives[0], step.gives)
            return [*lines, f"{step.gives[0]} = {call}"]
        if not step.gives:
            return [*lines, call]
        future = self._free_name(f"{step.name}_future")
        for name in step.gives:
            pending[name] = (future, step.gives)
        return [*lines, f"{future} = {call}"]

    def parts_text(self, step: Step, *, with_first_text: bool) -> str:
        """Return the code of a step's cells, with the texts above them as comments."""
        texts: list[str] = []
        for number, part in enumerate(step.parts):
            heading = part.cell.heading if number or with_first_text else ""
            above = "\n\n".join(filter(None, [heading, part.text])) if number or with_first_text else ""
            code = self._writer.part(part)
            texts.append("\n".join(filter(None, [markdown_comment(above), code])))
        return "\n\n".join(filter(None, texts))


def wrapped_arguments(words: Sequence[str]) -> str:
    """Return what stands in the parentheses of a call that does not fit in one line."""
    line = ", ".join(words)
    return f"\n    {line}\n" if len(line) + 8 <= _LINE else "\n    " + ",\n    ".join(words) + ",\n"
