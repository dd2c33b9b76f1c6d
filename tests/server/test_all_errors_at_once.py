"""Who sends a form with several mistakes is told of all of them at once, each at its field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from example_runs import NOON
from test_rest_api import API, call

from orchestra_nb.errors import NameTaken
from orchestra_nb.model.webhooks import Webhook, WebhookChanges
from orchestra_nb.operations.pool_form import PoolForm
from orchestra_nb.operations.webhooks import change_webhook, create_webhook
from orchestra_nb.operations.work_pools import create_pool
from orchestra_nb.settings import load_settings
from orchestra_nb.store.database import open_database
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.webhook_store import WebhookStore

DASK = {"cluster": "dask.distributed.LocalCluster", "arguments": {"n_worker": 2, "ip": 1, "n_workrs": 3}}

#: Path, what is sent, and the fields at which something is wrong.
WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    ("pools", {"name": "taken", "kind": "slurm", "concurrency": 0}, ["concurrency", "kind", "name"]),
    (
        "pools",
        {"name": "-x", "kind": "dask", **DASK, "minimum": -1, "idle": "soon", "job": {"image": "a:1"}},
        ["arguments", "idle", "job", "minimum", "name"],
    ),
    (
        "pools",
        {"name": "x", "cluster": "tcp://h:1", "maximum": 3, "concurrency": 0},
        ["cluster", "concurrency", "maximum"],
    ),
    (
        "pools",
        {
            "name": "taken",
            "kind": "docker",
            "job": {"image": "A B", "cpus": "x", "mem_limit": "much", "volumes": ["here"], "memory": "1g"},
        },
        ["job/cpus", "job/image", "job/mem_limit", "job/memory", "job/volumes", "name"],
    ),
    (
        "pools",
        {"name": "x", "kind": "kubernetes", "job": {"namespace": "A B", "resources": {"limits": {"memory": "2GB"}}}},
        ["job/image", "job/namespace", "job/resources"],
    ),
    (
        "webhooks",
        {"name": "taken", "parameters": {"a": "{{"}, "condition": "{{ x }}", "resource": "{{", "secret": "short"},
        ["condition", "deployment", "name", "parameters", "resource", "secret"],
    ),
]


@pytest.mark.parametrize(("path", "sent", "fields"), WRONG, ids=range(len(WRONG)))
async def test_all_that_is_wrong_with_a_form_is_told_at_its_fields_at_once(
    jp_fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, sent: dict[str, Any], fields: list[str]
) -> None:
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    await call(jp_fetch, "POST", "/pools", {"name": "taken"})
    await call(jp_fetch, "POST", "/webhooks", {"name": "taken", "event": "x"})

    answer = await jp_fetch(f"{API}/{path}", method="POST", body=json.dumps(sent), raise_error=False)

    problem = json.loads(answer.body)
    assert answer.code == 422, problem
    assert sorted(one["pointer"] for one in problem["errors"]) == [f"#/{field}" for field in fields]


async def test_a_form_whose_only_mistake_is_its_name_is_a_conflict_that_names_the_field(jp_fetch) -> None:
    await call(jp_fetch, "POST", "/pools", {"name": "taken"})

    answer = await jp_fetch(f"{API}/pools", method="POST", body='{"name": "taken"}', raise_error=False)

    problem = json.loads(answer.body)
    assert (answer.code, problem["code"]) == (409, "name_taken")
    assert problem["errors"] == [{"pointer": "#/name", "detail": problem["detail"]}]


async def test_all_that_is_wrong_with_a_schedule_is_told_at_once(jp_fetch) -> None:
    answer = await jp_fetch(
        f"{API}/schedules/preview",
        params={"every": "0s", "timezone": "Europe/Berln", "start": "soon", "end": "late"},
        raise_error=False,
    )

    problem = json.loads(answer.body)
    assert answer.code == 422, problem
    assert sorted(one["pointer"] for one in problem["errors"]) == ["#/end", "#/every", "#/start", "#/timezone"]


async def test_a_schedule_of_two_forms_is_told_so_with_all_else_that_is_wrong(jp_fetch) -> None:
    asked = {"cron": "0 9 * * *", "every": "1h", "timezone": "Europe/Berln"}

    answer = await jp_fetch(f"{API}/schedules/preview", params=asked, raise_error=False)

    problem = json.loads(answer.body)
    assert answer.code == 422
    first, second = problem["detail"].split("\n")
    assert first.startswith("There is no time zone 'Europe/Berln'. Did you mean Europe/Berlin")
    assert second == "A schedule is one of a cron expression, an interval and a recurrence rule."
    assert [one["pointer"] for one in problem["errors"]] == ["#/timezone"]


def test_a_name_that_is_taken_while_a_form_is_read_is_told_at_its_field(
    store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    settings, other = load_settings(), RunStore(open_database(store_url))

    def pool(of: RunStore, name: str) -> None:
        create_pool(of, PoolForm(name=name), NOON)

    def webhook(of: RunStore, name: str) -> None:
        create_webhook(of, Webhook(name=name, event="x"), None, settings, now=NOON)

    def renamed(of: RunStore, name: str) -> None:
        webhook(of, "old") if of is store else None
        changes = WebhookChanges(new_name=name)
        change_webhook(of, "old", changes, settings) if of is store else webhook(of, name)

    for kind, make, place in (
        (PoolStore, pool, "/name"),
        (WebhookStore, webhook, "/name"),
        (WebhookStore, renamed, "/new_name"),
    ):
        name = f"{make.__name__}-x"
        check = kind.check_free

        def looked(self: Any, wanted: str, *words: str, check: Any = check, make: Any = make, name: str = name) -> None:
            check(self, wanted, *words)
            if wanted == name and self._database is store.database:
                make(other, name)  # as somebody else does just then

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(kind, "check_free", looked)
            with pytest.raises(NameTaken) as refused:
                make(store, name)
        assert list(refused.value.at) == [place]
    other.database.close()
