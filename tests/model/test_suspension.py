"""Which runs may be asked to suspend themselves, and what those are told who ask for another."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from orchestra_nb.errors import CodeNotFound, Conflict
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.model.suspension import check_suspension


def check(
    *,
    kind: RunKind = RunKind.FLOW,
    state: State = State.RUNNING,
    driver_id: str | None = "d",
    deployment: str | None = None,
    **facts: Any,
) -> None:
    run = Run(
        run_id="r",
        name="owl",
        flow_name="f",
        kind=kind,
        state=state,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        driver_id=driver_id,
        deployment=deployment,
    )
    check_suspension(run, **{"parent": None, "is_remote": False, "missing_code": "", **facts})


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED, State.RETRYING])
def test_the_run_of_a_flow_that_goes_on_may_be_asked(state: State) -> None:
    check(state=state)


@pytest.mark.parametrize(
    ("facts", "error", "words"),
    [
        pytest.param({"state": State.FAILED}, Conflict, "has ended already (FAILED)", id="ended"),
        pytest.param({"state": State.PAUSED, "driver_id": None}, Conflict, "`orchestra runs resume owl`", id="already"),
        pytest.param({"state": State.CANCELLING}, Conflict, "is being cancelled", id="being cancelled"),
        pytest.param(
            {"state": State.SCHEDULED, "driver_id": None}, Conflict, "`orchestra runs cancel owl`", id="waits"
        ),
        pytest.param(
            {"state": State.SCHEDULED, "deployment": "load"}, Conflict, "deployments pause load`", id="of a deployment"
        ),
        pytest.param({"state": State.PENDING}, Conflict, "when it is RUNNING", id="being started"),
        pytest.param({"kind": RunKind.NOTEBOOK}, Conflict, "if it ran with --cache", id="notebook"),
        pytest.param({"kind": RunKind.SWEEP}, Conflict, "is a sweep", id="sweep"),
        pytest.param({"kind": RunKind.INTERACTIVE}, Conflict, "task cells of a kernel", id="kernel"),
        pytest.param({"kind": RunKind.TASK}, Conflict, "no flow has called", id="task"),
        pytest.param(
            {"parent": SimpleNamespace(name="fox", run_id="f")}, Conflict, "`orchestra runs suspend fox`", id="subflow"
        ),
        pytest.param({"is_remote": True}, Conflict, "remote worker", id="remote"),
        pytest.param({"missing_code": None}, CodeNotFound, "is not recorded", id="no code"),
        pytest.param({"missing_code": "its code is gone"}, CodeNotFound, "again: its code is gone", id="code missing"),
    ],
)
def test_others_are_refused_with_what_to_do(facts: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as raised:
        check(**facts)

    assert "owl" in str(raised.value)
    assert words in str(raised.value)
