"""The options of a task cell as a form: what is not changed stays as it was written, what cannot be is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.notebooks.cell_options import TASK_CELL
from orchestra_nb.notebooks.task_form import TaskForm, Values, read_task_form, write_task_form
from orchestra_nb.notebooks.task_line import parse_task_line
from orchestra_nb.notebooks.task_options import OPTIONS

LABEXTENSION = Path(__file__).parents[2] / "labextension"


@pytest.mark.parametrize(
    ("source", "form"),
    [
        pytest.param("x = 1", TaskForm(is_task=False), id="no task"),
        pytest.param("%%task", TaskForm(is_task=True), id="nothing said"),
        pytest.param(
            '%%task "load data" --retries=2 --in a, b --cache --wait  # nightly\nx = a',
            TaskForm(
                is_task=True,
                name="load data",
                values={"--retries": ("2",), "--in": ("a,b",), "--cache": (None,), "--wait": (None,)},
            ),
            id="on the line",
        ),
        pytest.param(
            "%%task --tag a=b\n# why\n#: --tag 'c=d e' --timeout 1h\nx = 1\n#: --retries 2",
            TaskForm(is_task=True, values={"--tag": ("a=b", "c=d e"), "--timeout": ("1h",)}),
            id="in lines of the cell",
        ),
    ],
)
def test_what_a_cell_says_is_read(source: str, form: TaskForm) -> None:
    assert read_task_form(source) == form


@pytest.mark.parametrize(
    ("source", "name", "values", "written"),
    [
        pytest.param("x = 1", "", {}, "%%task\nx = 1", id="an ordinary cell becomes a task"),
        pytest.param("x = 1", "load data", {}, '%%task "load data"\nx = 1', id="a name with a space is quoted"),
        pytest.param("%%task 'a b'   --wait # w", "a b", {"--wait": [None]}, "%%task 'a b'   --wait # w", id="nothing"),
        pytest.param(
            "%%task  a --in x, y   --retries=2 # w\nx",
            "a",
            {"--in": ["x,y"], "--retries": ["3"]},
            "%%task  a --in x, y   --retries 3 # w\nx",
            id="one option, all else stays",
        ),
        pytest.param("%%task a --wait # w\nx", "", {"--wait": [None]}, "%%task --wait # w\nx", id="no name any more"),
        pytest.param("%%task --wait\nx", "a", {"--wait": [None]}, "%%task a --wait\nx", id="a name before options"),
        pytest.param("%%task # w\nx", "a", {"--cache": [None]}, "%%task a --cache # w\nx", id="before a comment"),
        pytest.param("%%task a --cache 1h\nx", "a", {"--cache": [None]}, "%%task a --cache\nx", id="kept for ever"),
        pytest.param("%%task a --cache\nx", "a", {"--cache": ["1h"]}, "%%task a --cache 1h\nx", id="kept for a time"),
        pytest.param(
            "%%task --cache a\nx", "5m", {"--cache": [None]}, '%%task --cache "5m"\nx', id="a name like a time"
        ),
        pytest.param(
            "%%task a\n#: --timeout 10m # long\n#: --retries 1\nx",
            "a",
            {"--timeout": ["1h"], "--wait": [None]},
            "%%task a --wait\n#: --timeout 1h # long\nx",
            id="where it stands, and an empty line goes",
        ),
        pytest.param(
            "%%task a --after b --after c,d\nx",
            "a",
            {"--after": ["b", "e"], "--tag": ["k=v", "n=a 'b'"]},
            "%%task a --after b --after e --tag k=v --tag \"n=a 'b'\"\nx",
            id="what may be repeated",
        ),
    ],
)
def test_only_what_is_changed_is_written(source: str, name: str, values: Values, written: str) -> None:
    assert write_task_form(source, name, values) == written


@pytest.mark.parametrize(
    ("name", "values", "at"),
    [
        pytest.param("a/b", {"--retries": ["x"]}, {"/name", "/values/--retries"}, id="all at once"),
        pytest.param("", {"--retry-delay": ["2s"]}, {"/values/--retry-delay"}, id="without what it needs"),
        pytest.param("", {"--local": [None], "--timeout": ["1h"]}, {"/values/--timeout"}, id="against another"),
        pytest.param("a", {"--after": ["a"]}, {"/values/--after"}, id="itself"),
        pytest.param("", {"--tag": ["a=1", "a=2"]}, {"/values/--tag"}, id="two values of a tag"),
        pytest.param("", {"--tag": ["a='\""]}, {"/values/--tag"}, id="both quotes"),
        pytest.param("", {"--tag": ["a=b\nc"]}, {"/values/--tag"}, id="a line break"),
        pytest.param("", {"--retries": ["1", "2"]}, {"/values/--retries"}, id="twice"),
        pytest.param("", {"--speed": ["1"]}, {"/values/--speed"}, id="unknown"),
    ],
)
def test_each_value_that_does_not_fit_is_told_at_its_place(name: str, values: Values, at: set[str]) -> None:
    with pytest.raises(InvalidTaskLine) as caught:
        write_task_form("x = 1", name, values)

    assert set(caught.value.at) == at


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("%%task --retris 2\nx", "Unknown option --retris .* Did you mean --retries", id="unknown option"),
        pytest.param("%%task a b\nx", "Unexpected 'b'", id="two names"),
        pytest.param("%%task 'a\nx", "is not closed", id="an open quote"),
        pytest.param("%%task --help\nx", "--help only shows", id="help"),
        pytest.param("%%task --retries 1\n#: --retries 2\nx", "Remove one of them", id="said twice"),
    ],
)
def test_what_cannot_be_understood_is_refused_and_not_dropped(source: str, says: str) -> None:
    for refuse in (lambda: read_task_form(source), lambda: write_task_form(source, "a", {"--wait": [None]})):
        with pytest.raises(InvalidTaskLine, match=says):
            refuse()


_TEXTS = {
    "--retries": st.sampled_from(["0", "3"]),
    "--timeout": st.sampled_from(["90s", "1h30m"]),
    "--in": st.sampled_from(["a", "a,b"]),
    "--out": st.sampled_from(["x", "x,y"]),
    "--tag": st.sampled_from(["a=b", "k=two words", "q='", 'r="', "e=", "h=#1", "c=a,"]),
    "--after": st.sampled_from(["load", "load,clean data", "-odd"]),
    "--cache": st.sampled_from([None, "1h"]),
    "--wait": st.none(),
}
_VALUES = st.fixed_dictionaries(
    {},
    optional={
        option: st.lists(texts, min_size=1, max_size=3 if OPTIONS[option].may_repeat else 1, unique=True)
        for option, texts in _TEXTS.items()
    },
)
_NAMES = st.sampled_from(["", "train", "train data", "10m", "-x", "--wait"])


@given(before=_VALUES, after=_VALUES, name=_NAMES, other_name=_NAMES)
def test_what_is_written_is_read_again(before: Values, after: Values, name: str, other_name: str) -> None:
    first = write_task_form("# code\nx = 1", name, before)
    second = write_task_form(first, other_name, after)

    assert read_task_form(second) == TaskForm(
        is_task=True, name=other_name, values={option: tuple(texts) for option, texts in after.items()}
    )
    assert second.endswith("\n# code\nx = 1")
    line, _, body = second.partition("\n")
    assert parse_task_line(line.removeprefix("%%task"), body).name == (other_name or None)


def test_an_editor_knows_a_task_cell_as_we_do() -> None:
    cells = json.loads((LABEXTENSION / "tests" / "taskCells.json").read_text())

    assert [source for source in cells["tasks"] if TASK_CELL.match(source) is None] == []
    assert [source for source in cells["others"] if TASK_CELL.match(source) is not None] == []


def test_the_form_in_jupyterlab_has_a_label_for_each_option() -> None:
    labels = (LABEXTENSION / "src" / "cells" / "taskOptions.ts").read_text()

    assert [option for option in OPTIONS if f"'{option}': texts.__(" not in labels] == []
