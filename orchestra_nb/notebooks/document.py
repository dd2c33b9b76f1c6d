"""Notebook files: read as plain JSON, repaired in memory, written as nbformat writes them.

nbformat itself is not imported (that costs seconds where jupyter-server is installed), except to upgrade notebooks of
format 3 and older. What is read is never written back to its source.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from orchestra_nb.errors import InvalidNotebook, NotebookNotFound
from orchestra_nb.model.numbers_in_file import cell_name

#: A notebook in the shape of nbformat 4.5, as plain mutable dicts and lists; every ``source`` is one string.
Notebook = dict[str, Any]
#: One cell of it.
Cell = dict[str, Any]

#: The tag of the cell that holds the parameters of a run.
INJECTED_TAG: Final = "injected-parameters"

_CELL_TYPES: Final = ("code", "markdown", "raw")
_CELL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONFLICT: Final = re.compile(rb"^(<<<<<<<|>>>>>>>|\|\|\|\|\|\|\|)( |\r?$)", re.MULTILINE)
_TITLE_LENGTH: Final = 60
#: Language to the kernelspec that is usual for it.
_USUAL_KERNELS: Final = {"python": "python3", "r": "ir", "julia": "julia", "bash": "bash"}
_TEXT_MIME_TYPES: Final = frozenset({"application/javascript", "image/svg+xml"})


def read_notebook(source: str | Path | bytes) -> Notebook:
    """Return a notebook from a file, or from a file's content.

    Repaired in memory: a byte order mark, sources as lists of lines, missing metadata and outputs, cell ids that are
    missing, invalid or there twice (the new ones are the same at each reading).

    Raises
    ------
    NotebookNotFound
        There is no such file; similar names in its folder are named.
    InvalidNotebook
        The file is no notebook that can be run: the message has the line and the reason.
    """
    if isinstance(source, bytes):
        return _parse(source, "the notebook")
    path = Path(source)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotebookNotFound(_not_found(path)) from None
    except IsADirectoryError:
        raise InvalidNotebook(f"{path} is a folder. Name a notebook in it.") from None
    except OSError as error:
        raise InvalidNotebook(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:  # NUL
        raise InvalidNotebook(f"{str(path)!r} is no path of a notebook.") from None
    return _parse(content, str(path))


def _not_found(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no notebook {path}: the folder {path.parent} does not exist."
    notebooks = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix == ".ipynb")
    names = {name.lower(): name for name in notebooks}
    wanted = path.name.lower() if path.suffix == ".ipynb" else f"{path.name.lower()}.ipynb"
    near = [names[name] for name in difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)]
    if near:
        return f"There is no notebook {path}. Did you mean {' or '.join(near)}?"
    if notebooks:
        shown = ", ".join(notebooks[:5]) + (", …" if len(notebooks) > 5 else "")
        return f"There is no notebook {path}. Notebooks in that folder: {shown}."
    return f"There is no notebook {path}, and no other notebook in that folder."


def _parse(content: bytes, where: str) -> Notebook:
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise InvalidNotebook(f"{where} is empty. Save the notebook in JupyterLab, then try again.")
    try:
        notebook = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidNotebook(f"{where}, line {line}: not UTF-8 text, so it is no notebook.") from None
    except json.JSONDecodeError as error:
        raise InvalidNotebook(_not_json(content, where, error)) from None
    except RecursionError:
        raise InvalidNotebook(f"{where} is nested too deeply to be a notebook.") from None
    if not isinstance(notebook, dict):
        raise InvalidNotebook(f"{where}, line 1: JSON, but no notebook: it has no cells.")
    return _repair(_current_format(notebook, where), where)


def _not_json(content: bytes, where: str, error: json.JSONDecodeError) -> str:
    conflict = _CONFLICT.search(content)
    if conflict is not None:
        line = content.count(b"\n", 0, conflict.start()) + 1
        mark = conflict.group(1).decode()
        return f"{where}, line {line}: unresolved merge conflict ({mark}). Resolve it, for example with nbdime."
    return f"{where}, line {error.lineno}, column {error.colno}: not JSON, so it is no notebook: {error.msg}."


def _current_format(notebook: dict[str, Any], where: str) -> dict[str, Any]:
    major, minor = notebook.get("nbformat"), notebook.get("nbformat_minor", 0)
    if major is None and "cells" not in notebook and "worksheets" not in notebook:
        raise InvalidNotebook(f"{where}: JSON, but no notebook: it has no cells.")
    if major is None:
        major = 3 if "worksheets" in notebook else 4
    if not isinstance(major, int) or isinstance(major, bool) or major < 1:
        raise InvalidNotebook(f"{where}: nbformat is {json.dumps(major)}, which is no format of a notebook.")
    if major > 4:
        raise InvalidNotebook(
            f"{where}: written in notebook format {major}.{minor}, and this version knows formats up to 4. "
            "Save it as format 4 with the program that wrote it, or update orchestra-nb."
        )
    if major < 4:
        notebook = _upgraded(notebook, major, where)
    if not isinstance(notebook.get("nbformat_minor"), int):
        notebook["nbformat_minor"] = 5
    notebook["nbformat"] = 4
    notebook["nbformat_minor"] = max(notebook["nbformat_minor"], 5)  # 4.5 brought cell ids
    return notebook


def _upgraded(notebook: dict[str, Any], major: int, where: str) -> dict[str, Any]:
    try:
        import nbformat  # heavy, and only for old files
    except ImportError:
        raise InvalidNotebook(
            f"{where}: written in the old notebook format {major}. Open and save it in JupyterLab, or install nbformat."
        ) from None
    try:
        upgraded = nbformat.convert(nbformat.from_dict(notebook), 4)  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever an old and broken file makes the converter raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidNotebook(f"{where}: the old notebook format {major} could not be upgraded: {reason}.") from None
    return cast("dict[str, Any]", json.loads(json.dumps(upgraded)))


def _repair(notebook: dict[str, Any], where: str) -> Notebook:
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise InvalidNotebook(f"{where}: JSON, but no notebook: it has no cells.")
    if not isinstance(notebook.setdefault("metadata", {}), dict):
        notebook["metadata"] = {}
    code_cells = 0
    for place, cell in enumerate(cells, 1):
        if not isinstance(cell, dict) or cell.get("cell_type") not in _CELL_TYPES:
            raise InvalidNotebook(
                f"{where}, the entry {place} of its cells: neither a code cell nor a markdown or raw cell."
            )
        is_code = cell["cell_type"] == "code"
        code_cells += is_code
        name = cell_name(code_cells) if is_code else f"the {cell['cell_type']} cell in place {place} of all"
        _repair_cell(cell, f"{where}, {name}")
    _repair_ids(cells)
    return notebook


def _repair_cell(cell: Cell, where: str) -> None:
    source = _joined(cell.get("source", ""))
    if not isinstance(source, str):
        raise InvalidNotebook(f"{where}: its source is no text.")
    cell["source"] = source
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    cell["metadata"].pop("trusted", None)
    _repair_tags(cell["metadata"])
    if cell["cell_type"] == "code":
        if not isinstance(cell.get("outputs"), list):
            cell["outputs"] = []
        cell.setdefault("execution_count", None)
        cell["outputs"] = [output for output in cell["outputs"] if isinstance(output, dict)]
        for output in cell["outputs"]:
            if "text" in output:
                output["text"] = _joined(output["text"])
            _join_bundle(output.get("data"))
    if isinstance(cell.get("attachments"), dict):
        for bundle in cell["attachments"].values():
            _join_bundle(bundle)


def _repair_tags(metadata: dict[str, Any]) -> None:
    """Make tags a list of texts: one that was written as text is the tag that it says."""
    if "tags" not in metadata:
        return
    tags = metadata["tags"]
    words = tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list) else []
    metadata["tags"] = list(dict.fromkeys(word.strip() for word in words if isinstance(word, str) and word.strip()))


def _joined(text: object) -> object:
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        return "".join(text)
    return text


def _join_bundle(bundle: object) -> None:
    if isinstance(bundle, dict):
        for mime, value in bundle.items():
            if mime != "application/json" and not (mime.startswith("application/") and mime.endswith("+json")):
                bundle[mime] = _joined(value)


def _repair_ids(cells: Iterable[Cell]) -> None:
    """Give each cell an id of its own; the first of two cells with one id keeps it."""
    seen: set[str] = set()
    for index, cell in enumerate(cells):
        found = cell.get("id")
        if not isinstance(found, str) or not _CELL_ID.fullmatch(found) or found in seen:
            text = f"{index}\0{cell['cell_type']}\0{cell['source']}"
            found = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
            while found in seen:
                found = hashlib.sha256(found.encode()).hexdigest()[:12]
            cell["id"] = found
        seen.add(found)


def notebook_text(notebook: Mapping[str, Any]) -> str:
    """Return the text of a notebook's file: byte for byte what nbformat's writer makes of it."""
    content = {
        **notebook,
        "metadata": _without(notebook["metadata"], "orig_nbformat", "orig_nbformat_minor", "signature"),
    }
    content["cells"] = [_split_cell(cell) for cell in notebook["cells"]]
    return json.dumps(content, indent=1, sort_keys=True, separators=(",", ": "), ensure_ascii=False) + "\n"


def _split_cell(cell: Cell) -> Cell:
    split = {**cell, "source": _split(cell["source"]), "metadata": _without(cell["metadata"], "trusted")}
    if "attachments" in cell:
        split["attachments"] = {name: _split_bundle(bundle) for name, bundle in cell["attachments"].items()}
    if cell["cell_type"] == "code":
        split["outputs"] = [_split_output(output) for output in cell["outputs"]]
    return split


def _split_output(output: Mapping[str, Any]) -> dict[str, Any]:
    kind = output["output_type"]
    if kind in ("execute_result", "display_data") and "data" in output:
        return {**output, "data": _split_bundle(output["data"])}
    if kind == "stream":
        return {**output, "text": _split(output["text"])}
    return dict(output)


def _split_bundle(bundle: Mapping[str, Any]) -> dict[str, Any]:
    return {
        mime: _split(value) if mime.startswith("text/") or mime in _TEXT_MIME_TYPES else value
        for mime, value in bundle.items()
    }


def _split(text: object) -> object:
    return text.splitlines(keepends=True) if isinstance(text, str) else text


def _without(metadata: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name not in names}


def write_notebook(notebook: Mapping[str, Any], path: str | Path) -> None:
    """Write a notebook's file at once: a reader sees the old content or the new one, never a part.

    A file that is replaced keeps its permissions; a symbolic link keeps pointing to the file, which is replaced.
    """
    target = Path(os.path.realpath(path))
    data = notebook_text(notebook).encode("utf-8", "surrogatepass")
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        mode = 0o666 & ~_umask()
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _umask() -> int:
    """Return the process's mask for new files."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(re.search(r"^Umask:\s*(\d+)", status, re.MULTILINE).group(1), 8)  # type: ignore[union-attr]
    except (OSError, AttributeError):
        return 0o022  # asking by os.umask would change it for other threads for a moment


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems refuse
        pass
    finally:
        os.close(descriptor)


