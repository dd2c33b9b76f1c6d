"""Automations: made, replaced, and tried before anything depends on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta

from orchestra_nb.errors import InvalidInput, NameTaken
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.operations import automation_texts, automations
from orchestra_nb.operations.automation_files import automation_of
from orchestra_nb.operations.automation_reader import AutomationFields, AutomationForm
from orchestra_nb.operations.automations import FoundFiles, MadeAutomation
from orchestra_nb.rest.endpoint import Area, Call, Instant

area = Area("follow-up")

_TRIED: Final = timedelta(days=7)


class NamedAutomation(AutomationFields, frozen=True, kw_only=True):
    """An automation as files say it; its name, where it is said, is that of the path."""

    name: str | None = None


class AutomationText(msgspec.Struct, frozen=True, kw_only=True):
    """An automation as YAML."""

    text: Annotated[str, Meta(max_length=100_000)]


class ReadAutomation(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says; the other calls take `form`."""

    name: str
    form: dict[str, Any]


class DryRunRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """On what an automation is tried."""

    since: Annotated[Instant | None, Meta(description="From when on; null for the last 7 days.")] = None
    automation: Annotated[
        NamedAutomation | None, Meta(description="Try this in place of the one that is kept, if there is one.")
    ] = None


class DryFiring(msgspec.Struct, frozen=True, kw_only=True):
    """What would have been done at once: the actions in the form of files, rendered; secrets stand there by name."""

    at: datetime
    about: str
    run_id: str | None
    is_met: bool
    refusal: str
    actions: tuple[Any, ...]


class DryRunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an automation would have done, the oldest first; also where its condition does not hold.

    Where so much happened that ``is_cut``, it is all until ``until``: the next call may begin there.
    """

    automation: str
    since: datetime
    until: datetime
    looked_at: int
    firings: tuple[DryFiring, ...]
    is_cut: bool
    files: tuple[FoundFiles, ...]
    warnings: Annotated[tuple[str, ...], Meta(description="What making one that is sent would warn of.")] = ()


@area.post("/automations/read", keeps_answer=False, is_one_transaction=False)
def read_automation_text(call: Call, body: AutomationText) -> ReadAutomation:
    """Read an automation that was written as YAML, and see whether it could be made; nothing is kept.

    A refusal names the line of all that is wrong, also of a channel or a deployment that is not there.
    """
    form = automation_texts.read_automation_text(call.store, body.text, call.settings)
    return ReadAutomation(name=form["name"], form=form)


@area.get("/automations/{name}/text")
def show_automation_text(call: Call, name: str) -> AutomationText:
    """Show an automation as YAML, to be edited."""
    return AutomationText(text=automation_texts.automation_text(call.store, name))


@area.post("/automations", status=201, is_one_transaction=False)
def create_automation(call: Call, body: AutomationForm) -> MadeAutomation:
    """Make an automation, described as in files; it looks at what happens from now on.

    A path of files that is not absolute is one from the folder of the server.
    """
    try:
        return automations.create_automation(
            call.store, msgspec.to_builtins(body), call.settings, may_replace=False, now=call.now
        )
    except NameTaken as error:
        raise NameTaken(f"{error} PUT /automations/{quote(body.name, safe='')} replaces it.") from None


@area.put("/automations/{name}", is_one_transaction=False)
def replace_automation(call: Call, name: str, body: NamedAutomation) -> MadeAutomation:
    """Make an automation, or have the one of this name be like this.

    Without `paused` one that is there rests, or acts, as before.
    """
    return automations.create_automation(call.store, _form(name, body), call.settings, may_replace=True, now=call.now)


@area.post("/automations/{name}/test", keeps_answer=False, is_one_transaction=False)
def dry_run_automation(call: Call, name: str, body: DryRunRequest) -> DryRunAnswer:
    """Tell what an automation would have done about what happened since; nothing is done, sent or counted.

    Where one that is kept waits for files it is looked for them now; not for one that is only sent, which could name
    any place, and the server's secrets. What could not be made is refused.
    """
    warnings: tuple[str, ...] = ()
    since = call.now - _TRIED if body.since is None else body.since
    if body.automation is None:
        trial = automations.try_automation(call.store, name, since=since, now=call.now, settings=call.settings)
    else:
        entry = automation_of(_form(name, body.automation))
        warnings = automations.check_entry(call.store, entry, call.settings)
        trial = automations.try_out(call.store, entry.automation, since=since, now=call.now)
    return DryRunAnswer(
        automation=trial.automation,
        since=trial.since,
        until=trial.until,
        looked_at=trial.looked_at,
        firings=tuple(
            DryFiring(
                at=firing.at,
                about=firing.about,
                run_id=firing.run_id,
                is_met=firing.is_met,
                refusal=firing.refusal,
                actions=tuple(to_readable(one) for one in automations.planned_actions(firing)),
            )
            for firing in trial.firings
        ),
        is_cut=trial.is_cut,
        files=trial.files,
        warnings=warnings,
    )


def _form(name: str, body: NamedAutomation) -> dict[str, Any]:
    if body.name not in (None, name):
        raise InvalidInput(f"The automation of this path is {name!r}, and the body names {body.name!r}.")
    form: dict[str, Any] = msgspec.to_builtins(body)
    return {**form, "name": name}
