"""Large values that a notebook records far from its driver: written beside the kernel, named as they will be at home.

The kernel writes them into a folder of the run; who hosts the run sends each of them to the driver, before it tells of
its record, and the driver puts it where the record says. So a record means the same on both machines.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.engine.results import ResultStore
from orchestra_nb.engine.signing_key import load_signing_key
from orchestra_nb.model.result_reference import ResultReference

if TYPE_CHECKING:
    from orchestra_nb.engine.hosting_words import ResultsPlace

#: Set for the kernel of a run that is hosted elsewhere: the folder for its results.
RESULTS_VARIABLE = "ORCHESTRA_RUN_RESULTS"

_PLACE_FILE = "place"
_KEY_FILE = "signing.key"


@dataclass(frozen=True, slots=True)
class ShippedResults:
    """Results in a folder here that have their URLs elsewhere. For all threads and processes of a run.

    Parameters
    ----------
    url
        Where they will stand.
    """

    folder: Path
    url: str

    @classmethod
    def make(cls, folder: Path, place: ResultsPlace) -> ShippedResults:
        """Make the folder, for this user alone."""
        folder.mkdir(mode=0o700)
        for name, content in ((_PLACE_FILE, place.url.encode()), (_KEY_FILE, place.signing_key)):
            descriptor = os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        return cls(folder, place.url)

    @classmethod
    def of_process(cls) -> ShippedResults | None:
        """Return those of the run that this process belongs to, if its results are shipped."""
        folder = os.environ.get(RESULTS_VARIABLE)
        if not folder:
            return None
        return cls(Path(folder), (Path(folder) / _PLACE_FILE).read_text())

    def write(self, value: object, *, name: str, now: datetime) -> ResultReference:
        """Do what :meth:`ResultStore.write` does."""
        reference = self._store().write(value, name=name, now=now)
        return msgspec.structs.replace(reference, url=self.url + reference.url.removeprefix(str(self._files)))

    def read(self, reference: ResultReference) -> Any:
        """Do what :meth:`ResultStore.read` does; what is not here is looked for where it should be."""
        path = self.path_of(reference.url)
        if path is not None and path.exists():
            reference = msgspec.structs.replace(reference, url=str(path))
        return self._store().read(reference)

    def path_of(self, url: str) -> Path | None:
        """Return where the file of a result stands here; None for one of another place."""
        name = url.removeprefix(f"{self.url}/")
        return None if name == url or ".." in Path(name).parts else self._files / name

    @property
    def signing_key(self) -> bytes:
        """What signs pickles."""
        return load_signing_key(self.folder)

    @property
    def _files(self) -> Path:
        return self.folder / "files"

    def _store(self) -> ResultStore:
        return ResultStore(str(self._files), self.signing_key)
