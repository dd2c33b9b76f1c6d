"""YAML files whose every value knows its line, so that an error can say where it stands."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from orchestra_nb.errors import InvalidInput, NotFound, OrchestraError
from orchestra_nb.model.findings import Findings
from orchestra_nb.notebooks.parameter_flags import loader_without_dates
from orchestra_nb.operations.error_places import pointer_to

T = TypeVar("T")

#: Aliases make a great many values of a few lines.
_MOST_VALUES: Final = 100_000
_LARGEST_FILE_BYTES: Final = 8 << 20


class LocatedYaml:
    """A file's content, and the lines of what is in it.

    Parameters
    ----------
    content
        Plain values; dates stay texts.
    lines
        Path of a value to its line, from 1: ``"deployments[0].name"``.
    """

    def __init__(self, file: str, content: object, lines: Mapping[str, int]) -> None:
        self.file = file
        self.content = content
        self._lines = lines

    def place(self, path: str) -> str:
        """Return where a value stands, such as ``"orchestra.yaml:12: deployments[0].name"``, or where it would."""
        known = path = path.lstrip(".")
        while known and known not in self._lines:
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        return f"{self.file}:{self._lines.get(known, 1)}: {path}"

    def error(self, path: str, error: OrchestraError, *, base: str | None = None) -> OrchestraError:
        """Return an error of the same class that says where its cause stands.

        Parameters
        ----------
        base
            Where the pointers of the error begin; None for the same place.
        """
        message = f"{self.place(path)}: {error}"
        if not isinstance(error, InvalidInput | NotFound):
            return type(error)(message)
        begin = pointer_to(path if base is None else base)
        at = {f"{begin}{pointer}": detail for pointer, detail in error.at.items()}
        if not at and (whole := pointer_to(path)):
            at = {whole: str(error)}
        located = type(error)(message)
        located.at = at
        return located

    def convert(self, path: str, value: object, kind: type[T], what: str) -> T:
        """Return a value as a record.

        Raises
        ------
        InvalidInput
            A field is unknown, or of another type.
        """
        if not isinstance(value, dict):
            raise self.error(path, InvalidInput(f"{what} is a mapping of fields, not {type(value).__name__}."))
        known = [field.encode_name for field in msgspec.structs.fields(kind)]  # type: ignore[arg-type]
        unknown = [name for name in value if name not in known]
        if unknown:
            findings = Findings()
            for name in unknown:
                refusal = InvalidInput(f"{what} has no such field. {_hint(name, known)}")
                findings.errors.append(self.error(f"{path}.{name}", refusal))
            findings.tell()
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            reason, _, inner = str(error).partition(" - at `$")
            inner = re.sub(r"\[\.\.\.\].*|`$", "", inner)
            raise self.error(f"{path}{inner}", InvalidInput(f"{reason}.")) from None


class SaidContent(LocatedYaml):
    """What did not come from a file: its places have no lines.

    Parameters
    ----------
    what
        Begins each place: ``"automation refill"``.
    """

    def __init__(self, what: str, content: object) -> None:
        super().__init__("", content, {})
        self._what = what

    def place(self, path: str) -> str:
        """Return where a value stands: ``"automation refill: do[0].run"``."""
        return self._what + (f": {path.lstrip('.')}" if path.strip(".") else "")


def read_located(path: Path) -> LocatedYaml:
    """Read a file.

    Raises
    ------
    InvalidInput
        It cannot be read, or is no YAML.
    """
    return parse_located(str(path), read_text(path))


def read_text(path: Path) -> str:
    """Return the text of a file of deployments or automations.

    Raises
    ------
    InvalidInput
        It cannot be read.
    """
    try:
        data = path.read_bytes()
        if len(data) > _LARGEST_FILE_BYTES:
            raise InvalidInput(f"{path} has {len(data) / (1 << 20):.0f} MB: it is no file of deployments.")
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise InvalidInput(f"There is no file {path}.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8 text.") from None


def parse_located(file: str, text: str) -> LocatedYaml:
    """Return the content of a file with this text.

    Raises
    ------
    InvalidInput
        It is no YAML.
    """
    import yaml

    lines: dict[str, int] = {}
    try:
        loader = loader_without_dates()(text)
        node = loader.get_single_node()
        content = None if node is None else _Builder(loader, file, lines).value_of(node, "")
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise InvalidInput(f"{file}{line}: not YAML: {error.problem or error.context}.") from None
    except InvalidInput:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{file}: not YAML: {str(error).splitlines()[0]}.") from None
    return LocatedYaml(file, content, lines)


class _Builder:
    """Makes plain values of YAML's nodes, and notes their lines."""

    def __init__(self, loader: Any, file: str, lines: dict[str, int]) -> None:
        self._loader = loader
        self._file = file
        self._lines = lines
        self._left = _MOST_VALUES
        self._flat: set[int] = set()

    def value_of(self, node: Any, path: str) -> object:
        import yaml

        self._left -= 1
        if self._left < 0:
            raise InvalidInput(f"{self._file} has more than {_MOST_VALUES:,} values.")
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.value_of(item, f"{path}[{number}]") for number, item in enumerate(node.value)]
        return self._loader.construct_object(node, deep=True)

    def _items(self, node: Any, path: str) -> Iterator[tuple[str, object]]:
        if id(node) not in self._flat:  # an alias comes again
            self._flat.add(id(node))
            seen: dict[str, int] = {}
            for key, _ in node.value:
                name, line = str(key.value), key.start_mark.line + 1
                if name in seen:
                    raise InvalidInput(f"{self._file}:{line}: {name} stands in line {seen[name]} already.")
                seen[name] = line
            self._loader.flatten_mapping(node)  # what << merges in comes first, and what is said here replaces it
        for key, value in node.value:
            name = self._loader.construct_object(key, deep=True)
            if not isinstance(name, str):
                line = key.start_mark.line + 1
                raise InvalidInput(f"{self._file}:{line}: {name!r} is no name of a field. Write it in quotes.")
            inner = f"{path}.{name}" if path else name
            self._lines[inner] = key.start_mark.line + 1
            yield name, self.value_of(value, inner)


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"The fields are: {', '.join(known)}."
