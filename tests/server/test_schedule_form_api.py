"""What a form for schedules needs of the REST API: errors at its fields, a notebook's deployments, nobody overwritten."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_rest_api import call

from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.operations import shared_variables
from orchestra_nb.settings import load_settings
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from tests.faults.notebook_command import code_cell, notebook_of

API = "orchestra/api/v1"
PARAMETERS = "needed: int\nshare: float = 0.5"


@pytest.fixture
def sales(jp_root_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook in a folder of the server's root."""
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    monkeypatch.chdir(tmp_path)
    path = jp_root_dir / "reports" / "sales.ipynb"
    path.parent.mkdir()
    cell = {**code_cell(PARAMETERS), "metadata": {"tags": ["parameters"]}}
    path.write_text(json.dumps(notebook_of(cell, code_cell("print(needed)"))))
    return path


async def refused(jp_fetch, method: str, path: str, body: object = None, **params: str) -> tuple[int, str, dict]:
    """Return status, code and pointer to detail of a call that is refused."""
    text = None if body is None else json.dumps(body)
    answer = await jp_fetch(f"{API}/{path}", method=method, body=text, params=params, raise_error=False)
    told = json.loads(answer.body)
    return answer.code, told["code"], {one["pointer"]: one["detail"] for one in told.get("errors", ())}


