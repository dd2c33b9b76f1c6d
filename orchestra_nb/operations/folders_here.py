"""What a deployment says, on a machine or in a container that may not have its folders."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from orchestra_nb.model.deployments import DeploymentVersion, FlowTarget, NotebookTarget


def on_this_machine(version: DeploymentVersion, folder: Path) -> DeploymentVersion:
    """Return what a deployment says, with a folder of this machine in place of each that it does not have."""
    target = version.spec.target
    here: NotebookTarget | FlowTarget
    if isinstance(target, NotebookTarget):
        wanted = target.cwd or str(Path(target.path).parent)
        here = msgspec.structs.replace(target, cwd=wanted if os.path.isdir(wanted) else str(folder), output_path=None)
    else:
        here = msgspec.structs.replace(
            target,
            entrypoint=_entrypoint_here(target, folder),
            working_folder=target.working_folder if os.path.isdir(target.working_folder) else str(folder),
            import_folder=_folder_here(target.import_folder, folder),
        )
    return msgspec.structs.replace(version, spec=msgspec.structs.replace(version.spec, target=here))


def _entrypoint_here(target: FlowTarget, folder: Path) -> str:
    """Return an entrypoint, with a file of the same place in this folder where its own is not on this machine."""
    file, separator, name = target.entrypoint.rpartition(":")
    if not file.endswith(".py") or os.path.exists(file):
        return target.entrypoint
    inside = os.path.relpath(file, target.working_folder)
    return f"{folder / (os.path.basename(file) if inside.startswith('..') else inside)}{separator}{name}"


def _folder_here(wanted: str | None, folder: Path) -> str | None:
    return wanted if wanted is None or os.path.isdir(wanted) else str(folder)
