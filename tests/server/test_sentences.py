"""What readers are told: each of our sentences is really said, and German for who reads German."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from test_rest_api import API, call

import orchestra_nb
from orchestra_nb.model.automations import Absent, EventMatch, Metric, MoveDeployment, RunMatch
from orchestra_nb.operations.automation_words import action_words, trigger_words
from orchestra_nb.reading_language import read_in
from orchestra_nb.server import sentences
from orchestra_nb.server.languages import words_in
from orchestra_nb.server.sentences import ALL_SENTENCES, SENTENCES, Kind, in_language, values_in
from orchestra_nb.server.told_sentences import SAID_EVERYWHERE, SAID_OF_AUTOMATIONS, SAID_ON_PAGES, SAID_WITHIN

DASK = {"name": "x", "kind": "dask", "cluster": "dask.distributed.LocalCluster"}


def docker(**job: Any) -> dict[str, Any]:
    return {"name": "x", "kind": "docker", "job": {"image": "a:1", **job}}


def kubernetes(**job: Any) -> dict[str, Any]:
    return {"name": "x", "kind": "kubernetes", "job": {"image": "a:1", **job}}


#: What is asked for, with what, that is refused; with an ETag that nothing has, where that is why.
REFUSED: list[tuple[str, str, Any]] = [
    ("PUT", "/pools/taken#", {}),
    ("POST", "/pools", {"name": "taken"}),
    ("POST", "/pools", {"name": "a/b"}),
    ("POST", "/pools", {"name": "-x"}),
    ("POST", "/pools", {"name": "x", "kind": "slurm"}),
    ("POST", "/pools", {"name": "x", "cluster": "tcp://h:1"}),
    ("POST", "/pools", {"name": "x", "concurrency": 0}),
    ("POST", "/pools", {**DASK, "cluster": None}),
    ("POST", "/pools", {**DASK, "cluster": "LocalCluster"}),
    ("POST", "/pools", {**DASK, "cluster": "dask.distributed.NoCluster"}),
    ("POST", "/pools", {**DASK, "arguments": {"n_worker": 2}}),
    ("POST", "/pools", {**DASK, "cluster": "tcp://h:1", "maximum": 2}),
    ("POST", "/pools", {**DASK, "minimum": 5, "maximum": 2}),
    ("POST", "/pools", docker(image="A B")),
    ("POST", "/pools", docker(mem_limit="much")),
    ("POST", "/pools", docker(cpus=0)),
    ("POST", "/pools", docker(stop_grace_seconds=-1)),
    ("POST", "/pools", docker(volumes=["here"])),
    ("POST", "/pools", docker(env={"A B": "1"})),
    ("POST", "/pools", docker(labels={" ": "1"})),
    ("POST", "/pools", docker(working_dir="here")),
    ("POST", "/pools", docker(memory="2g")),
    ("POST", "/pools", kubernetes(volumes=[{"path": "here", "secret": "s"}])),
    ("POST", "/pools", kubernetes(namespace="A B")),
    ("POST", "/pools", kubernetes(resources={"limits": {"memory": "2GB"}})),
    ("DELETE", "/pools/taken", None),
    ("POST", "/webhooks", {"name": "taken", "event": "x"}),
    ("PATCH", "/webhooks/taken", {"new_name": "other"}),
    ("POST", "/webhooks", {"name": "x", "event": "e", "deployment": "train"}),
    ("POST", "/webhooks", {"name": "x", "deployment": "train", "resource": "r"}),
    ("POST", "/webhooks", {"name": "x", "event": " "}),
    ("POST", "/webhooks", {"name": "x", "event": "e", "condition": "{{"}),
    ("POST", "/webhooks", {"name": "x", "event": "e", "parameters": {"a": "{{"}}),
    ("POST", "/webhooks", {"name": "x", "event": "e", "scheme": "slack"}),
    ("GET", "/schedules/preview?cron=0+0+30+2+*&timezone=UTC", None),
    ("GET", "/schedules/preview?every=1h&timezone=Europe/Berln", None),
    ("GET", "/schedules/preview?every=1h&timezone=UTC&start=soon", None),
    ("GET", "/schedules/preview?every=1h&timezone=UTC&end=soon", None),
    ("GET", "/schedules/preview?every=0s&timezone=UTC", None),
    ("GET", "/schedules/preview?every=1h&timezone=UTC&end=2001-01-01", None),
    (
        "GET",
        "/schedules/preview?cron=0+9+*+*+*&timezone=UTC&start=2027-01-01T10:00&end=2027-01-01T11:00",
        None,
    ),
]


async def make_taken(jp_fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a pool that a deployment names, and two webhooks."""
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    await call(jp_fetch, "POST", "/pools", {"name": "taken"})
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    await call(jp_fetch, "PUT", "/deployments/train", {"notebook": notebook, "pool": "taken"})
    for name in ("taken", "other"):
        await call(jp_fetch, "POST", "/webhooks", {"name": name, "event": "x"})


