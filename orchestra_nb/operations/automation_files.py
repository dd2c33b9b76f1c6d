"""Automations in files: which there are, each with where its parts stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestra_nb.errors import InvalidInput, OrchestraError
from orchestra_nb.model.automations import Automation
from orchestra_nb.model.findings import Findings
from orchestra_nb.operations.automation_reader import AutomationReader
from orchestra_nb.operations.located_yaml import LocatedYaml, SaidContent, read_located


class AutomationEntry:
    """One automation of a file, and where its parts stand.

    Parameters
    ----------
    path
        Where it stands in the file: ``"automations[0]"``.
    is_paused
        None where the file does not say it: one that is there stays as it is.
    """

    def __init__(self, source: LocatedYaml, path: str, automation: Automation, is_paused: bool | None) -> None:
        self._source = source
        self._path = path
        self.automation = automation
        self.is_paused = is_paused

    def place(self, field: str) -> str:
        """Return where one of its fields stands, such as ``"orchestra.yaml:12: automations[0].do[1].run"``."""
        return self._source.place(f"{self._path}.{field}")

    def error(self, field: str, error: OrchestraError) -> OrchestraError:
        """Return an error of the same class that says at which field its cause stands."""
        return self._source.error(f"{self._path}.{field}", error)


def read_automation_file(path: str | Path) -> list[AutomationEntry]:
    """Return the automations of a file that has some.

    Raises
    ------
    InvalidInput
        The file cannot be read, or says what there is not. The message has the file, the line and the field of all
        that is wrong.
    """
    source = read_located(Path(path))
    if not isinstance(source.content, dict) or not isinstance(source.content.get("automations"), list):
        raise InvalidInput(f"{source.place('automations')}: write `automations:`, and below it a list of them.")
    findings = Findings()
    entries = automations_of(source, findings)
    check_distinct(entries, findings)
    findings.tell()
    return entries


def automations_of(source: LocatedYaml, findings: Findings) -> list[AutomationEntry]:
    """Return the automations of a file that was read; what is wrong with others goes to the findings."""
    content = source.content
    items = content.get("automations", []) if isinstance(content, dict) else []
    if not isinstance(items, list):
        findings.errors.append(InvalidInput(f"{source.place('automations')}: automations are a list."))
        return []
    entries: list[AutomationEntry] = []
    for number, item in enumerate(items):
        where = f"automations[{number}]"
        read = AutomationReader(source, findings).automation(where, item)
        if read is None:
            continue
        entries.append(AutomationEntry(source, where, *read))
    return entries


def automation_of(form: Mapping[str, object]) -> AutomationEntry:
    """Return the automation that a form describes.

    Raises
    ------
    InvalidInput
        It cannot be; the message names all that is wrong.
    """
    source, findings = SaidContent(f"automation {form.get('name', '')}", form), Findings()
    read = AutomationReader(source, findings).automation("", form)
    findings.tell()
    assert read is not None
    return AutomationEntry(source, "", *read)


def triggers_of(
    source: LocatedYaml, path: str, items: Sequence[object], deployment: str, findings: Findings
) -> list[AutomationEntry]:
    """Return the automations that the triggers of a deployment are.

    Parameters
    ----------
    path
        Where the list of them stands: ``"deployments[0].triggers"``.
    findings
        Where goes what is wrong.
    """
    entries = []
    for number, item in enumerate(items):
        where = f"{path}[{number}]"
        read = AutomationReader(source, findings).trigger(where, item, deployment, number + 1)
        if read is not None:
            entries.append(AutomationEntry(source, where, *read))
    return entries


def check_distinct(entries: Sequence[AutomationEntry], findings: Findings) -> None:
    """See that each automation has a name of its own."""
    places: dict[str, str] = {}
    for entry in entries:
        name, place = entry.automation.name, entry.place("name")
        if name in places:
            findings.errors.append(InvalidInput(f"{place}: there is another automation {name!r}: {places[name]}."))
        places[name] = place
