"""The files of runs in the folder of outputs: executed notebooks, snapshots and logs, found by the runs' ids."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from orchestra_nb.notebooks.run_output import RunOutput
from orchestra_nb.store.doomed_files import OldRun


class RunFiles:
    """The files of a folder, listed once. For one thread.

    Parameters
    ----------
    folder
        Has files whose names begin with a run's id and a dot, and folders that are named by one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: defaultdict[str, list[str]] | None = None

    def count(self, runs: Iterable[OldRun]) -> tuple[int, int]:
        """Return how many files these runs have, and how many bytes."""
        files = size = 0
        for run in runs:
            for path in self._paths(run):
                for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
                    with contextlib.suppress(OSError):
                        if not file.is_dir():
                            files, size = files + 1, size + file.lstat().st_size
        return files, size

    def delete(self, runs: Iterable[OldRun]) -> tuple[int, int]:
        """Delete the files of these runs, and return how many they were and how many bytes.

        A notebook that its user sees through a link is put there first; what cannot be deleted stays.
        """
        files = size = 0
        for run in runs:
            counted = self.count([run])
            for path in self._paths(run):
                if run.output_path is not None and path.suffix == ".ipynb":
                    with contextlib.suppress(OSError):
                        RunOutput(path, Path(run.output_path)).keep_if_linked()
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            left = self.count([run])
            files, size = files + counted[0] - left[0], size + counted[1] - left[1]
        return files, size

    def _paths(self, run: OldRun) -> list[Path]:
        if self._names is None:
            self._names = defaultdict(list)
            with contextlib.suppress(FileNotFoundError):
                for name in os.listdir(self._folder):
                    self._names[name.partition(".")[0]].append(name)
        return [self._folder / name for name in self._names.get(run.run_id, ()) if os.path.lexists(self._folder / name)]
