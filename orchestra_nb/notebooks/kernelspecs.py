"""Which kernels are installed: found by reading Jupyter's folders, without importing jupyter_client.

The rules are those of :class:`jupyter_client.kernelspec.KernelSpecManager`, which is asked only where this light
reading finds nothing (it also knows the native kernel of an environment that was never installed).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from orchestra_nb.errors import InvalidNotebook

#: The name that stands for "the Python kernel of this environment" everywhere in Jupyter.
NATIVE_KERNEL = "python3"


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
