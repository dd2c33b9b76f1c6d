"""When a file has arrived: settled, once for each version, and not for what was there before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.model.file_arrivals import KnownFile, Look, SeenFile, look_at

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seconds(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


def file(size: int = 1, name: str = "a.csv", modified: float | None = -5, etag: str = "") -> SeenFile:
    at = None if modified is None else seconds(modified)
    return SeenFile(url=f"memory:///in/{name}", path=f"/in/{name}", size_bytes=size, modified_at=at, etag=etag)


class Inbox:
    """What is known of a folder, look after look."""

    def __init__(self, settle: float = 5) -> None:
        self.known: dict[str, KnownFile] = {}
        self.settle = settle

    def look(self, at: float, *found: SeenFile, known_before: datetime | None = None) -> Look:
        look = look_at(found, self.known, seconds(at), settle_seconds=self.settle, known_before=known_before)
        for part in look.parts(1):
            self.known |= {one.path: one for one in part.changed}
        for path in look.forgotten:
            del self.known[path]
        return look

    def arrived(self, at: float, *found: SeenFile) -> list[str]:
        return [one.path for one in self.look(at, *found).arrived]


def test_a_file_arrives_once_when_it_has_stayed_the_same_for_a_while() -> None:
    inbox = Inbox()

    first = inbox.look(0, file(1))

    assert (first.arrived, first.next_at) == ((), seconds(5))
    assert inbox.look(4, file(2)).next_at == seconds(9)
    assert inbox.arrived(8, file(2)) == []
    assert inbox.arrived(9, file(2)) == ["/in/a.csv"]
    later = inbox.look(100, file(2))
    assert (later.arrived, later.has_news, later.next_at) == ((), False, None)


@pytest.mark.parametrize(
    "changed",
    [file(2), file(1, modified=3), file(1, etag="x")],
    ids=["size", "time", "tag"],
)
def test_a_changed_file_arrives_again(changed: SeenFile) -> None:
    inbox = Inbox(settle=0)
    assert inbox.arrived(0, file(1)) == ["/in/a.csv"]

    assert inbox.arrived(1, changed) == ["/in/a.csv"]
    assert inbox.arrived(2, changed) == []


def test_what_was_there_before_the_first_look_arrives_only_when_it_changes() -> None:
    inbox = Inbox(settle=0)
    there = [file(1, "old", -60), file(1, "nobody-knows", None), file(1, "new", 1)]

    first = inbox.look(2, *there, known_before=NOON)

    assert [one.path for one in first.arrived] == ["/in/new"]
    assert inbox.arrived(3, file(2, "old", 3), *there[1:]) == ["/in/old"]


def test_a_file_that_comes_back_as_it_was_does_not_arrive_again_and_is_forgotten_after_a_month() -> None:
    inbox = Inbox(settle=0)
    inbox.look(0, file(1))

    assert inbox.look(1).has_news
    assert not inbox.look(2).has_news
    assert inbox.arrived(3, file(1)) == []
    inbox.look(4)
    assert inbox.look(4 + 30 * 86400).forgotten == ("/in/a.csv",)
    assert inbox.arrived(5 + 30 * 86400, file(1)) == ["/in/a.csv"]


def test_a_file_that_goes_before_it_settled_is_forgotten() -> None:
    inbox = Inbox()
    inbox.look(0, file(1, "a.part"))

    assert inbox.look(1, file(1)).forgotten == ("/in/a.part",)
    assert inbox.arrived(6, file(1)) == ["/in/a.csv"]


def test_many_arrivals_are_written_in_parts_that_leave_nothing_out() -> None:
    files = [file(1, f"{number}") for number in range(5)]
    look = look_at([*files, file(1, "old")], {}, NOON, settle_seconds=0, known_before=None)

    parts = list(look.parts(2))

    assert [len(part.arrived) for part in parts] == [2, 2, 2]
    assert [one for part in parts for one in part.arrived] == list(look.arrived)
    assert {one.path for part in parts for one in part.changed} == {one.path for one in look.changed}
