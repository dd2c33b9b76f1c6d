"""Values for one run of a notebook, checked against what it declares and made ready, before anything starts.

papermill runs parameter *names* as code and gives any value to any parameter. Here names, values and their number are
checked as a whole: what is wrong is refused, and everything else arrives exactly.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import keyword
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.notebooks import document
from orchestra_nb.notebooks.converted_values import Converted, Misfit, secret_in
from orchestra_nb.notebooks.parameter_conversion import LIMIT_DEPTH, Converter
from orchestra_nb.notebooks.parameter_injection import hidden_source, inject_source, parameters_source
from orchestra_nb.notebooks.parameter_types import AnyType, Parameter
from orchestra_nb.notebooks.parameters import PARAMETERS_TAG, Declaration, read_declaration

#: Parameters that tell a notebook where it is, as papermill names them; it need not declare them.
_PATH_PARAMETERS: Final = ("PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH")
_LIMIT_BYTES: Final = 1 << 20
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedParameters:
    """The values of one run, ready to be given to its notebook.

    Parameters
    ----------
    recorded
        Parameter name to value as JSON has it, secrets hidden: for people, the store and the output notebook. Given
        again it prepares the same, but for secrets that were given as text.
    source
        The text of the cell that sets them; empty without values.
    hidden_source
        Code that sets what holds secrets. It goes to the kernel and nowhere else.
    secrets
        Texts that must not be seen.
    """

    recorded: dict[str, object]
    source: str
    hidden_source: str = ""
    secrets: tuple[str, ...] = ()

    def inject(self, notebook: dict[str, Any]) -> None:
        """Put the cell into a notebook, as papermill does."""
        inject_source(notebook, self.source)


def prepare_parameters(
    notebook: Mapping[str, Any],
    values: Mapping[str, object],
    *,
    texts: Mapping[str, str] | None = None,
    strict: bool = True,
    kernel_name: str | None = None,
    language: str | None = None,
    find_secret: Callable[[str], Secret] | None = None,
    visible: Collection[str] = (),
    is_whole: bool = True,
) -> PreparedParameters:
    """Check the values for a run of a notebook and convert them to what it declares.

    Parameters
    ----------
    notebook
        As :mod:`orchestra_nb.notebooks.document` reads it; it stays as it is.
    values
        Parameter name to a value of JSON's types, a real object, or ``{"$secret": name}`` for a stored secret.
    texts
        Parameter name to a text from a command line, which the declared type gives its meaning.
    strict
        Refuse names that the notebook does not declare, and a run without those that it needs.
    kernel_name, language
        Of the kernel that is to run it; None for what the notebook says.
    find_secret
        Returns a stored secret. With None references are only checked, and what is prepared cannot be run.
    visible
        Names whose values others could read where they were given: no place for a secret.
    is_whole
        Whether those that have no default must be among them: else they are to be given later.

    Raises
    ------
    InvalidParameters
        A name cannot be one or is not declared, one that is needed is missing, a value does not fit or would not arrive
        as it is. The message names it and the remedy.
    """
    kernel_name = kernel_name or document.kernel_name(notebook)
    language = language or document.language(notebook)
    given = {**values, **(texts or {})}
    for name in given:
        _check_name(name)
    declaration = read_declaration(notebook, language=language, kernel_name=kernel_name)
    refused: list[InvalidParameters] = []
    if strict:
        _check_declared(declaration, [name for name in given if name not in _PATH_PARAMETERS], language)
        if is_whole and (missing := _missing(declaration, given)) is not None:
            refused.append(missing)
    parameters = {} if declaration is None else {each.name: each for each in declaration.parameters}
    converter = Converter(
        scope=Converter().scope if declaration is None else declaration.scope,
        find_secret=find_secret,
        is_strict=strict,
    )
    converted: dict[str, Converted] = {}
    for name, value in given.items():
        parameter = parameters.get(name, Parameter(name=name))
        try:
            _check_size(name, value)
            if name in visible and parameter.is_secret and secret_in(value) is None:
                raise InvalidParameters(
                    f"Parameter {name!r} is a secret, and others can read it on a command line. Store it with "
                    f"`orchestra secrets set NAME` and give --secret {name} NAME, or have it asked for with "
                    f"--secret {name} -."
                )
            converted[name] = _converted(converter, parameter, value, is_text=name in (texts or {}))
        except InvalidParameters as error:
            refused.append(InvalidParameters(str(error), error.at or _at(name, str(error))))
    if refused:
        raise InvalidParameters(
            "\n".join(str(error) for error in refused),
            {pointer: detail for error in refused for pointer, detail in error.at.items()},
        )
    of_kernel = {"kernel_name": kernel_name, "language": language}
    return PreparedParameters(
        recorded={name: value.recorded for name, value in converted.items()},
        source=parameters_source(converted, **of_kernel),
        hidden_source=hidden_source(converted, **of_kernel),
        secrets=tuple(dict.fromkeys(text for value in converted.values() for text in value.secrets if text)),
    )


def _converted(converter: Converter, parameter: Parameter, value: object, *, is_text: bool) -> Converted:
    try:
        converted = converter.convert(parameter.type, value, is_text=is_text)
    except Misfit as misfit:
        message = _describe(parameter, misfit, is_text=is_text)
        raise InvalidParameters(message, _at(parameter.name, _in_few_words(parameter, misfit))) from None
    except RecursionError:
        raise InvalidParameters(f"Parameter {parameter.name!r} is nested too deeply.") from None
    _check_recorded(parameter.name, converted.recorded)
    for text in converted.secrets:
        _check_recorded(parameter.name, text)
    return converted


def _describe(parameter: Parameter, misfit: Misfit, *, is_text: bool) -> str:
    where = f"Parameter {parameter.name!r}"
    if misfit.is_secret:
        return f"{where} is declared as {parameter.annotation or 'a secret'}: {misfit.reason}."
    value = misfit.value
    shown = _shown(repr(value))
    reason = f": {misfit.reason}" if misfit.reason else ""
    if isinstance(parameter.type, AnyType) and parameter.type.hint is None and parameter.annotation is None:
        return f"{where}: {misfit.place} a value of type {type(value).__name__} cannot be passed{reason}.".replace(
            "  ", " "
        )
    if isinstance(parameter.type, AnyType) and is_text:
        place = f", its {misfit.place.lstrip('.')}" if misfit.place else ""
        return (
            f"{where} is read as {parameter.type}, the type of its default {_shown(parameter.default_source)}, and was "
            f"given {shown}{place}{reason}. With -r {parameter.name} TEXT it gets a text as it is."
        )
    declared = parameter.annotation or str(parameter.type)
    place = f", and its {misfit.place.lstrip('.')}" if misfit.place else ", and"
    return f"{where} is declared as {declared}{place} was given {shown} ({type(value).__name__}){reason}."


def _in_few_words(parameter: Parameter, misfit: Misfit) -> str:
    """Return what is wrong, for who sees the parameter's name, its type and what was given."""
    place = f"{misfit.place.lstrip('.')}: " if misfit.place else ""
    if misfit.reason:
        reason = misfit.reason if place else misfit.reason[:1].upper() + misfit.reason[1:]
        return f"{place}{reason}."
    what = "This does not fit" if not place else "this does not fit"
    return f"{place}{what}: it is declared as {parameter.annotation or str(parameter.type)}."


