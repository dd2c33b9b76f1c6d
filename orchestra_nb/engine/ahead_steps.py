"""What the runner of a notebook calls in its kernel to have cells run ahead: see ``notebooks/ahead_cells``."""

from __future__ import annotations

import atexit
import sys
from typing import Any

import msgspec

from orchestra_nb.engine.cells_ahead import CellsAhead, NoListener, NoSink
from orchestra_nb.engine.dask_executor import DaskExecutor
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.model.ahead_plans import AheadPlan
from orchestra_nb.notebooks.kernel_questions import Answer
from orchestra_nb.notebooks.worker_shell import RESULT_MARK
from orchestra_nb.settings import load_settings

#: The code that stands for a cell that was run ahead.
_TAKE = "__import__('orchestra_nb.engine.ahead_steps', fromlist=['_']).take_effect()\n"

_kernel: _KernelAhead | None = None


class _KernelAhead:
    """Puts :class:`CellsAhead` and the kernel's shell together."""

    def __init__(self, shell: Any, plan: AheadPlan) -> None:
        self._shell = shell
        runner = FlowRunner(lambda: DaskExecutor(load_settings().cluster), NoSink(), NoListener())
        self.cells = CellsAhead(shell.user_ns, plan, runner)
        shell.input_transformers_cleanup.insert(0, self._exchange)

    def close(self) -> None:
        self.cells.close()
        if self._exchange in self._shell.input_transformers_cleanup:
            self._shell.input_transformers_cleanup.remove(self._exchange)

    def _exchange(self, lines: list[str]) -> list[str]:
        """Have a cell's result take effect in place of its code; history and numbers go on as if that had run."""
        accepted = self.cells.accepted
        return lines if accepted is None or "".join(lines).strip() != accepted.source.strip() else [_TAKE]

    def take_effect(self) -> None:
        """Bind what the cell gave and show what it showed."""
        report = self.cells.bind()
        shell = self._shell
        for message in report.messages:
            kind = message["output_type"]
            if kind == "stream":
                stream = getattr(sys, message["name"])
                stream.write(message["text"])
            elif kind == "clear_output":
                shell.display_pub.clear_output(wait=message["wait"])
            elif message.get("metadata", {}).get(RESULT_MARK):
                metadata = {key: value for key, value in message["metadata"].items() if key != RESULT_MARK}
                hook = shell.displayhook
                hook.start_displayhook()
                hook.write_output_prompt()
                hook.write_format_data(message["data"], metadata)
                hook.finish_displayhook()
            else:
                shell.display_pub.publish(
                    message["data"],
                    message["metadata"],
                    transient=message.get("transient", {}),
                    update=kind == "update_display_data",
                )


def begin(plan: str) -> Answer:
    """Take over the cells of a notebook; ``plan`` is an :class:`AheadPlan` as JSON."""
    global _kernel
    from IPython.core.getipython import get_ipython

    atexit.register(finish)
    _kernel = _KernelAhead(get_ipython(), msgspec.json.decode(plan, type=AheadPlan))
    return Answer({})


def step(index: int) -> Answer:
    """Send what can go ahead beside a cell, and wait for its own result if it was sent."""
    assert _kernel is not None
    return Answer(msgspec.to_builtins(_kernel.cells.step(index)))


def take_effect() -> None:
    """Have the accepted result take effect in the code that calls this."""
    assert _kernel is not None
    _kernel.take_effect()


def finish() -> Answer:
    """Stop what runs on workers."""
    global _kernel
    if _kernel is not None:
        atexit.unregister(finish)
        kernel, _kernel = _kernel, None
        kernel.close()
    return Answer({})
