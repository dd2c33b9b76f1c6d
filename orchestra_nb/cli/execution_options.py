"""Those flags of ``orchestra run`` that papermill has too and that are about how a notebook runs and what is shown."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from orchestra_nb.errors import InvalidInput, NotFound
from orchestra_nb.notebooks.runner_messages import Shown
from orchestra_nb.operations.notebook_request import NotebookRequest, attempts_folder, prepare_only
from orchestra_nb.settings import load_settings


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """What the flags say."""

    execution_timeout: float | None
    start_timeout: float
    is_report: bool
    is_prepare_only: bool
    is_logging: bool
    stdout_file: IO[str] | None
    stderr_file: IO[str] | None
    has_progress: bool | None
    base64_texts: tuple[str, ...]
    injects_input_path: bool
    injects_output_path: bool

    @property
    def is_shown(self) -> bool:
        """Whether what the cells show is to be told as it comes."""
        return self.is_logging or self.stdout_file is not None or self.stderr_file is not None

    @property
    def shows_progress(self) -> bool:
        """Whether cells and tasks are shown as they go."""
        return not self.is_logging if self.has_progress is None else self.has_progress

    def yaml_texts(self) -> tuple[str, ...]:
        """Return the parameters that were given as base64, as YAML."""
        try:
            return tuple(base64.b64decode(text, validate=True).decode() for text in self.base64_texts)
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidInput("--parameters_base64 is no base64 of a YAML text: see `base64 -w0 FILE`.") from None

    def paths(self, notebook: str, output: str | None) -> dict[str, object]:
        """Return the parameters that tell a notebook where it is."""
        found: dict[str, object] = {}
        if self.injects_input_path:
            found["PAPERMILL_INPUT_PATH"] = notebook
        if self.injects_output_path:
            found["PAPERMILL_OUTPUT_PATH"] = output
        return found

    def apply_to(self, request: NotebookRequest) -> NotebookRequest:
        """Return the request with what the flags say of it."""
        import msgspec

        return msgspec.structs.replace(
            request,
            report_mode=self.is_report,
            cell_timeout_seconds=self.execution_timeout,
            start_timeout_seconds=self.start_timeout,
            is_shown=self.is_shown,
        )

    def check_sweep(self) -> None:
        """Refuse what a sweep, which runs several notebooks at once, cannot do.

        Raises
        ------
        InvalidInput
            The message names the flag.
        """
        flags = {
            "--prepare-only": self.is_prepare_only,
            "--log-output": self.is_logging,
            "--stdout-file": self.stdout_file is not None,
            "--stderr-file": self.stderr_file is not None,
            "--inject-output-path": self.injects_output_path,
        }
        given = [flag for flag, is_given in flags.items() if is_given]
        if given:
            raise InvalidInput(f"{given[0]} is for one run, and a sweep is many. Leave it out, or leave out --sweep.")

    def show(self, shown: Shown) -> None:
        """Tell what a cell has shown."""
        if self.is_logging:
            click.echo(shown.text, nl=shown.stream == "data", err=True)
        file = {"stdout": self.stdout_file, "stderr": self.stderr_file}.get(shown.stream)
        if file is not None:
            file.write(shown.text)
            file.flush()


def execution_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command, which gets them as one argument, ``execution``."""

    @click.option(
        "--execution-timeout",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="How long each cell may take: it is interrupted then, and has failed. Default: for ever.",
    )
    @click.option(
        "--start-timeout",
        type=click.FloatRange(0, min_open=True),
        default=60.0,
        metavar="SECONDS",
        help="How long the kernel may take to start.",
    )
    @click.option("--report-mode", "is_report", is_flag=True, help="Hide the code in the executed notebook.")
    @click.option(
        "--prepare-only",
        "is_prepare_only",
        is_flag=True,
        help="Write the notebook with its parameters; run nothing.",
    )
    @click.option(
        "--log-output",
        "is_logging",
        is_flag=True,
        help="Print what the cells show on stderr, not the progress.",
    )
    @click.option("--stdout-file", type=click.File("w", encoding="utf-8"), help="Write what cells print to this file.")
    @click.option(
        "--stderr-file", type=click.File("w", encoding="utf-8"), help="Write what cells print on stderr to this file."
    )
    @click.option("--progress-bar/--no-progress-bar", "has_progress", default=None, help="Show how the run goes.")
    @click.option(
        "-b", "--parameters_base64", "base64_texts", multiple=True, metavar="TEXT", help="Parameters as YAML in base64."
    )
    @click.option("--inject-input-path", is_flag=True, help="Give NOTEBOOK as the parameter PAPERMILL_INPUT_PATH.")
    @click.option("--inject-output-path", is_flag=True, help="Give OUTPUT as the parameter PAPERMILL_OUTPUT_PATH.")
    @click.option("--inject-paths", is_flag=True, help="Both.")
    @functools.wraps(command)
    def with_options(
        *args: Any,
        inject_input_path: bool,
        inject_output_path: bool,
        inject_paths: bool,
        execution_timeout: float | None,
        start_timeout: float,
        is_report: bool,
        is_prepare_only: bool,
        is_logging: bool,
        stdout_file: IO[str] | None,
        stderr_file: IO[str] | None,
        has_progress: bool | None,
        base64_texts: tuple[str, ...],
        **others: Any,
    ) -> Any:
        execution = ExecutionOptions(
            execution_timeout=execution_timeout,
            start_timeout=start_timeout,
            is_report=is_report,
            is_prepare_only=is_prepare_only,
            is_logging=is_logging,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            has_progress=has_progress,
            base64_texts=base64_texts,
            injects_input_path=inject_input_path or inject_paths,
            injects_output_path=inject_output_path or inject_paths,
        )
        return command(*args, execution=execution, **others)

    return with_options


@contextlib.contextmanager
def notebook_path(notebook: str, run_id: str, *, is_run: bool) -> Iterator[str]:
    """Give the path of a notebook that may come from stdin.

    It is kept then, as its run may be looked into; where it is not to be run, or is refused, it is deleted afterwards.
    """
    if notebook != "-":
        yield notebook
        return
    path = (attempts_folder() / run_id / "stdin.ipynb").absolute()
    path.parent.mkdir(mode=0o700)
    is_kept = False
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        is_kept = is_run
        yield str(path)
    except (InvalidInput, NotFound) as error:  # nothing ran
        is_kept = False
        error.args = (str(error).replace(str(path), "stdin"),)  # nobody who reads the message knows the file
        raise
    finally:
        if not is_kept:
            shutil.rmtree(path.parent)


def write_prepared(request: NotebookRequest) -> None:
    """Write the notebook with its parameters where the run's output would go, and say where."""
    path = prepare_only(request, load_settings())
    if request.output_path == "-":
        try:
            print_notebook(str(path))
        finally:
            path.unlink()
    else:
        click.echo(f"Not run. With its parameters it is {path}", err=True)


def print_notebook(path: str) -> None:
    """Print an executed notebook on stdout."""
    with Path(path).open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