def _at(name: str, detail: str) -> dict[str, str]:
    return {f"/parameters/{name}": detail}


def _shown(source: str) -> str:
    """Return the text of a value in one line that is not too long."""
    line = " ".join(source.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        shown = repr(name) if len(repr(name)) <= 80 else repr(name)[:79] + "…"
        raise InvalidParameters(f"{shown} cannot be the name of a parameter. Write letters, digits and _ only.")
    if keyword.iskeyword(name):
        raise InvalidParameters(f"{name!r} cannot be the name of a parameter: it is a keyword of Python.")
    if name.startswith("__"):
        raise InvalidParameters(f"{name!r} cannot be the name of a parameter: such names belong to Python itself.")


def check_names(notebook: document.Notebook, given: Collection[str]) -> None:
    """See that a notebook declares parameters of these names.

    Raises
    ------
    InvalidParameters
        It does not.
    """
    names = [name for name in given if name not in _PATH_PARAMETERS]
    _check_declared(read_declaration(notebook), names, document.language(notebook))


def _check_declared(declaration: Declaration | None, given: Collection[str], language: str) -> None:
    if declaration is None:
        if given and language == "python":
            raise InvalidParameters(
                f"The notebook takes no parameters, and was given {', '.join(given)}. Put the defaults into a cell and "
                f"add the tag {PARAMETERS_TAG!r} to it (in JupyterLab: the property inspector at the right, Cell Tags)."
            )
        return
    if declaration.problem and given:
        raise InvalidParameters(f"The parameters cell is no Python that can be read: {declaration.problem}.")
    if not declaration.is_complete:
        return
    known = [parameter.name for parameter in declaration.parameters]
    for name in given:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = f"Its parameters are: {', '.join(known)}." if known else "Its parameters cell declares none."
        message = f"The notebook has no parameter {name!r}.{hint} {listed}"
        raise InvalidParameters(message, _at(name, f"The notebook has no such parameter.{hint}"))


def _missing(declaration: Declaration | None, given: Collection[str]) -> InvalidParameters | None:
    """Return the error that names what is needed and was not given; None where there is nothing of that kind."""
    if declaration is None or not declaration.is_complete:
        return None
    missing = [each for each in declaration.parameters if each.is_required and each.name not in given]
    if not missing:
        return None
    listed = ", ".join(f"{each.name!r} ({each.annotation})" for each in missing)
    what = "a value for its parameter" if len(missing) == 1 else "values for its parameters"
    return InvalidParameters(
        f"The notebook needs {what} {listed}: it has no default. Give it with -p NAME VALUE.",
        {f"/parameters/{each.name}": "A value is needed: there is no default." for each in missing},
    )


def _check_size(name: str, value: object) -> None:
    """Refuse what is far too large before it is looked at; YAML can make a thousand million items of a few lines."""
    size, waiting = 0, [(value, 0)]
    while waiting and size <= 2 * _LIMIT_BYTES:
        part, depth = waiting.pop()
        if depth > LIMIT_DEPTH:
            return  # refused for that
        if isinstance(part, str):
            size += len(part)
        elif isinstance(part, Mapping):
            waiting.extend((inner, depth + 1) for pair in part.items() for inner in pair)
        elif isinstance(part, list | tuple | set | frozenset):
            waiting.extend((inner, depth + 1) for inner in part)
        size += 2  # at least, as JSON: a digit and a comma
    size += sum(len(part) for part, _ in waiting if isinstance(part, str))
    if size > 2 * _LIMIT_BYTES:
        raise InvalidParameters(_too_large(name, size))
    if size > _LIMIT_BYTES // 8:  # what is large may be too large
        with contextlib.suppress(TypeError):  # real objects: what becomes of them is measured
            _check_recorded(name, value)


def _check_recorded(name: str, recorded: object) -> None:
    try:
        size = len(json.dumps(recorded, ensure_ascii=False).encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidParameters(f"Parameter {name!r} holds a character that is no Unicode text.") from None
    except ValueError as error:  # an integer with more than 4,300 digits
        raise InvalidParameters(f"Parameter {name!r} cannot be written down: {error}.") from None
    if size > _LIMIT_BYTES:
        raise InvalidParameters(_too_large(name, size))


def _too_large(name: str, size: int) -> str:
    return (
        f"Parameter {name!r} takes {size / (1 << 20):.1f} MB, and the limit is 1 MB. "
        "Write it to a file and pass the path."
    )
