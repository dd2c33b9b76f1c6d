"""S33: calls that schemathesis makes up from the API's document, sent to a real server: each answer must be as documented."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
from typing import Any

import pytest
from example_runs import NOON, run_of, task_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import RunCreated, TaskRunCreated
from orchestra_nb.rest.openapi import openapi_json
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from tests.faults.notebook_command import notebook_of

#: Calls for each operation, of which every other one is about something that is there.
CALLS = 3

#: What stands in paths for something that is there.
KNOWN = {"run": "calm-fox", "task": "load", "name": "etl", "artifact": "report", "number": 1}

#: What no plain call of HTTP can do, and the workers' routes, which take a token with a scope of its own.
LEFT_OUT = ("/stream", "/workers")


def fill(store: RunStore) -> None:
    run = run_of(1, name="calm-fox")
    store.apply([RunCreated(run=run), TaskRunCreated(task_run=task_of(run, "load"))])
    spec = DeploymentSpec(name="etl", flow_name="etl", target=NotebookTarget(path="/none/etl.ipynb"))
    DeploymentStore(store.database).save(spec, notebook=json.dumps(notebook_of()), actor="test", at=NOON)
    artifact = StoredArtifact(
        artifact_id="a", key="report", type="markdown", data="x", created_at=NOON, updated_at=NOON, run_id=run.run_id
    )
    ArtifactStore(store.database).create(artifact)


def failures_of(base_url: str, headers: dict[str, str]) -> dict[str, str]:
    """Return operation to the first answer that is not as documented."""
    import schemathesis
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi import checks

    schema = schemathesis.openapi.from_dict(json.loads(openapi_json()))
    wanted = [
        schemathesis.checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]
    failures: dict[str, str] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.startswith(LEFT_OUT):
            continue
        modes = [operation.as_strategy(mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]

        @settings(
            max_examples=CALLS,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=st.one_of(modes), is_known=st.booleans())
        def send(case: Any, is_known: bool) -> None:
            if is_known:
                case.path_parameters = {name: KNOWN.get(name, old) for name, old in case.path_parameters.items()}
            answer = case.call(base_url=base_url, headers={**(case.headers or {}), **headers})
            case.validate_response(answer, checks=wanted)

        try:
            send()
        except BaseException as error:
            failures[operation.label] = f"{error}"
    return failures


async def test_whatever_is_sent_is_answered_as_documented(
    jp_serverapp, http_server, jp_http_port, jp_base_url, jp_auth_header, store, tmp_path, monkeypatch
) -> None:
    try:
        importlib.import_module("schemathesis")
    except ImportError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("schemathesis is not installed: `pip install -e .[test]`")
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    fill(store)
    base_url = f"http://localhost:{jp_http_port}{jp_base_url}orchestra/api/v1"

    failures = await asyncio.to_thread(failures_of, base_url, jp_auth_header)

    assert not failures, "\n\n".join(f"{label}: {what}" for label, what in failures.items())
