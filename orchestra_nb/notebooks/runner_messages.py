"""What a notebook's runner and whoever started it say to each other: records, one line of JSON each.

To the runner: one :class:`Prepare`, then :class:`Begin` once the run is committed to the store, at any time
:class:`Stop`, and :class:`Flushed` and :class:`Answered` as answers. From the runner: :class:`Began`, any number of
:class:`Reported`, :class:`Shown`, :class:`FlushWanted` and :class:`QuestionAsked`, then :class:`Finished`, and
:class:`KernelGone` where the kernel was forked.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from orchestra_nb.model.ahead_plans import AheadPlan
from orchestra_nb.model.events import Event
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State
from orchestra_nb.runtime_folder import runtime_folder


class RunnerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a notebook run.

    Parameters
    ----------
    notebook_json
        The notebook as :mod:`orchestra_nb.notebooks.document` reads it, with its parameters injected: text of the
        standard library's encoder, which keeps lone surrogates and whole numbers of any size.
    parameters_json
        What was injected, in the same way, non-finite floats tagged (:mod:`orchestra_nb.model.jsonable`).
    hidden_source
        Code that sets parameters that hold secrets, for the kernel and nothing else, after the cell of the parameters.
    secrets
        Texts that are hidden in whatever the run shows and tells.
    cwd
        The kernel's working folder.
    environ
        What the kernel's environment has beside the one of :class:`Prepare`.
    input_path, output_path
        The source, for the record, and the file that this attempt writes.
    copy_path
        Where the user sees that file, through a link while the run goes on; empty where that is nobody's to care for.
    recorded_output_path
        Where the executed notebook says that it is; empty where that is ``output_path``.
    socket_path
        Where the runner listens for the events of task cells.
    epoch
        The epoch of the run that this attempt is in.
    is_cached, is_refreshed
        Whether cells are replayed from what was kept, and what they give is kept; whether all run nevertheless.
    fresh_from_index
        Which of the code cells runs, and all below it, whatever was kept of them; None for none.
    cache_bytes
        How much may be kept in all.
    cell_timeout_seconds
        How long each cell may take; None for ever.
    may_cells_fail
        Whether the run goes on after a cell that failed.
    is_shown
        Whether what cells show is told as it comes, by :class:`Shown`.
    is_saved_within_cells
        Whether the output notebook is written also while a cell runs.
    papermill_json
        What papermill, whose run this is, has said in ``metadata.papermill``; empty for a run of our own.
    """

    run_id: str
    run_name: str
    flow_name: str
    kernel_name: str
    cwd: str
    environ: dict[str, str]
    notebook_json: str
    parameters_json: str
    input_path: str
    output_path: str
    socket_path: str
    recorded_output_path: str = ""
    start_timeout_seconds: float = 60.0
    epoch: int = 1
    is_cached: bool = False
    is_refreshed: bool = False
    fresh_from_index: int | None = None
    cache_bytes: int = 0
    cell_timeout_seconds: float | None = None
    may_cells_fail: bool = False
    is_shown: bool = False
    is_saved_within_cells: bool = True
    papermill_json: str = ""
    hidden_source: str = ""
    secrets: tuple[str, ...] = ()
    copy_path: str = ""


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Start the kernel and get ready, but run nothing of the user's.

    Parameters
    ----------
    environ_json
        The kernel's environment, but for what the spec adds: text of the standard library's encoder, which keeps values
        that are no UTF-8.
    connection_file
        The file for the connection of the kernel that has been asked for on the channel which the runner was started
        with; empty where the runner starts the kernel itself.
    """

    spec: RunnerSpec
    environ_json: str
    connection_file: str = ""


class Begin(msgspec.Struct, frozen=True, tag=True):
    """The run is in the store: run the cells.

    Parameters
    ----------
    ahead
        Which of them may run ahead of their turn; None where that was not asked for.
    """

    ahead: AheadPlan | None = None


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Interrupt the kernel, kill it after the grace, and end in this state with this message."""

    message: str
    grace_seconds: float
    state: State = State.CANCELLED


class CancelTask(msgspec.Struct, frozen=True, tag=True):
    """Somebody asked for the end of one task; its kernel decides what that means."""

    task_run_id: str
    actor: str


class Flushed(msgspec.Struct, frozen=True, tag=True):
    """All events up to the :class:`FlushWanted` with this number are durable, or the time was not enough."""

    token: int
    done: bool


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The answer to the :class:`QuestionAsked` with this number."""

    token: int
    answer: bytes


class Began(msgspec.Struct, frozen=True, tag=True):
    """The first cell is about to run."""

    at: datetime


class Reported(msgspec.Struct, frozen=True, tag=True):
    """Something happened in the run."""

    event: Event


class Shown(msgspec.Struct, frozen=True, tag=True):
    """A cell has shown something.

    Parameters
    ----------
    index
        Which of the code cells.
    stream
        ``"stdout"``, ``"stderr"``, or ``"data"`` for the plain text of a rich output.
    """

    index: int
    stream: str
    text: str


class FlushWanted(msgspec.Struct, frozen=True, tag=True):
    """Somebody waits until all events before this are durable."""

    token: int
    timeout_seconds: float


class QuestionAsked(msgspec.Struct, frozen=True, tag=True):
    """Code of the run asks its driver something (:mod:`orchestra_nb.model.questions`)."""

    token: int
    question: bytes
    run_id: str
    task_run_id: str | None


class AttemptEnded(msgspec.Struct, frozen=True, tag=True):
    """An attempt of a task has ended: what it still holds is free."""

    task_run_id: str


class Finished(msgspec.Struct, frozen=True, tag=True):
    """How the attempt ended; its output notebook is complete.

    Parameters
    ----------
    error
        The error that ended it, where user code raised one.
    """

    state: State
    message: str
    at: datetime
    error: ErrorInfo | None = None


class KernelGone(msgspec.Struct, frozen=True, tag=True):
    """The kernel has ended after :class:`Finished`, and nothing that it started is left. Only of forked ones."""


ToRunner = Prepare | Begin | Stop | CancelTask | Flushed | Answered
FromRunner = Began | Reported | Shown | FlushWanted | QuestionAsked | AttemptEnded | Finished | KernelGone

_ENCODER = msgspec.json.Encoder()
_TO_RUNNER: msgspec.json.Decoder[ToRunner] = msgspec.json.Decoder(ToRunner)
_FROM_RUNNER: msgspec.json.Decoder[FromRunner] = msgspec.json.Decoder(FromRunner)


def encode_message(message: ToRunner | FromRunner) -> bytes:
    """Return the message as one line, with its newline."""
    return _ENCODER.encode(message) + b"\n"


def decode_to_runner(line: bytes) -> ToRunner:
    """Return the message that a runner received."""
    return _TO_RUNNER.decode(line)


def decode_from_runner(line: bytes) -> FromRunner:
    """Return the message that a runner sent."""
    return _FROM_RUNNER.decode(line)


def runner_socket(run_id: str) -> Path:
    """Return where the runner of a run listens as long as it lives."""
    return runtime_folder() / f"{run_id[-16:]}.sock"
