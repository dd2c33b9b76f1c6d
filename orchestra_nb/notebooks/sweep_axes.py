"""What ``--sweep`` and ``--sweep-file`` say: axes of parameters, and combinations that are listed one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.model.sweeps import TypedText, lacks_step, range_of

_FORMS = "Write NAME=VALUE,VALUE,… or NAME=START:STOP:STEP."


def read_axes(texts: Iterable[str]) -> dict[str, list[object]]:
    """Return name to values of ``--sweep`` options.

    Values are texts as those of ``-p``, which the notebook gives their meaning; ``START:STOP:STEP`` is a range with its
    stop; what begins with ``[`` is a list in YAML, for texts with commas.

    Raises
    ------
    InvalidParameters
        A text has another form, or a name is there twice.

    Examples
    --------
    >>> read_axes(["alpha=0.1,0.2", "beta=1:5:2", "name=[a, 'b,c']"])
    {'alpha': ['0.1', '0.2'], 'beta': [1, 3, 5], 'name': ['a', 'b,c']}
    """
    axes: dict[str, list[object]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals or not name or not values.strip():
            raise InvalidParameters(f"--sweep {text!r} names no values. {_FORMS}")
        if name in axes:
            raise InvalidParameters(f"--sweep {name} is there twice. {_FORMS}")
        axes[name] = _values(values.strip(), name)
    return axes


def read_sweep_file(path: str | Path) -> tuple[dict[str, list[object]], list[dict[str, object]]]:
    """Return (axes, combinations) of a YAML or JSON file.

    A mapping of names to lists is a grid: its axes are multiplied; a name with a single value has it in all runs. A
    list of mappings is one combination each.

    Raises
    ------
    InvalidParameters
        The file cannot be read, or has another form.
    """
    content = _load(Path(path))
    if isinstance(content, Mapping) and content:
        return {
            _name(name, path): list(value) if isinstance(value, list) else [value] for name, value in content.items()
        }, []
    if isinstance(content, list) and content and all(isinstance(item, Mapping) and item for item in content):
        return {}, [{_name(name, path): value for name, value in item.items()} for item in content]
    raise InvalidParameters(
        f"{path} is no sweep. Write a mapping of parameters to lists of values, or a list of mappings, one a run."
    )


def _values(text: str, name: str) -> list[object]:
    where = f"--sweep {name}"
    if text.startswith("["):
        content = _parse(text, where)
        if isinstance(content, list) and content:
            return content
        raise InvalidParameters(f"{where}: {text!r} is no list of values. {_FORMS}")
    numbers = range_of(text)
    if numbers is not None:
        return list(numbers)
    if lacks_step(text):
        longer = f"{name}={text}:{_step(text)}"
        raise InvalidParameters(
            f"{where}: the range {text} has no step. Write {name}=START:STOP:STEP, such as {longer}; for "
            f"the text itself {name}=\"['{text}']\"."
        )
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise InvalidParameters(f"{where}: a value in {text!r} is empty. {_FORMS} A list in YAML may hold '' as well.")
    return [TypedText(part) for part in parts]


def _step(text: str) -> str:
    """Return a step that fits a range without one."""
    start, stop = (float(part) for part in text.split(":"))
    return ("-" if stop < start else "") + ("1" if start.is_integer() and stop.is_integer() else "0.1")


def _name(name: object, path: str | Path) -> str:
    if not isinstance(name, str):
        raise InvalidParameters(f"{path}: {name!r} is no name of a parameter. Put it in quotes.")
    return name


def _load(path: Path) -> object:
    try:
        return _parse(path.read_text(encoding="utf-8-sig"), str(path))
    except FileNotFoundError:
        raise InvalidParameters(f"There is no sweep file {path}.") from None
    except UnicodeDecodeError:
        raise InvalidParameters(f"{path} is not UTF-8 text, so it is no sweep file.") from None
    except OSError as error:
        raise InvalidParameters(f"The sweep file {path} cannot be read: {error.strerror}.") from None


def _parse(text: str, where: str) -> object:
    """Return the content of YAML, and JSON is YAML; dates stay texts, as in all parameters."""
    import yaml  # only where a flag asks for it  # type: ignore[import-untyped]

    class LoaderWithoutDates(yaml.SafeLoader):
        """Reads plain values only."""

    resolvers: Mapping[str, Sequence[Any]] = yaml.SafeLoader.yaml_implicit_resolvers
    LoaderWithoutDates.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
        for first, pairs in resolvers.items()
    }
    try:
        content: object = yaml.load(text, Loader=LoaderWithoutDates)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise InvalidParameters(f"{where}{line}: not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidParameters(f"{where}: not YAML: {str(error).splitlines()[0]}.") from None
    return content
