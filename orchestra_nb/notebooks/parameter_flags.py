"""The values that papermill's flags give: ``-p``, ``-r``, ``-f`` and ``-y``.

What ``-p`` gives stays text until the notebook says what it is: ``-p code 007`` for ``code: str`` is the text ``007``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from orchestra_nb.errors import InvalidParameters

#: The largest parameter file; each of its values may have 1 MB.
_LARGEST_FILE_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class GivenParameters:
    """What the flags give.

    Parameters
    ----------
    values
        Values with their types.
    texts
        Texts that the notebook's declaration gives a type; no name is in both.
    visible
        Names whose values stood on the command line, where others can read them.
    """

    values: dict[str, object] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    visible: frozenset[str] = frozenset()


def collect_parameters(
    *,
    files: Iterable[str | Path] = (),
    yaml_texts: Iterable[str] = (),
    typed: Iterable[tuple[str, str]] = (),
    raw: Iterable[tuple[str, str]] = (),
) -> GivenParameters:
    """Return the values of the flags ``-f``, ``-y``, ``-p`` and ``-r``.

    As in papermill, a kind wins over those before it in this order, whatever the order on the command line, and
    within a kind the later one wins.

    Raises
    ------
    InvalidParameters
        A file cannot be read, or is no YAML mapping; the message has the file and the line.
    """
    values: dict[str, object] = {}
    visible: set[str] = set()
    for file in files:
        values.update(_read_file(Path(file)))
    for text in yaml_texts:
        read = _read_yaml(text, "-y")
        values.update(read)
        visible.update(read)
    raw_values = dict(raw)
    texts = {name: text for name, text in typed if name not in raw_values}
    values = {name: value for name, value in values.items() if name not in texts} | raw_values
    return GivenParameters(values, texts, frozenset(visible | set(raw_values) | set(texts)))


def _read_file(path: Path) -> dict[str, object]:
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE_BYTES:
            raise InvalidParameters(
                f"The parameter file {path} has {size / (1 << 20):.1f} MB, and a parameter at most 1 MB. "
                "Write large values to files of their own and pass their paths."
            )
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidParameters(f"There is no parameter file {path}.") from None
    except UnicodeDecodeError:
        raise InvalidParameters(f"{path} is not UTF-8 text, so it is no parameter file.") from None
    except OSError as error:
        raise InvalidParameters(f"The parameter file {path} cannot be read: {error.strerror}.") from None
    if path.suffix.lower() == ".json" and text.strip():
        return _read_json(text, str(path))
    return _read_yaml(text, str(path))


def _read_json(text: str, where: str) -> dict[str, object]:
    """Return a JSON mapping. YAML 1.1 would read ``1e3`` in it as text."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidParameters(f"{where}, line {error.lineno}: not JSON: {error.msg}.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidParameters(f"{where}: not JSON: {str(error).splitlines()[0]}.") from None
    return _checked_mapping(content, where)


def _read_yaml(text: str, where: str) -> dict[str, object]:
    """Return a YAML mapping (JSON is YAML); dates stay texts, as in papermill."""
    import yaml  # only where a flag asks for it  # type: ignore[import-untyped]

    try:
        content = yaml.load(text, Loader=loader_without_dates())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise InvalidParameters(f"{where}{line}: not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidParameters(f"{where}: not YAML: {str(error).splitlines()[0]}.") from None
    return {} if content is None else _checked_mapping(content, where)


def _checked_mapping(content: object, where: str) -> dict[str, object]:
    if not isinstance(content, dict):
        raise InvalidParameters(f"{where}: not a mapping of names to values. Write NAME: VALUE, one a line.")
    return cast("dict[str, object]", content)


def loader_without_dates() -> Any:
    """Return the class of YAML's safe loader that leaves dates as texts."""
    import yaml

    class LoaderWithoutDates(yaml.SafeLoader):
        """Reads plain values only, and dates as texts."""

    LoaderWithoutDates.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return LoaderWithoutDates
