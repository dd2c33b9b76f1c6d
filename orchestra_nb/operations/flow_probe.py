"""``python -m orchestra_nb.operations.flow_probe``: imports one flow, tries parameters on it, tells what it found.

The question comes as JSON on stdin. The answer is the last thing on stdout, behind a NUL byte: modules print, too.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.engine.run_codes import enter_folders, flows_of_file, load_code
from orchestra_nb.errors import CodeNotFound, InvalidParameters, OrchestraError
from orchestra_nb.model.jsonable import to_stored
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.operations.flow_deployment import FlowFacts, FlowQuestion, given_values
from orchestra_nb.operations.json_encoding import encode_json

if TYPE_CHECKING:
    from orchestra_nb.engine.flows import Flow


def facts_of(question: FlowQuestion) -> FlowFacts:
    """Import the flow here, which changes the current folder, and return what is to be told of it."""
    code = RunCode(
        run_id="",
        entrypoint=question.entrypoint,
        parameters_json="{}",
        working_folder=question.working_folder,
        import_folder=question.import_folder,
    )
    combinations: list[dict[str, object]] = []
    try:
        if question.entrypoint.endswith(":"):
            enter_folders(code)
            names = flows_of_file(Path(question.entrypoint.removesuffix(":")))
            if len(names) != 1:
                return FlowFacts(choices=names)
            code = msgspec.structs.replace(code, entrypoint=question.entrypoint + names[0])
        flow, _ = load_code(code)
        for one in question.combinations:
            combinations.append(_checked(flow, given_values(one), question))
    except CodeNotFound as error:
        return FlowFacts(problem=str(error), is_missing=True)
    except OrchestraError as error:
        which = f"{question.each} {len(combinations) + 1}: " if question.each else ""
        return FlowFacts(problem=f"{which}{error}")
    return FlowFacts(
        flow_name=flow.name,
        entrypoint=code.entrypoint or "",
        description=flow.description or "",
        warning=_unknown_name(flow, question.templated),
        combinations=[{name: to_stored(value) for name, value in one.items()} for one in combinations],
    )


def _checked(flow: Flow[Any, Any], given: Mapping[str, object], question: FlowQuestion) -> dict[str, object]:
    if unknown := _unknown_name(flow, given):
        raise InvalidParameters(unknown)
    names = _names_of(flow)
    missing = [
        name
        for name in names
        if name not in given and flow.signature.parameters[name].default is inspect.Parameter.empty
    ]
    if missing and question.is_whole:
        listed = ", ".join(map(repr, missing))
        raise InvalidParameters(
            f"The flow {flow.name} needs {listed}, which has no default. Give it with -p NAME VALUE."
        )
    values = {
        name: _meant(flow, name, str(value)) if name in question.texts else value for name, value in given.items()
    }
    flow.validate({name: value for name, value in values.items() if name in names})
    return values


def _names_of(flow: Flow[Any, Any]) -> list[str]:
    """Return the names of its parameters, without those that take all others."""
    return [
        name
        for name, parameter in flow.signature.parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _unknown_name(flow: Flow[Any, Any], given: Iterable[str]) -> str:
    """Say which of the given names is none of its parameters; empty where it takes them all."""
    names = _names_of(flow)
    takes_any = any(one.kind is one.VAR_KEYWORD for one in flow.signature.parameters.values())
    unknown = next((name for name in given if name not in names and not takes_any), None)
    if unknown is None:
        return ""
    near = difflib.get_close_matches(unknown, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = f"Its parameters are: {', '.join(names)}." if names else "It takes none."
    return f"The flow {flow.name} has no parameter {unknown!r}.{hint} {listed}"


def _meant(flow: Flow[Any, Any], name: str, text: str) -> object:
    """Return what a text from a command line means: of YAML's types where the annotation takes that, else the text."""
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # 2026-02-30 looks like a date
        return text
    parameter = flow.signature.parameters.get(name)
    hint = None if parameter is None else parameter.annotation
    if hint in (str, "str") or not isinstance(value, None | bool | int | float | list | dict):
        return text
    if parameter is None:
        return value
    try:
        flow.validate({name: value})
    except InvalidParameters:
        try:
            flow.validate({name: text})
        except InvalidParameters:
            return value  # refused with the others, in words about this value
        return text
    return value


def main() -> None:
    """Answer the question on stdin."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=FlowQuestion)
    facts = facts_of(question)
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\0" + encode_json(facts))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
