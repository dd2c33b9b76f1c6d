"""Which runs are of a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestra_nb.errors import InvalidInput
from orchestra_nb.operations.notebook_places import notebooks_of_flow, paths_of_notebook
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from tests.store.stored_examples import created, run_of


@pytest.fixture
def store(sqlite_url: str) -> Iterator[RunStore]:
    database = open_database(sqlite_url)
    yield RunStore(database)
    database.close()


def test_a_notebook_has_the_runs_of_all_paths_that_lead_to_it(store: RunStore, tmp_path: Path) -> None:
    place, other = tmp_path / "north", tmp_path / "south"
    for folder in (place, other):
        folder.mkdir()
    (tmp_path / "link").symlink_to(place)
    paths = [str(folder / "train.ipynb") for folder in (place, tmp_path / "link", other)]
    runs = [run_of(f"{number}", notebook_path=path) for number, path in enumerate([*paths, paths[0], None])]
    store.apply(created(*runs))

    assert notebooks_of_flow(store, "train") == (paths[0], paths[2], paths[1])
    assert paths_of_notebook(store, paths[0]) == (paths[0], paths[1])
    assert paths_of_notebook(store, paths[1]) == (paths[1], paths[0])
    assert paths_of_notebook(store, f"{place}/../south/train.ipynb") == (paths[2],)


def test_a_notebook_has_the_runs_of_links_with_other_names(store: RunStore, tmp_path: Path) -> None:
    place, first, second = (str(tmp_path / f"{name}.ipynb") for name in ("train", "a", "b"))
    Path(place).touch()
    Path(first).symlink_to(place)
    Path(second).symlink_to(first)
    (tmp_path / "folder").symlink_to(tmp_path)
    behind, other = f"{tmp_path}/folder/train.ipynb", f"{tmp_path}/other.ipynb"
    paths = [place, first, first, second, behind, other, f"{tmp_path}/gone.ipynb", None]
    store.apply(
        created(
            *(
                run_of(f"{number}", notebook_path=path, flow_name="x" if path is None else Path(path).stem)
                for number, path in enumerate(paths)
            )
        )
    )

    for path in (place, first, second, behind):
        assert set(paths_of_notebook(store, path)) == {place, first, second, behind}
    assert paths_of_notebook(store, other) == (other,)
    assert set(paths_of_notebook(store, place, "train")) == {place, behind}
    with store.database.seen_by(frozenset({"nobody"})):
        assert set(paths_of_notebook(store, place)) == {place}


def test_links_in_a_circle_lead_to_nothing(store: RunStore, tmp_path: Path) -> None:
    circle = tmp_path / "train.ipynb"
    circle.symlink_to(circle)

    assert paths_of_notebook(store, str(circle)) == (str(circle),)


@pytest.mark.parametrize("path", ["", "/a\0b.ipynb", "/\udcff.ipynb"])
def test_what_no_file_can_be_called_is_refused(store: RunStore, path: str) -> None:
    with pytest.raises(InvalidInput, match="is no path of a notebook"):
        paths_of_notebook(store, path)