def language(notebook: Mapping[str, Any]) -> str:
    """Return the language in lower case (``"python"``, ``"bash"``, ``"r"``); Python where the notebook does not say."""
    usual = {kernel: name for name, kernel in _USUAL_KERNELS.items()}
    return stated_language(notebook) or usual.get(_named_kernel(notebook), "python")


def stated_language(notebook: Mapping[str, Any]) -> str:
    """Return the language that the notebook states, in lower case; empty where it states none."""
    metadata = notebook.get("metadata", {})
    for section, key in (("kernelspec", "language"), ("language_info", "name")):
        value = metadata.get(section)
        if isinstance(value, Mapping) and isinstance(value.get(key), str) and value[key]:
            return str(value[key]).lower()
    return ""


def kernel_name(notebook: Mapping[str, Any]) -> str:
    """Return the kernelspec's name; the usual one of the language where there is none, else ``"python3"``."""
    return _named_kernel(notebook) or _USUAL_KERNELS.get(language(notebook), "python3")


def _named_kernel(notebook: Mapping[str, Any]) -> str:
    spec = notebook.get("metadata", {}).get("kernelspec")
    name = spec.get("name") if isinstance(spec, Mapping) else None
    return name if isinstance(name, str) else ""


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    """Return a cell's tags; what is no list of texts has none."""
    tags = cell.get("metadata", {}).get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def cell_title(source: str) -> str:
    r"""Return at most 60 characters that tell people which cell this is; empty for an empty cell.

    That is its first line, but for imports that something follows; of a function or class under decorators the first
    decorator and the name.

    Examples
    --------
    >>> cell_title("# Load the data\nimport pandas as pd")
    'Load the data'
    >>> cell_title("%%task train --retries 2\nmodel.fit(X)")
    '%%task train --retries 2'
    >>> cell_title("import pandas as pd\n\n@task(retries=2)\ndef load(region):\n    ...")
    '@task load'
    """
    titles = [(title, line) for line in map(str.strip, source.splitlines()) if (title := _titled(line))]
    text = _after_imports(titles) or (titles[0][0] if titles else "")
    return text if len(text) <= _TITLE_LENGTH else text[: _TITLE_LENGTH - 1].rstrip() + "…"


def _titled(line: str) -> str:
    """Return a line as a title: a comment without its marks, nothing for a mark of another tool and for a ruler."""
    if re.fullmatch(r"#\s*(%%.*|!.*|:.*|-\*-.*)|#[#\s=*~_-]*", line):
        return ""
    return re.sub(r"^#+\s*|[\s#=*~-]+$", "", line) if line.startswith("#") else line


def _after_imports(titles: list[tuple[str, str]]) -> str:
    """Return the title of the first line that imports nothing; of what is decorated, its decorator and its name."""
    is_inside = False
    decorator = ""
    for title, text in titles:
        if is_inside:
            is_inside = ")" not in text
        elif decorator:
            if (named := re.match(r"(?:async\s+def|def|class)\s+(\w+)", text)) is not None:
                return f"{decorator} {named[1]}"
        elif re.match(r"import\s|from\s+\S+\s+import\b", text):
            is_inside = "(" in text and ")" not in text
        elif (found := re.match(r"@\s*[\w.]+", text)) is not None:
            decorator = found[0]
        else:
            return title
    return decorator
