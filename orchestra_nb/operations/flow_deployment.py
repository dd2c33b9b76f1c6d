"""A flow in Python as it is deployed: imported and checked in a process of its own, as its runs will be.

So a deployment is refused where a run could not begin, and nothing of the user's modules stays in whoever deploys.
"""

from __future__ import annotations

import difflib
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.errors import CodeNotFound, InvalidInput, InvalidParameters
from orchestra_nb.model.deployments import FlowTarget
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.jsonable import from_stored, to_stored
from orchestra_nb.model.secret_values import SECRET_KEY, Secret
from orchestra_nb.model.sweeps import TypedText
from orchestra_nb.operations.absolute_paths import absolute_path, working_folder
from orchestra_nb.operations.deployment_request import DeploymentRequest
from orchestra_nb.operations.json_encoding import encode_json

if TYPE_CHECKING:
    from orchestra_nb.engine.flows import Flow

#: A module that takes longer to be imported cannot be meant to run on a schedule.
_IMPORT_SECONDS: Final = 300.0


class FlowFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that imported a flow tells.

    Parameters
    ----------
    entrypoint
        Where the flow stands: as asked for, with the name of the one flow of a file where none was named.
    combinations
        The values of each combination of parameters, of JSON's types.
    problem
        Why the flow cannot be deployed; empty where it can.
    is_missing
        Whether that is because it is not there.
    warning
        What is wrong with parameters whose values nobody knows yet.
    choices
        The flows of a file, where none was named and it has not exactly one; None otherwise.
    """

    flow_name: str = ""
    entrypoint: str = ""
    description: str = ""
    combinations: list[dict[str, Any]] = []
    problem: str = ""
    is_missing: bool = False
    warning: str = ""
    choices: list[str] | None = None


class FlowQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What that process is asked: each combination is parameter name to value, or to text where it is in ``texts``.

    An entrypoint that ends with its colon is the one flow of a file.
    """

    entrypoint: str
    working_folder: str
    import_folder: str | None
    combinations: list[dict[str, Any]]
    texts: list[str]
    templated: list[str]
    is_whole: bool
    each: str


def flow_target(request: DeploymentRequest) -> FlowTarget:
    """Return where the flow of a request stands and where it runs.

    Raises
    ------
    InvalidInput
        The target is not written as one, the folder is not there, or an option is one of notebooks.
    CodeNotFound
        The file is not there.
    """
    for option, value in (
        ("a kernel", request.kernel_name),
        ("cache", request.is_cached),
        ("an output", request.output_path),
        ("a timeout of cells", request.cell_timeout_seconds),
    ):
        if value:
            raise InvalidInput(f"{request.target} is a flow, and {option} is for notebooks. Leave it out.")
    where, _, name = request.target.rpartition(":") if ":" in request.target else (request.target, "", "")
    if not where or not (name.isidentifier() or where.endswith(".py")):
        raise InvalidInput(f"{request.target!r} names no flow. Write module:flow or file.py:flow.")
    if where.endswith(".py"):
        path = absolute_path(where)
        if not path.is_file():
            raise CodeNotFound(_no_file(path))
        entrypoint, home = f"{path}:{name}", path.parent
    else:
        entrypoint, home = request.target, absolute_path(".")
    working = working_folder(home if request.cwd is None else absolute_path(request.cwd))
    imports = home if request.import_folder is None else absolute_path(request.import_folder)
    return FlowTarget(entrypoint=entrypoint, working_folder=str(working), import_folder=str(imports))


def target_of_flow(flow: Flow[Any, Any]) -> tuple[str, str | None]:
    """Return the target of a flow object, and where its module is looked for.

    Raises
    ------
    CodeNotFound
        No other process can import it.
    """
    from orchestra_nb.engine.run_codes import entrypoint_of

    entrypoint = entrypoint_of(flow)
    if entrypoint is None:
        raise CodeNotFound(
            f"The flow {flow.name!r} cannot be imported by another process, so it cannot be deployed. Put it at "
            "the top level of a module or a script; in a notebook, deploy the notebook: %flow deploy --name NAME."
        )
    where = entrypoint.rpartition(":")[0]
    file = getattr(sys.modules.get(where), "__file__", None)
    if where.endswith(".py") or file is None:
        return entrypoint, None
    depth = where.count(".") + (1 if Path(file).name == "__init__.py" else 0)
    return entrypoint, str(absolute_path(file).parents[depth])


