"""Where a flow that waits for people shows them what it waits for: a form under the cell of a notebook.

The engine knows no widgets: what shows forms is set from above (:func:`set_form_display`), as for graphs. The question
itself stands in the store, so a form is only one of the ways to answer it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestra_nb.engine.input_forms import AnswerProblem
from orchestra_nb.engine.input_types import InputType
from orchestra_nb.engine.run_context import FlowRunContext
from orchestra_nb.engine.services import ask_for
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.machine_messages import cancelled_by
from orchestra_nb.model.questions import DoneAnswer, ResumeRun
from orchestra_nb.model.typed_runs import typed_run

_log = logging.getLogger(__name__)

#: Who answered, in the history of a run that was answered in a form.
FORM_ACTOR = "the form in the notebook"


class QuestionForm(Protocol):
    """A form that people see. What they do with it may come in any thread."""

    def attend(self, seconds: float) -> bool:
        """Wait so long, letting people use the form meanwhile; True at once when they have used it.

        Called in the thread that waits for the answer. With 0 seconds it only looks.
        """

    def close(self, answer: object, words: str) -> None:
        """Put what became of the question in the form's place.

        Parameters
        ----------
        answer
            As JSON has it; None where there is none.
        words
            What became of it: ``"Resumed"``.
        """


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that waits, with what people can do about it.

    Parameters
    ----------
    command
        How to answer it in a shell.
    cancel
        Cancels the run; None where there is nothing to cancel.
    is_suspended
        Whether the run has left its process: who answers starts it again.
    """

    run_id: str
    run_name: str
    flow_name: str
    key: str
    asked: InputType
    command: str
    cancel: Callable[[], None] | None
    is_suspended: bool = False

    def answer(self, value: object) -> Sequence[AnswerProblem]:
        """Answer it; where the value does not fit, return what is wrong with it instead.

        Raises
        ------
        OrchestraError
            It can be answered no more, or not now.
        """
        if self.asked.form is not None and (problems := self.asked.form.problems(value)):
            return problems
        text = None if value is None else to_json_text(value, f"The input {self.key!r}")
        question = ResumeRun(run=self.run_id, value_json=text, key=self.key, actor=FORM_ACTOR)
        try:
            ask_for(DoneAnswer, question)
        except InvalidInput as error:
            return [AnswerProblem((), str(error))]
        return []


_show: Callable[[OpenQuestion], QuestionForm | None] | None = None


def set_form_display(show: Callable[[OpenQuestion], QuestionForm | None]) -> None:
    """Say what shows questions to whoever sits at this process; called by the floors above.

    Parameters
    ----------
    show
        Called in the thread of the flow; returns None where nobody could see a form.
    """
    global _show
    _show = show


def show_question(
    context: FlowRunContext, key: str, asked: InputType, *, is_suspended: bool = False
) -> QuestionForm | None:
    """Show a question of a flow run, and return its form; None where there is nobody to see one."""
    if _show is None:
        return None
    question = OpenQuestion(
        run_id=context.run.run_id,
        run_name=context.run.name,
        flow_name=context.run.flow_name,
        key=key,
        asked=asked,
        command=answer_command(context, asked),
        cancel=None if is_suspended or context.cancel is None else lambda: _cancel(context),
        is_suspended=is_suspended,
    )
    try:
        return _show(question)
    except Exception:  # a form is one way of several to answer: the flow waits all the same
        _log.warning("No form can be shown for %r. Answer with: %s", key, question.command, exc_info=True)
        return None


def answer_command(context: FlowRunContext, asked: InputType) -> str:
    """Return the command that answers a question in a shell."""
    return f"orchestra runs resume {typed_run(context.run)}" + ("" if asked.form is None else " --input JSON")


def _cancel(context: FlowRunContext) -> None:
    assert context.cancel is not None
    context.cancel(cancelled_by(FORM_ACTOR))