async def test_what_forms_are_told_is_german_for_who_reads_german(
    jp_fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_taken(jp_fetch, tmp_path, monkeypatch)
    said: set[str] = set()
    for method, path, body in REFUSED:

        async def refusal(language: str | None, method: str = method, path: str = path, body: Any = body) -> list[str]:
            answer = await jp_fetch(
                *f"{API}{path.rstrip('#')}".split("?")[:1],
                method=method,
                params=dict(pair.split("=") for pair in path.partition("?")[2].replace("+", " ").split("&") if pair),
                body=None if body is None else json.dumps(body),
                headers={
                    **({} if language is None else {"Accept-Language": language}),
                    **({"If-Match": '"none"'} if path.endswith("#") else {}),
                },
                raise_error=False,
            )
            problem = json.loads(answer.body)
            assert answer.code in (409, 412, 422), (path, body, problem)
            return [one["detail"] for one in problem.get("errors", ())] or [problem["detail"]]

        plain, english, german = await refusal(None), await refusal("en"), await refusal("de-DE")

        for one in plain:
            said |= {sentence for sentence in SENTENCES if values_in(sentence, one) is not None}
        assert [(one, other) for one, other in zip(english, german, strict=True) if one == other] == []
        assert [one for one in (*english, *german) if "`orchestra pools" in one] == []

    # one that the server does not say any more would be translated in vain
    assert set(SENTENCES) == said


def test_a_value_that_reads_like_a_sentence_of_ours_stays() -> None:
    refusal = "There is no deployment 'a. Run it again. b', and no other. `orchestra deploy` makes one."

    assert in_language(refusal, "de-DE").startswith("Es gibt kein Deployment 'a. Run it again. b' und auch kein")
    assert in_language("The disk is full. Run it again.", "de-DE") == "The disk is full. Run it again."
    assert in_language("deployment a: Run it again.", "de-DE") == "deployment a: Starten Sie es noch einmal."


def test_values_stand_in_their_places_and_what_is_no_sentence_of_ours_stays() -> None:
    refusal = "a pool of the kind local has none, but one of the kind dask."

    assert in_language(refusal, "de-DE") == "ein Pool der Art local hat das nicht, wohl aber einer der Art dask."
    assert in_language(refusal, "en") == refusal
    assert in_language("The disk is full.", "de-DE") == "The disk is full."
    assert in_language("%2 is none of %1.", "de-DE") == "%2 ist keines von %1."


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("'a b' takes no 'n'. Did you mean 'm'?", ["'a b'", "'n'", "'m'"]),
        ("a takes no b takes no c. Did you mean d?", ["a", "b takes no c", "d"]),
        ("a takes no b. Did you mean c. Did you mean d?", ["a", "b", "c. Did you mean d"]),
        (" takes no b. Did you mean c?", None),
        ("a takes no b. Did you mean ?", None),
        ("a takes no b. Did you mean c", None),
        ("a. Did you mean b takes no c?", None),
        ("a takes no b\nor c. Did you mean d?", None),
    ],
    ids=["each", "first", "last", "no first", "no last", "no end", "other order", "two lines"],
)
def test_a_value_ends_where_the_words_after_it_first_come(text: str, values: list[str] | None) -> None:
    assert values_in("%1 takes no %2. Did you mean %3?", text) == values


async def test_a_long_value_made_of_our_own_words_is_refused_as_any_other(jp_fetch) -> None:
    kind = " takes no y" * 4000 + ". Did you mean z" * 4000  # dividing 100 KB in all ways would take an hour

    answer = await jp_fetch(
        f"{API}/pools",
        method="POST",
        body=json.dumps({"name": "x", "kind": kind}),
        headers={"Accept-Language": "de-DE"},
        raise_error=False,
    )

    assert answer.code == 422
    assert kind in json.loads(answer.body)["detail"]
    assert "is none of" in json.loads(answer.body)["detail"]  # what is so long is not looked through