def check_flow(
    target: FlowTarget,
    combinations: Sequence[Mapping[str, object]],
    *,
    is_whole: bool,
    each: str = "",
    templated: Sequence[str] = (),
) -> FlowFacts:
    """Import a flow in a process of its own, and see that it takes each of these combinations of parameters.

    Parameters
    ----------
    combinations
        A value that is a :class:`~orchestra_nb.model.sweeps.TypedText` is given its meaning by the annotation.
    is_whole
        Whether parameters that have no default must be among them.
    each
        What a combination is called in messages, with its number.
    templated
        Names of parameters that will be given, too, with values that nobody knows yet.

    Raises
    ------
    CodeNotFound
        The module, the file or the flow is not there, or cannot be imported.
    InvalidInput
        A parameter does not fit.
    """
    for combination in combinations:
        for name, value in combination.items():
            if isinstance(value, Secret) or _is_reference(value):
                raise InvalidParameters(
                    f"Parameter {name!r}: a flow takes no secret as a parameter. Read "
                    'the stored one in the flow: `get_secret("NAME")` of orchestra_nb.variables.'
                )
            to_json_text(value, f"Parameter {name!r}")
    question = FlowQuestion(
        entrypoint=target.entrypoint,
        working_folder=target.working_folder,
        import_folder=target.import_folder,
        combinations=[{name: _sent(value) for name, value in one.items()} for one in combinations],
        texts=sorted({name for one in combinations for name, value in one.items() if isinstance(value, TypedText)}),
        templated=list(templated),
        is_whole=is_whole,
        each=each,
    )
    facts = _ask(question)
    if facts.choices is not None:
        raise CodeNotFound(_which_flow(target.entrypoint.removesuffix(":"), facts.choices))
    if facts.problem:
        raise (CodeNotFound if facts.is_missing else InvalidParameters)(facts.problem)
    return facts


def _no_file(path: Path) -> str:
    names = [one.name for one in path.parent.glob("*.py")]
    near = difflib.get_close_matches(path.name, sorted(names), n=1)
    return f"There is no file {path}.{f' Did you mean {near[0]}?' if near else ''}"


def _which_flow(file: str, names: Sequence[str]) -> str:
    if not names:
        return f"{file} has no flow: none of its functions has @flow above it."
    here = os.path.relpath(file)
    shown = file if here.startswith("..") else here
    commands = ", ".join(f"`orchestra deploy {shlex.quote(f'{shown}:{name}')}`" for name in names[:3])
    return f"{file} has {len(names)} flows: {', '.join(names)}. Name one: {commands}{', …' * (len(names) > 3)}."


def _sent(value: object) -> object:
    return str(value) if isinstance(value, TypedText) else to_stored(value)


def _ask(question: FlowQuestion) -> FlowFacts:
    command = [sys.executable, "-m", "orchestra_nb.operations.flow_probe"]
    try:
        answered = subprocess.run(command, input=encode_json(question), capture_output=True, timeout=_IMPORT_SECONDS)
    except subprocess.TimeoutExpired:
        raise CodeNotFound(
            f"{question.entrypoint} is not imported after {_IMPORT_SECONDS:.0f} s. Put what takes long into the flow."
        ) from None
    line = answered.stdout.rpartition(b"\0")[2]  # what the module prints comes before
    try:
        return msgspec.json.decode(line, type=FlowFacts)
    except msgspec.DecodeError:
        last = (answered.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise CodeNotFound(
            f"The process that imported {question.entrypoint} ended with {answered.returncode}: {last}"
        ) from None


def _is_reference(value: object) -> bool:
    """Tell whether a value stands for a stored secret."""
    return isinstance(value, Mapping) and set(value) == {SECRET_KEY}


def given_values(combination: Mapping[str, object]) -> dict[str, object]:
    """Return values as they were before they were sent."""
    return {name: from_stored(value) for name, value in combination.items()}
