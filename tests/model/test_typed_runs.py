"""What is typed for a run is its name wherever a shell takes that as it stands."""

from __future__ import annotations

import shlex

import pytest

from orchestra_nb.model.typed_runs import typed_name


@pytest.mark.parametrize("name", ["calm-fox", "load_3", "load-2026-11-27T05:40:00", "v1.2,a=b", "me@home"])
def test_a_plain_name_is_typed(name: str) -> None:
    assert typed_name(name, "01J") == name


@pytest.mark.parametrize(
    "name",
    [
        *("load 3; echo hi", "$(reboot)", "`id`", "it's", 'a"b', "a|b", "a&b", "~", "*", "a\nb", "", "%PATH%", "<a>"),
        *("-f", "--all", "Übersicht", "calm-fox\n"),
    ],
)
def test_the_id_is_typed_for_a_name_that_a_shell_or_the_command_would_take_for_something_else(name: str) -> None:
    assert typed_name(name, "01J") == "01J"


def test_what_is_typed_needs_no_quotes() -> None:
    names = [chr(code) for code in range(0x20, 0x250)] + [f"a{chr(code)}b" for code in range(0x20, 0x250)]

    typed = [typed_name(name, "01J") for name in names]

    assert [word for word in typed if shlex.quote(word) != word or word.startswith("-")] == []