def test_all_sentences_are_in_our_source_and_translated() -> None:
    texts = {
        node.value
        for path in Path(orchestra_nb.__file__).parent.rglob("*.py")
        if path.parent.name != "server"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    source = "\n".join(texts)

    unsaid = [
        (sentence, piece)
        for sentence in (*SAID_ON_PAGES, *SAID_EVERYWHERE, *SAID_OF_AUTOMATIONS, *SAID_WITHIN)
        for piece in re.split(r"%\d+|[.?;:] ?|\) ?| \(|,? and |, ", sentence)
        if len(piece.strip()) > 10 and piece.strip() not in source
    ]

    assert unsaid == []
    assert [one for one in ALL_SENTENCES if words_in("de-DE").get(one, [""])[0] in ("", one)] == []
    assert [
        one for one in SAID_ON_PAGES if "orchestra" not in one and "HTTP" not in one and "overwrite" not in one
    ] == []


@pytest.mark.parametrize(
    ("text", "german"),
    [
        (
            "kind: 'x' is none of local, dask.\nconcurrency: 1 to 1,000 runs go on at a time, not 0. To start nothing, "
            "pause the pool.",
            "kind: 'x' ist keines von local, dask.\nconcurrency: ",
        ),
        (
            "The kernel (pid 7 on h) died: killed by SIGKILL. Restart the kernel and run the cells again.",
            "Der Prozess „kernel“ (PID 7 auf h) ist gestorben: beendet durch SIGKILL. Starten Sie den Kernel neu, und "
            "führen Sie die Zellen noch einmal aus.",
        ),
        (
            "waits for run calm-fox, which waits for the pool ab, which is paused: `orchestra pools resume ab` has "
            "it go on (retried by me)",
            "wartet auf den Lauf calm-fox: wartet auf den Pool ab, der pausiert ist: auf der Seite Work-Pools lässt er "
            "sich fortsetzen (wiederholt von me)",
        ),
        (
            "Task load failed: ValueError: no 'x'. (1 failed)",
            "Aufgabe load schlug fehl: ValueError: no 'x'. (1 failed)",
        ),
        ("ValueError: Bob was killed by a bear. It is sad.", "ValueError: Bob was killed by a bear. It is sad."),
    ],
    ids=["lines", "parts", "within", "of users in ours", "of users"],
)
@pytest.mark.parametrize("kind", [Kind.REFUSAL, Kind.MESSAGE])
def test_of_several_sentences_each_of_ours_is_translated(text: str, german: str, kind: Kind) -> None:
    if text.startswith("kind: ") and kind is Kind.MESSAGE:
        german = text  # it does not begin with words of ours
    assert in_language(text, "de-DE", kind).startswith(german)
    assert in_language(text, None, kind) == text


def test_what_automations_wait_for_and_do_is_german_for_who_reads_german() -> None:
    absent = Absent(expected=EventMatch(names=("beat",)), within_seconds=3600, for_each="run")
    figure = Metric(figure="success_rate", match=RunMatch(deployments=("a",)), over=20, below=0.5)

    with read_in("de-DE"):
        said = [trigger_words(absent), trigger_words(figure), action_words(MoveDeployment(deployment="a", pool="b"))]

    assert said == [
        "für jeweils Lauf: nichts seit 1h: Ereignis beat",
        "Erfolgsquote von a über 20 Läufe unter 0.5",
        "verlegt a in den Pool b",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: Run it again.",
        "ValueError: 'x' is none of 1, 2.",
        "KeyError: 'x' takes no 'y'. Did you mean 'z'?",
        "Look here: Run it again.",
        "my.Error: bad. Run it again.",
        "Task broken failed: KeyError: 'country' (1 failed)",
        "Cancelled by ana: Run it again.",
        "waits for Run it again.",
    ],
)
def test_of_what_became_of_a_run_only_our_own_frame_is_translated(text: str) -> None:
    frames = {"Task ": "Aufgabe broken schlug fehl: ", "Cancelled by ": "Abgebrochen von ", "waits for ": "wartet auf "}
    inner = text.removeprefix("Task broken failed: ").removeprefix("Cancelled by ").removeprefix("waits for ")
    frame = next((german for english, german in frames.items() if text.startswith(english)), "")

    assert in_language(text, "de-DE", Kind.MESSAGE) == f"{frame}{inner}"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((*SENTENCES, *SAID_ON_PAGES, *SAID_EVERYWHERE), Kind.REFUSAL),
        (SAID_OF_AUTOMATIONS, Kind.AUTOMATION),
    ],
)
def test_each_sentence_is_found_by_its_words(said: tuple[str, ...], kind: Kind) -> None:
    texts = [re.sub(r"%\d+", "v", sentence) for sentence in said]

    assert [text for text in texts if in_language(text, "de-DE", kind) == text] == []
    remedies = [re.sub(r"%\d+", "v", sentence) for sentence in SAID_ON_PAGES]
    assert [text for text in remedies if in_language(text, "en") == text] == []
    assert [text for text in texts if in_language(text, "en", Kind.MESSAGE) != text] == []


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"There is no pool {number}. Did you mean x? waits for run {number}" for number in range(60))[:4000],
        ("The pool 'a' takes no y. Did you mean z? There is no deployment (x): " * 90)[:4000],
        "waits for load\n" + "is\nof\n" * 600,
        ("waits for a (retried by a). " * 200)[:4000],
        " ".join(re.sub(r"%\d", "v", sentence) for sentence in ALL_SENTENCES)[:4000],
    ],
    ids=["lines", "parts", "short lines", "parentheses", "all sentences"],
)
@pytest.mark.parametrize("kind", list(Kind))
def test_of_a_text_that_means_harm_so_much_is_tried_and_no_more(
    monkeypatch: pytest.MonkeyPatch, text: str, kind: Kind
) -> None:
    tries = 0
    look = sentences._values

    def values(words: Any, piece: str) -> list[str] | None:
        nonlocal tries
        tries += 1
        return look(words, piece)

    monkeypatch.setattr(sentences, "_values", values)
    in_language(f"{text[:-1]}!", "de-DE", kind)  # no other test has asked for it

    assert 0 < tries < 4_000
    tries = 0
    assert in_language(text * 2, "de-DE", kind) == text * 2
    assert tries == 0