SUMMER = {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"}
PREVIEWS = {
    "cron": ({"cron": "0 25 * * *"}, "#/cron", "The hour '25'"),
    "every": ({"every": "0s"}, "#/every", "An interval is 1 or more whole seconds"),
    "rrule": ({"rrule": "FREQ=SOMETIMES"}, "#/rrule", "The recurrence rule"),
    "zone": ({"cron": "0 9 * * *", "timezone": "Europe/Berln"}, "#/timezone", "There is no time zone 'Europe/Berln'."),
    "start": ({"every": "1h", "start": "soon"}, "#/start", "'soon' cannot be the start"),
    "end": ({"every": "1h", "end": "soon"}, "#/end", "'soon' cannot be the end"),
    "order": ({"every": "1h", "start": "2026-12-02", "end": "2026-12-01"}, "#/end", "The schedule ends at"),
    "over": ({"every": "1h", "end": "2001-01-01"}, "#/end", "Nothing is due after"),
    "never": ({"cron": "0 0 30 2 *"}, "#/cron", "The cron expression '0 0 30 2 *' never falls due"),
}


@pytest.mark.parametrize(("query", "pointer", "detail"), PREVIEWS.values(), ids=PREVIEWS)
async def test_a_preview_that_cannot_be_has_its_error_at_a_field(jp_fetch, query, pointer: str, detail: str) -> None:
    status, _, errors = await refused(jp_fetch, "GET", "schedules/preview", **{"timezone": "UTC", **query})

    assert status == 422
    assert list(errors) == [pointer]
    assert errors[pointer].startswith(detail)


async def test_a_preview_leaves_out_days_off(jp_fetch) -> None:
    days = "2026-12-25,2026-12-26"

    found = await call(
        jp_fetch,
        "GET",
        "/schedules/preview",
        cron="0 9 * * *",
        timezone="UTC",
        after="2026-12-24",
        count=2,
        days_off=days,
    )

    assert [time["at"] for time in found["fire_times"]] == ["2026-12-24T09:00:00Z", "2026-12-27T09:00:00Z"]
    assert found["words"].endswith(", but on 2 days off")


DEPLOYMENTS = {
    "cron": ({"schedules": [{"every": "1h"}, {"cron": "0 25 * * *"}]}, {"#/schedules/1/cron": "The hour '25'"}),
    "zone": (
        {"schedules": [{"every": "1h", "timezone": "Berlin"}]},
        {"#/schedules/0/timezone": "There is no time zone 'Berlin'."},
    ),
    "jitter": (
        {"schedules": [{"every": "1h", "jitter": "some"}]},
        {"#/schedules/0/jitter": "jitter: 'some' is no duration."},
    ),
    "retries": ({"retries": -1}, {"#/retries": "-1 is no number of retries."}),
    "retry delay": ({"retries": 1, "retry_delay": "x"}, {"#/retry_delay": "'x' is no "}),
    "timeout": ({"timeout": "1 hour"}, {"#/timeout": "timeout: '1 hour' is no duration."}),
    "several": (
        {"concurrency": 0, "priority": 2_000_000},
        {"#/concurrency": "At least 1 run", "#/priority": "A priority is"},
    ),
    "parameters": (
        {"parameters": {"needed": 1, "share": "much"}},
        {"#/parameters/share": "This does not fit: "},
    ),
    "own parameters": (
        {"schedules": [{"every": "1h", "parameters": {"share": "much"}}]},
        {"#/schedules/0/parameters/share": "This does not fit: "},
    ),
    "missing": ({"schedules": [{"every": "1h"}], "parameters": {}}, {"#/parameters/needed": "A value is"}),
}


@pytest.mark.parametrize(("said", "expected"), DEPLOYMENTS.values(), ids=DEPLOYMENTS)
async def test_a_deployment_that_is_refused_has_its_errors_at_fields(
    jp_fetch, store: RunStore, sales: Path, said, expected: dict[str, str]
) -> None:
    body = {"notebook": str(sales), "parameters": {"needed": 1}, **said}

    status, _, errors = await refused(jp_fetch, "PUT", "deployments/report", body)

    assert status == 422
    assert sorted(errors) == sorted(expected)
    assert all(errors[pointer].startswith(detail) for pointer, detail in expected.items()), errors
    assert DeploymentStore(store.database).list_deployments() == []


async def test_a_name_that_none_can_have_is_refused_at_the_name(jp_fetch, store: RunStore, sales: Path) -> None:
    body = {"notebook": str(sales), "parameters": {"needed": 1}}

    status, _, errors = await refused(jp_fetch, "PUT", f"deployments/{'n' * 300}", body)

    assert (status, list(errors)) == (422, ["#/name"])


async def test_the_text_of_a_secret_is_refused_at_its_parameter(jp_fetch, store: RunStore, sales: Path) -> None:
    cell = "from orchestra_nb.variables import Secret\ntoken: Secret = Secret('')"
    sales.write_text(json.dumps(notebook_of({**code_cell(cell), "metadata": {"tags": ["parameters"]}})))
    body = {"notebook": str(sales), "parameters": {"token": "hunter2"}}

    status, _, errors = await refused(jp_fetch, "PUT", "deployments/report", body)

    told = "A deployment keeps no secret's text: give the name of a stored secret."
    assert (status, errors) == (422, {"#/parameters/token": told})


async def test_a_deployment_is_made_or_changed_only_as_it_was_seen(jp_fetch, store: RunStore, sales: Path) -> None:
    deployments = DeploymentStore(store.database)
    body = {"notebook": str(sales), "parameters": {"needed": 1}}

    made = await call(jp_fetch, "PUT", "/deployments/report", body, version="0")
    taken = await refused(jp_fetch, "PUT", "deployments/report", {**body, "retries": 1}, version="0")
    same = await refused(jp_fetch, "PUT", "deployments/report", body, version="0")
    changed = await call(jp_fetch, "PUT", "/deployments/report", {**body, "retries": 2}, version="1")
    stale = await refused(jp_fetch, "PUT", "deployments/report", {**body, "retries": 3}, version="1")
    planned = await refused(jp_fetch, "PUT", "deployments/report", body, version="1", plan="true")
    gone = await refused(jp_fetch, "PUT", "deployments/other", body, version="1")

    assert (made["version"], changed["version"]) == (1, 2)
    assert [taken[:2], same[:2]] == [(409, "name_taken")] * 2
    assert [stale[:2], planned[:2]] == [(409, "conflict")] * 2
    assert gone[:2] == (404, "deployment_not_found")
    assert [one.name for one in deployments.list_deployments()] == ["report"]
    assert deployments.get("report").spec.retry.retries == 2


async def test_the_deployments_of_one_notebook_are_listed(jp_fetch, store: RunStore, sales: Path) -> None:
    other = sales.with_name("other.ipynb")
    other.write_text(sales.read_text())
    link = sales.with_name("link.ipynb")
    link.symlink_to(sales)
    for name, path in (("b", sales), ("a", link), ("c", other)):
        await call(jp_fetch, "PUT", f"/deployments/{name}", {"notebook": str(path), "parameters": {"needed": 1}})

    found = await call(jp_fetch, "GET", "/deployments", notebook="reports/sales.ipynb", fields="name")
    everything = await call(jp_fetch, "GET", "/deployments", fields="name")
    missing = await refused(jp_fetch, "GET", "deployments", notebook="reports/none.ipynb")

    assert [one["name"] for one in found["deployments"]] == ["a", "b"]
    assert [one["name"] for one in everything["deployments"]] == ["a", "b", "c"]
    assert missing[:2] == (404, "notebook_not_found")


async def test_the_parameters_of_a_deployment_have_its_own_values_as_defaults(
    jp_fetch, store: RunStore, sales: Path
) -> None:
    body = {"notebook": str(sales), "parameters": {"needed": 7}}
    await call(jp_fetch, "PUT", "/deployments/report", body)
    cell = {**code_cell("other = 1"), "metadata": {"tags": ["parameters"]}}
    sales.write_text(json.dumps(notebook_of(cell)))  # what is deployed stays

    found = await call(jp_fetch, "GET", "/deployments/report/parameters")
    missing = await refused(jp_fetch, "GET", "deployments/none/parameters")

    shown = {one["name"]: (one["required"], one["default"]) for one in found["parameters"]}
    assert shown == {"needed": (False, 7), "share": (False, 0.5)}
    assert found["schema"]["required"] == []
    assert found["schema"]["properties"]["needed"]["default"] == 7
    assert found["path"] == str(sales)
    assert missing[:2] == (404, "deployment_not_found")


async def test_a_secret_of_a_deployment_is_not_among_its_parameters(jp_fetch, store: RunStore, sales: Path) -> None:
    source = "from orchestra_nb.variables import Secret\ntoken: Secret\nrows: int = 1"
    sales.write_text(json.dumps(notebook_of({**code_cell(source), "metadata": {"tags": ["parameters"]}})))
    shared_variables.set_secret(store, "api", Secret("hunter2"), load_settings().secret_key_place, datetime.now(UTC))
    await call(
        jp_fetch, "PUT", "/deployments/report", {"notebook": str(sales), "parameters": {"token": {"$secret": "api"}}}
    )

    found = await call(jp_fetch, "GET", "/deployments/report/parameters")

    (token,) = [one for one in found["parameters"] if one["name"] == "token"]
    assert (token["secret"], token["required"], "default" in token) == (True, False, False)
    assert "hunter2" not in json.dumps(found)


async def test_what_a_deployed_flow_takes_is_not_told(jp_fetch, store: RunStore) -> None:
    target = FlowTarget(entrypoint="shop:refresh", working_folder="/tmp")
    spec = DeploymentSpec(name="prices", flow_name="refresh", target=target, parameters={"region": "EU"})
    DeploymentStore(store.database).save(spec, notebook=None, actor="test", at=datetime.now(UTC))

    found = await call(jp_fetch, "GET", "/deployments/prices/parameters")

    assert (found["parameters"], found["declared"]) == ([], False)
    assert found["schema"]["additionalProperties"] is True
    assert "any name may be given" in found["problem"]


async def test_schedules_are_told_in_the_language_that_is_asked_for(jp_fetch, sales: Path) -> None:
    body = {
        "notebook": str(sales),
        "parameters": {"needed": 1},
        "schedules": [SUMMER, {**SUMMER, "active": False}],
    }
    await call(jp_fetch, "PUT", "/deployments/sales", body)

    async def read(path: str, language: str, **params: str) -> dict:
        headers = {"Accept-Language": language}
        answer = await jp_fetch(f"{API}/{path}", headers=headers, params=params)
        assert answer.headers["Vary"] == "Accept-Language"
        return json.loads(answer.body)

    asked = {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "after": "2026-03-28T12:00", "count": "1"}
    previews = [await read("schedules/preview", language, **asked) for language in ("de-AT,de;q=0.9", "fr", "en, de")]
    german, english = [await read("deployments/sales", language) for language in ("de", "en")]
    listed = (await read("deployments", "de"))["deployments"][0]["schedules"]
    known = (await jp_fetch(f"{API}/deployments/sales", headers={"Accept-Language": "de"})).headers["Etag"]
    changed = await jp_fetch(
        f"{API}/deployments/sales",
        method="PUT",
        body=json.dumps({**body, "description": "x"}),
        headers={"Accept-Language": "de", "If-Match": known},
    )

    assert [one["words"] for one in previews] == [
        "um 02:30, täglich, Europe/Berlin",
        *["at 02:30, every day, Europe/Berlin"] * 2,
    ]
    assert [(one["fire_times"][0]["words"], one["fire_times"][0]["note"]) for one in previews[:2]] == [
        ("Sonntag, 29. März 2026, 03:00", "Uhren gehen vor: 02:30 gibt es nicht, fällig um 03:00"),
        ("Sunday, 29 March 2026, 03:00", "clocks go forward: 02:30 does not exist, due at 03:00"),
    ]
    assert (
        [one["words"] for one in german["schedules"]]
        == listed
        == [
            "um 09:00, Montag bis Freitag, Europe/Berlin",
            "um 09:00, Montag bis Freitag, Europe/Berlin (nicht aktiv)",
        ]
    )
    assert english["schedules"][1]["words"] == "at 09:00, Monday through Friday, Europe/Berlin (not active)"
    assert changed.code == 200
