"""How a kernel is started that runs a notebook and has no user before it."""

from __future__ import annotations

import os
import re
import site
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from orchestra_nb.notebooks.kernelspecs import PYTHONS

#: The user's own history is not for headless runs.
_NO_HISTORY: Final = ("--HistoryManager.hist_file=:memory:",)
#: ipykernel sleeps after each cell, so that what its streams flush has time to arrive; ours is known to have.
_PROMPT: Final = (
    "--IPKernelApp.outstream_class=orchestra_nb.notebooks.prompt_stream.PromptStream",
    "--IPythonKernel._execute_sleep=0",
)
#: Options with which Python does not look where it would look otherwise.
_ISOLATING: Final = re.compile(r"-[A-VYZa-z]*[EIsS]")
_ROOT: Final = str(Path(__file__).resolve().parents[2])


def headless_args(command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return what is added to the command of an ipykernel.

    Parameters
    ----------
    command
        Of its kernelspec.
    environ
        The kernel's environment.
    """
    return [*_NO_HISTORY, *(_PROMPT if _can_import_this(command, environ) else ())]


def _can_import_this(command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether a kernel is certain to find this package: it would not start otherwise."""
    if command[0] not in PYTHONS and os.path.abspath(command[0]) != os.path.abspath(sys.executable):
        return False  # a kernel of another environment: links to one Python can be two
    options = command[1 : command.index("-m")] if "-m" in command else command
    if any(_ISOLATING.match(option) for option in options):
        return False
    return _ROOT in site.getsitepackages() or _ROOT in environ.get("PYTHONPATH", "").split(os.pathsep)
