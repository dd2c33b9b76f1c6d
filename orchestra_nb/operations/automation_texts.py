"""One automation as a text that people edit: YAML, as in a file, with the line of what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.findings import Findings
from orchestra_nb.operations.automation_files import AutomationEntry
from orchestra_nb.operations.automation_reader import AutomationReader
from orchestra_nb.operations.automations import foresee_entry, show_automation
from orchestra_nb.operations.located_yaml import parse_located

if TYPE_CHECKING:
    from orchestra_nb.settings import Settings
    from orchestra_nb.store.run_store import RunStore

#: Stands before the line in messages.
_FILE: Final = "automation.yaml"


def automation_text(store: RunStore, name: str) -> str:
    """Return a stored automation as a text; raises AutomationNotFound where there is none of this name."""
    import yaml

    form = show_automation(store, name, limit=1).form
    text: str = yaml.safe_dump(form, sort_keys=False, allow_unicode=True, width=100)
    return text


def read_automation_text(store: RunStore, text: str, settings: Settings) -> dict[str, Any]:
    """Return the form that a text of one automation says, with its name, where it could be made.

    Raises
    ------
    InvalidInput
        It is no automation; the message has the line of all that is wrong.
    NotFound
        A deployment, a pool or a channel that it names is not there.
    """
    source, findings = parse_located(_FILE, text), Findings()
    if not isinstance(source.content, dict):
        raise InvalidInput(f"{_FILE}:1: an automation is a mapping of fields: name, when, do.")
    read = AutomationReader(source, findings).automation("", source.content)
    if read is not None:
        foresee_entry(store, AutomationEntry(source, "", *read), settings, findings)
    findings.tell()
    return source.content
