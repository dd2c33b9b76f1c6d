"""The grammar of the ``%%task`` line."""

from __future__ import annotations

import re

import msgspec
import pytest

from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.notebooks.task_line import HELP, CacheOption, TaskLine, complete_task_line, parse_task_line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {}),
        ("   ", {}),
        ("# only a comment", {}),
        ("train", {"name": "train"}),
        ("train_2.b-c", {"name": "train_2.b-c"}),
        ("größe", {"name": "größe"}),
        ("训练", {"name": "训练"}),
        ('"load data"', {"name": "load data"}),
        ("'load data'", {"name": "load data"}),
        ("train # why", {"name": "train"}),
        ("train #why --retries 3", {"name": "train"}),
        ("train --retries 3", {"name": "train", "retry": RetryPolicy(retries=3)}),
        ("--retries 3 train", {"name": "train", "retry": RetryPolicy(retries=3)}),
        ("--retries=3 train", {"name": "train", "retry": RetryPolicy(retries=3)}),
        ("--retries 0", {}),
        ("--retries 2 --retry-delay 2s", {"retry": RetryPolicy(retries=2, delays_seconds=(2.0,))}),
        ("--retries 2 --retry-delay 2s,10s", {"retry": RetryPolicy(retries=2, delays_seconds=(2.0, 10.0))}),
        ("--retries 2 --retry-delay '2s, 10s'", {"retry": RetryPolicy(retries=2, delays_seconds=(2.0, 10.0))}),
        ("--retries 2 --retry-delay exp:2s:60s", {"retry": RetryPolicy(retries=2, exponential=(2.0, 60.0))}),
        ("--timeout 10m", {"timeout_seconds": 600.0}),
        ("--timeout=1h30m", {"timeout_seconds": 5400.0}),
        ("--timeout 2.5", {"timeout_seconds": 2.5}),
        ("--in a,b", {"inputs": ("a", "b")}),
        ("--in a, b", {"inputs": ("a", "b")}),
        ("--in a ,b train", {"inputs": ("a", "b"), "name": "train"}),
        ("--in 'a, b' train", {"inputs": ("a", "b"), "name": "train"}),
        ("--in=", {"inputs": ()}),
        ("--in a,a", {"inputs": ("a",)}),
        ("--out x,y", {"outputs": ("x", "y")}),
        ("--out größe", {"outputs": ("größe",)}),
        ("--after load", {"after": ("load",)}),
        ("--after load --after clean --after load", {"after": ("load", "clean")}),
        ("--after load,clean", {"after": ("load", "clean")}),
        ("--after 'load data'", {"after": ("load data",)}),
        ("--after load train", {"after": ("load",), "name": "train"}),
        ("--cache", {"cache": CacheOption()}),
        ("--cache 1h", {"cache": CacheOption(ttl_seconds=3600.0)}),
        ("--cache=1h", {"cache": CacheOption(ttl_seconds=3600.0)}),
        ("--cache train", {"cache": CacheOption(), "name": "train"}),
        ("--cache --wait", {"cache": CacheOption(), "wait": True}),
        ("--tag team=sales", {"tags": {"team": "sales"}}),
        ("--tag team=sales --tag a=b=c", {"tags": {"team": "sales", "a": "b=c"}}),
        ("--tag 'note=two words'", {"tags": {"note": "two words"}}),
        ("--tag note='two words'", {"tags": {"note": "two words"}}),
        ("--tag=a=b", {"tags": {"a": "b"}}),
        ("--tag a=b --tag a=b", {"tags": {"a": "b"}}),
        ("--wait", {"wait": True}),
        ("--local --retries 1", {"local": True, "retry": RetryPolicy(retries=1)}),
        ("--tag a=#b", {"tags": {"a": "#b"}}),
    ],
)
def test_a_line_is_read(line: str, expected: dict[str, object]) -> None:
    task = parse_task_line(line, "x = 1")

    assert task == msgspec.structs.replace(TaskLine(body="x = 1"), **expected)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "train --retrys 3",
            "Unknown option --retrys in %%task. Did you mean --retries? `%%task --help` lists all options.",
        ),
        ("--retri 3", "Unknown option --retri in %%task. Did you mean --retries?"),
        ("--time 3", "Did you mean --timeout?"),
        ("-r 3", "Unknown option -r"),
        ("--xyzzy", "Unknown option --xyzzy"),
        ("--retries", "--retries needs a value, such as --retries 3."),
        ("--retries --wait", "--retries needs a value"),
        ("--retries three", "--retries three: not a whole number from 0"),
        ("--retries -1", "--retries -1: not a whole number from 0"),
        ("--retries 1.5", "not a whole number"),
        ("--retries ³", "not a whole number"),
        ("--retries 1001", "the limit is 1000"),
        ("--retries 1 --retries 2", "--retries stands twice"),
        ("--retry-delay 2s", "no effect without --retries"),
        ("--retries 1 --retry-delay soon", "--retry-delay soon: 'soon' is no duration"),
        ("--retries 1 --retry-delay exp:2s", "is no back-off"),
        ("--retries 1 --retry-delay exp:60s:2s", "not above the limit"),
        ("--timeout never", "'never' is no duration"),
        ("--timeout 0", "must be longer than zero"),
        ("--timeout -5", "'-5' is no duration"),
        ("--cache=soon", "'soon' is no duration"),
        ("--in a-b", "'a-b' is no name of a variable"),
        ("--in 1a", "'1a' is no name of a variable"),
        ("--in class", "'class' is no name of a variable"),
        ("--tag team", "write a key and a value, such as --tag team=sales"),
        ("--tag =x", "write a key and a value"),
        ("--tag a=b --tag a=c", "The tag 'a' has two values, 'b' and 'c'"),
        ("--wait=yes", "--wait takes no value"),
        ("--after", "--after needs a value, such as --after load."),
        ("--after ,", "--after needs the name of a task"),
        ("train --after train", "a task cannot wait for itself"),
        (
            "load data",
            "Unexpected 'data': a task has one name, and it is 'load'. Quote a name that has spaces: "
            '%%task "load data".',
        ),
        ("'load data", "The quote ' in %%task is not closed: 'load data"),
        ('a"b', 'The quote " in %%task is not closed: "b'),
        ("load/data", "because of '/'"),
        ("''", "The name of a task is empty"),
        ("' a'", "begins or ends with a space"),
        ("a" * 101, "has 101 characters, and the limit is 100"),
        ("--local --timeout 3s", "--timeout does not work with --local"),
        ("--local --cache", "--cache does not work with --local"),
        ("it's", 'because of "\'"'),
    ],
)
def test_a_wrong_line_is_refused_with_the_word_and_the_remedy(line: str, words: str) -> None:
    with pytest.raises(InvalidTaskLine, match=re.escape(words)):
        parse_task_line(line, "")


