"""Which runs are of a notebook: flows are called as their notebooks, and several notebooks may be called alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestra_nb.errors import InvalidInput
from orchestra_nb.operations.absolute_paths import absolute_path

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Among so many runs of a flow, the newest, its notebooks are looked for.
_NEWEST_RUNS: Final = 5_000
#: Among so many paths, of all that ran, links with other names are looked for: some tens of milliseconds.
_MOST_PATHS: Final = 5_000


def notebooks_of_flow(store: RunStore, flow_name: str) -> tuple[str, ...]:
    """Return the paths of the notebooks that ran under a name of late, the one that ran last first."""
    from orchestra_nb.store.flow_history import FlowHistory

    return tuple(FlowHistory(store.database).notebook_paths(flow_name, _NEWEST_RUNS))


def paths_of_notebook(store: RunStore, notebook: str, flow_name: str | None = None) -> tuple[str, ...]:
    """Return the paths by which runs name the notebook at a path, its own first; it needs not be there any more.

    Links are followed: a notebook has one history, whatever its path, also that of a link with another name, as long as
    the link is there.

    Parameters
    ----------
    flow_name
        The flow whose runs alone are looked through for other paths; None for all.

    Raises
    ------
    InvalidInput
        No file can have such a path.
    """
    if not notebook or "\0" in notebook or not _is_unicode(notebook):
        raise InvalidInput(f"{notebook[:200]!r} is no path of a notebook.")
    own = absolute_path(notebook)
    place = _place(own)
    if flow_name is None:
        flow_names = dict.fromkeys((own.stem, place.stem))
        known = [path for name in flow_names for path in notebooks_of_flow(store, name)]
        # what leads by its folder has the name of the notebook, and with it that of the flow
        known += filter(os.path.islink, _all_paths(store))
    else:
        known = list(notebooks_of_flow(store, flow_name))
    return tuple(dict.fromkeys([str(own), str(place), *(one for one in known if _place(Path(one)) == place)]))


def _all_paths(store: RunStore) -> list[str]:
    from orchestra_nb.store.flow_history import FlowHistory

    return FlowHistory(store.database).all_notebook_paths(_MOST_PATHS)


def _place(path: Path) -> Path:
    """Return where the links of a path lead; the path itself where they lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # which of the two, the version of Python decides
        return path


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
