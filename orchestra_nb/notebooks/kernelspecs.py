"""Which kernels are installed: found by reading Jupyter's folders, without importing jupyter_client.

The rules are those of :class:`jupyter_client.kernelspec.KernelSpecManager`, which is asked only where this light
reading finds nothing (it also knows the native kernel of an environment that was never installed).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from orchestra_nb.errors import InvalidNotebook
from orchestra_nb.notebooks import document

#: The name that stands for "the Python kernel of this environment" everywhere in Jupyter.
NATIVE_KERNEL = "python3"
#: Commands that jupyter_client takes for this interpreter.
PYTHONS = ("python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info[:2]))
#: Languages of which no kernel runs another's code.
_LANGUAGES = frozenset(
    {"python", "r", "julia", "bash", "scala", "matlab", "octave", "ruby", "javascript", "rust", "go"}
)
#: The name of :class:`~orchestra_nb.notebooks.kernel_provisioner.ForkProvisioner`.
FORKING_PROVISIONER = "orchestra-fork"


def kernel_language(name: str) -> str:
    """Return the language of an installed kernel, in lower case.

    Raises
    ------
    InvalidNotebook
        No kernel has this name; the message lists those that are installed.
    """
    spec = _read_spec(name)
    if spec is not None:
        return str(spec.get("language", "")).lower()
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    specs = KernelSpecManager()
    try:
        return str(specs.get_kernel_spec(name).language).lower()
    except NoSuchKernel:
        known = ", ".join(sorted(specs.find_kernel_specs())) or "none"
        raise InvalidNotebook(
            f"There is no kernel {name!r} here. Installed kernels: {known}. "
            "Choose one with --kernel NAME, or install it (jupyter kernelspec install)."
        ) from None


def check_language(notebook: Mapping[str, Any], kernel_name: str, language: str) -> None:
    """See that a kernel speaks the language of a notebook, where both are well known.

    Raises
    ------
    InvalidNotebook
        It would run code of one language as another's.
    """
    written = document.stated_language(notebook)
    if written in _LANGUAGES and language in _LANGUAGES and written != language:
        raise InvalidNotebook(
            f"The notebook is written in {written}, and the kernel {kernel_name!r} runs {language}. "
            "Choose a kernel of its language with --kernel NAME."
        )


def runs_this_python(name: str) -> bool:
    """Whether a kernel is IPython's on this very interpreter, so that its syntax is the one known here."""
    spec = _read_spec(name)
    if spec is None:
        return name == NATIVE_KERNEL
    argv = spec.get("argv")
    if not isinstance(argv, list) or not any(str(part).startswith("ipykernel") for part in argv):
        return False
    return str(argv[0]) in PYTHONS or os.path.realpath(str(argv[0])) == os.path.realpath(sys.executable)


def kernel_start(name: str, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the command of an installed kernel, with ``{connection_file}`` in it, and the variables of its kernelspec.

    Raises
    ------
    InvalidNotebook
        It can only be started by jupyter_client: it is not found by reading, or asks for a provisioner or for
        interrupts of another kind.
    """
    spec = _read_spec(name)
    if spec is None:
        raise InvalidNotebook(f"The kernel {name!r} has no kernel.json on Jupyter's path.")
    metadata, argv, variables = spec.get("metadata") or {}, spec.get("argv"), spec.get("env") or {}
    chosen = metadata.get("kernel_provisioner") if isinstance(metadata, Mapping) else None
    provisioner = chosen.get("provisioner_name") if isinstance(chosen, Mapping) else None
    provisioner = provisioner or os.environ.get("JUPYTER_DEFAULT_PROVISIONER_NAME", FORKING_PROVISIONER)
    if provisioner not in (FORKING_PROVISIONER, "local-provisioner"):
        raise InvalidNotebook(f"The kernel {name!r} is started by the provisioner {provisioner}.")
    if spec.get("interrupt_mode", "signal") != "signal" or not isinstance(argv, list) or not argv:
        raise InvalidNotebook(f"The kernel {name!r} is interrupted by messages.")
    command = [str(argument) for argument in argv]
    if command[0] in PYTHONS:
        command[0] = sys.executable  # as jupyter_client does
    if not isinstance(variables, Mapping):
        variables = {}
    return command, {key: Template(str(value)).safe_substitute(environ) for key, value in variables.items()}


def _read_spec(name: str) -> Mapping[str, object] | None:
    """Return the first kernel.json of this name on Jupyter's path; None where there is none that can be read."""
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("kernels"):
        # kernel names are compared without case, and their folders are in lower case by convention
        for candidate in dict.fromkeys((name, name.lower())):
            path = Path(folder, candidate, "kernel.json")
            try:
                spec = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(spec, dict):
                return spec
    return None