@pytest.mark.parametrize("line", ["--help", "-h", "train --help", "--retries 3 -h", "--help --nonsense"])
def test_help_is_asked_for(line: str) -> None:
    assert parse_task_line(line, "x = 1") == TaskLine(is_help=True, body="x = 1")


def test_help_names_every_option_once_and_fits_the_screen() -> None:
    for option in ("retries", "retry-delay", "timeout", "in", "out", "after", "cache", "tag", "wait", "local", "help"):
        assert len(re.findall(rf"^  --{option}\b", HELP, re.MULTILINE)) == 1
    assert max(map(len, HELP.splitlines())) <= 100


def test_directives_in_the_body_count_and_stay() -> None:
    body = "# Train\n#: --retries 3 --timeout 10m  # may be slow\n\n#: --tag a=b\nx = 1\n#: --wait\n"

    task = parse_task_line("train", body)

    assert task == TaskLine(
        name="train", retry=RetryPolicy(retries=3), timeout_seconds=600.0, tags={"a": "b"}, body=body
    )


@pytest.mark.parametrize(
    ("line", "body", "words"),
    [
        ("--retries 1", "#: --retries 2", "--retries stands on the %%task line and in line 1 of the cell"),
        ("", "#: --retries 1\n#: --retries 2", "--retries stands in a line above and in line 2 of the cell"),
        ("", "# a\n#: train", "Unexpected 'train' in line 2 of the cell: only options"),
        ("", "\n#: --retrys 1", "Unknown option --retrys in line 2 of the cell. Did you mean --retries?"),
    ],
)
def test_wrong_directives_are_refused_with_their_line(line: str, body: str, words: str) -> None:
    with pytest.raises(InvalidTaskLine, match=re.escape(words)):
        parse_task_line(line, body)


def test_repeatable_options_add_up_from_line_and_body() -> None:
    task = parse_task_line("--after a --tag x=1", "#: --after b --tag y=2")

    assert (task.after, task.tags) == (("a", "b"), {"x": "1", "y": "2"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" --re", ["--retries", "--retry-delay"]),
        (" train --ti", ["--timeout"]),
        (" --retries 3 --re", ["--retry-delay"]),
        (" --retries=3 --re", ["--retry-delay"]),
        (" --after load --af", ["--after"]),
        (" --after ", ['"clean up"', "load", "train"]),
        (" --after tr", ["train"]),
        (" --after=tr", ["--after=train"]),
        (" --after load,", ['load,"clean up"', "load,train"]),
        (" --in ", ["data", "df", "model"]),
        (" --in d", ["data", "df"]),
        (" --in df,", ["df,data", "df,model"]),
        (" --out=m", ["--out=model"]),
        (" --timeout ", []),
        (" --retries ", []),
        (" tr", []),
        (" --tag ", []),
        (" 'tr", []),
        (" 'a b --re", []),
        (" --cache --wa", ["--wait"]),
        ("--he", ["--help"]),
    ],
)
def test_completions(text: str, expected: list[str]) -> None:
    assert complete_task_line(text, ["load", "train", "clean up"], ["df", "data", "model"]) == expected


def test_all_options_are_offered_on_an_empty_word() -> None:
    assert complete_task_line(" train ", [], []) == sorted(
        f"--{name}" for name in "retries retry-delay timeout in out after cache tag wait local help".split()
    )


def test_a_task_line_survives_a_round_trip_as_json() -> None:
    task = parse_task_line("a --retries 2 --retry-delay exp:1s:9s --in x --cache 1h --tag k=v", "y = x")

    assert msgspec.json.decode(msgspec.json.encode(task), type=TaskLine) == task
