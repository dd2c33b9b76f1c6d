"""Flow runs: Prefect's module name. Importing it says who answers outside of runs, and what shows questions."""

from orchestra_nb.engine.flow_pauses import (
    FlowPauseTimedOut,
    apause_flow_run,
    aresume_flow_run,
    pause_flow_run,
    resume_flow_run,
)
from orchestra_nb.engine.flow_suspension import PausedRun, asuspend_flow_run, suspend_flow_run
from orchestra_nb.engine.question_forms import OpenQuestion as _OpenQuestion
from orchestra_nb.engine.question_forms import QuestionForm as _QuestionForm
from orchestra_nb.engine.question_forms import set_form_display as _set_form_display
from orchestra_nb.operations.run_services import answer_from_configured_store as _answer_from_configured_store
from orchestra_nb.operations.run_waiting import FlowRunWaitTimeout, wait_for_flow_run


def _show_form(question: _OpenQuestion) -> _QuestionForm | None:
    from orchestra_nb.input_widget import show_form

    return show_form(question)


_answer_from_configured_store()
_set_form_display(_show_form)

__all__ = [
    "FlowPauseTimedOut",
    "FlowRunWaitTimeout",
    "PausedRun",
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "pause_flow_run",
    "resume_flow_run",
    "suspend_flow_run",
    "wait_for_flow_run",
]
