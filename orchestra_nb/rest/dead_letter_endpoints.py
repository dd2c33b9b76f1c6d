"""Dead letters beyond their list: what was asked when it failed, and another try of a run of a deployment."""

from __future__ import annotations

import msgspec

from orchestra_nb.errors import Conflict
from orchestra_nb.operations import dead_letter_decisions, pool_retries
from orchestra_nb.rest.endpoint import Area, Call, Role
from orchestra_nb.rest.follow_up_endpoints import Note
from orchestra_nb.rest.run_endpoints import RunAgain, run_again

area = Area("follow-up")


class LetterInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Name of an input to its value, in people's words."""

    inputs: dict[str, str]


@area.get("/dead-letters/{letter}/inputs")
def read_letter_inputs(call: Call, letter: str) -> LetterInputs:
    """Read what the task or flow of a dead letter was given."""
    found = dead_letter_decisions.show_dead_letter(call.store, letter)
    return LetterInputs(inputs=dead_letter_decisions.describe_inputs(call.store, found))


@area.post("/dead-letters/{letter}/retry", Role.RUNNER, status=202)
def retry_dead_letter(call: Call, letter: str, body: Note) -> RunAgain:
    """Have the run of a deployment that a dead letter tells of wait in its pool again; each is decided about once.

    A task, or a run of no deployment, is run again by `orchestra dead-letters retry`, where its code is.
    """
    again = pool_retries.retry_letter_in_pool(call.store, letter, actor=call.actor, now=call.now, note=body.note)
    if again is None:
        raise Conflict(
            f"The dead letter {letter} is of a task, or of a run of no deployment, so no service can run it again. "
            f"`orchestra dead-letters retry {letter}` does, on the machine where its code is."
        )
    return run_again(call, again)
