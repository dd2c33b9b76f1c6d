"""A notebook's runner on a worker of a Dask cluster, as its driver sees it: like one beside it.

It has the methods of :class:`~orchestra_nb.engine.notebook_host.NotebookHost`; the other end is
:mod:`orchestra_nb.engine.hosted_notebook`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from orchestra_nb.engine.executors import AttemptEnded, AttemptLost, AttemptSent
from orchestra_nb.engine.hosting_words import (
    EXECUTED_NOTEBOOK,
    FileWhole,
    FileWritten,
    HostReady,
    ResultsPlace,
    RunnerGone,
    ToHost,
    decode_from_host,
    encode_word,
)
from orchestra_nb.engine.mirrored_files import FileCopy
from orchestra_nb.engine.notebook_host import RunnerEnded
from orchestra_nb.engine.results import default_results_url
from orchestra_nb.engine.shipped_results import ShippedResults
from orchestra_nb.engine.signing_key import load_signing_key
from orchestra_nb.errors import ClusterUnavailable
from orchestra_nb.model.events import LogsWritten
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import LogLine
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.runner_messages import Prepare, Reported, RunnerSpec, Stop, ToRunner

if TYPE_CHECKING:
    from orchestra_nb.engine.notebook_cluster import NotebookCluster

#: How long nothing may be heard of a run before it says what it waits for.
_SILENT_SECONDS = 5.0
#: How often a run whose worker died before it began is given to another one.
_MOST_STARTS = 3

_log = logging.getLogger(__name__)


class RemoteNotebookHost:
    """One runner on a cluster. All methods may be called from any thread.

    Parameters
    ----------
    key
        Of the run and its epoch: the cluster lets it begin once.
    name
        Of the notebook, for Dask's pages.
    is_folder_chosen
        As :class:`~orchestra_nb.engine.hosted_notebook.HostedNotebook` has it.

    Attributes
    ----------
    inbox
        What the runner says, then one :class:`RunnerEnded`; and whatever others put into it.
    """

    def __init__(self, cluster: NotebookCluster, key: str, name: str, *, is_folder_chosen: bool) -> None:
        self.inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.name = name
        self.is_folder_chosen = is_folder_chosen
        self._cluster = cluster
        self._base_key = self._key = key
        self._starts = 0
        self._news: queue.SimpleQueue[AttemptSent | AttemptEnded | AttemptLost] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="orchestra-remote-runner", daemon=True)
        self._lock = threading.RLock()
        #: what was said before the host could hear it
        self._early: list[bytes] = []
        self._is_heard = False
        self._is_let_go = False
        self._has_said_why_it_waits = False
        self._gone: RunnerEnded | None = None
        #: whether what the worker says cannot be taken any more
        self._is_broken = False
        self._files: dict[str, FileCopy] = {}
        self._run_id = ""

    def prepare(self, spec: RunnerSpec) -> None:
        """Have a worker start the runner and its kernel; the cells wait for ``Begin``."""
        self._run_id = spec.run_id
        self._files[EXECUTED_NOTEBOOK] = FileCopy(Path(spec.output_path))
        self._say(_place_of_results())
        self._say(Prepare(spec, "{}"))
        self._start()
        self._reader.start()  # what the cluster tells before that waits for it

    def send(self, message: ToRunner) -> None:
        """Send a message; when the runner is gone, its :class:`RunnerEnded` is in the inbox or about to be."""
        if isinstance(message, Stop) and not self._is_heard:
            self.let_go()  # it may wait for a worker for long
        self._say(message)

    def let_go(self) -> None:
        """Have the worker end runner, kernel and all that they started; return at once."""
        with self._lock:
            self._is_let_go = True
            if self._starts:
                self._cluster.stop(self._key)

    def close(self) -> None:
        """End all of it and wait until it is gone. May be called twice."""
        self.let_go()
        if self._reader.ident is not None:
            self._reader.join()

    def leave(self) -> None:
        """Leave the runner, which has done its work and whose kernel is gone, to end by itself."""

    def take(self, event: AttemptSent | AttemptEnded | AttemptLost) -> None:
        """Take what the cluster tells of it."""
        self._news.put(event)

    def _start(self) -> None:
        with self._lock:
            self._starts += 1
            self._key = self._base_key if self._starts == 1 else f"{self._base_key}.{self._starts}"
            self._cluster.start(self._key, self)

    def _say(self, word: ToHost) -> None:
        data = encode_word(word)
        with self._lock:
            if self._is_heard:
                self._cluster.say(self._key, data)
            else:
                self._early.append(data)

    def _read(self) -> None:
        while True:
            match self._next_news():
                case AttemptSent(words=words):
                    try:
                        for word in words if not self._is_broken else ():
                            self._take(word)
                    except (OSError, ValueError) as error:  # as where a disk is full
                        self._is_broken = True
                        self._gone = RunnerEnded(f"what came from its worker could not be kept here: {error}")
                        self.let_go()
                case AttemptLost(reason=reason) as lost:
                    if self._starts_again(lost):
                        continue
                    self._end(self._gone or RunnerEnded(reason))
                    return
                case AttemptEnded(outcome=outcome):
                    self._end(self._gone or RunnerEnded(_why(outcome)))
                    return

    def _next_news(self) -> AttemptSent | AttemptEnded | AttemptLost:
        if not self._has_said_why_it_waits:
            with contextlib.suppress(queue.Empty):
                return self._news.get(timeout=_SILENT_SECONDS)
            self._has_said_why_it_waits = True
            self._say_why_it_waits()
        return self._news.get()

    def _say_why_it_waits(self) -> None:
        """Tell what it waits for: it may be for long, and nothing else would be heard meanwhile."""
        try:
            text = f"The notebook waits for {self._cluster.what_is_missing()}"
        except ClusterUnavailable:  # which ends it
            return
        with self._lock:
            if self._is_heard or self._is_let_go:
                return
        line = LogLine(
            run_id=self._run_id, at=datetime.now(UTC), message=text, level=logging.WARNING, logger="orchestra"
        )
        self.inbox.put(Reported(LogsWritten(lines=(line,))))

    def _starts_again(self, lost: AttemptLost) -> bool:
        """Give a run that did not begin, because its worker died, to another one; False where that is over."""
        with self._lock:
            is_over = self._is_let_go or lost.begun or lost.state != State.CRASHED or lost.has_lost_cluster
            if is_over or self._starts == _MOST_STARTS or not self._cluster.is_connected:
                return False
            try:
                self._start()
            except ClusterUnavailable:  # it is being closed
                return False
            return True

    def _take(self, word: bytes) -> None:
        match decode_from_host(word):
            case HostReady():
                with self._lock:
                    self._is_heard = True
                    for data in self._early:
                        self._cluster.say(self._key, data)
                    self._early.clear()
            case FileWritten() as change:
                self._file(change.file).write(change)
            case FileWhole(file=file, size_bytes=size_bytes):
                self._file(file).complete(size_bytes)
            case RunnerGone(reason=reason, tail=tail):
                self._gone = RunnerEnded(reason, tail)
            case message:
                self.inbox.put(message)

    def _file(self, name: str) -> FileCopy:
        """Return the copy of a file; results go into our folder for them and nowhere else."""
        if name not in self._files:
            self._files[name] = FileCopy(_path_of_result(name), is_private=True)
        return self._files[name]

    def _end(self, end: RunnerEnded) -> None:
        for file in self._files.values():
            file.discard()
        self.inbox.put(end)


def _place_of_results() -> ResultsPlace:
    """Return where large values shall stand: here, or where this process's own are shipped to, which is far, too."""
    shipped = ShippedResults.of_process()
    if shipped is not None:
        return ResultsPlace(shipped.url, shipped.signing_key)
    return ResultsPlace(default_results_url(), load_signing_key())


def _path_of_result(url: str) -> Path:
    """Return the file that a result gets here, in the folder of results and nowhere else."""
    shipped = ShippedResults.of_process()
    if shipped is None:
        path = Path(url)
        is_ours = path.is_relative_to(default_results_url()) and ".." not in path.parts
        return path if is_ours else _refuse(url)
    return shipped.path_of(url) or _refuse(url)


def _refuse(url: str) -> NoReturn:
    raise ValueError(f"{url} is no file of results")


def _why(outcome: Outcome) -> str:
    """Say why a host ended that did not tell of its runner's end."""
    if outcome.error is not None:
        return f"{outcome.error.type}: {outcome.error.message}"
    # Dask gives a second start of the same key what the first one gave
    return "it ran before, for another driver" if outcome.state is State.COMPLETED else "its host was stopped"
