"""Artifacts, as users make them: links, Markdown, tables, progress, pictures, and any object with a rich form."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from orchestra_nb.engine.services import ask_for, in_thread
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.artifacts import MAX_ARTIFACT_BYTES, check_artifact_key
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.questions import CreateArtifact, IdAnswer, UpdateArtifact

#: A table as column name to values, as a list of rows, or as a list of lists.
Table = Mapping[str, Iterable[object]] | Iterable[Mapping[str, object]] | Iterable[Iterable[object]]

#: Method of an object that shows itself to MIME type, as IPython looks for them.
_REPRESENTATIONS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
}
_LONGEST_PLAIN_TEXT = 100_000


def create_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> str:
    """Keep a link, and return the artifact's id.

    Parameters
    ----------
    key
        Lower-case letters, digits and dashes. Each artifact of one key is a new version of it; None for one without
        history.
    description
        In Markdown.
    """
    target = _safe_link(link)
    return _create("markdown", f"[{_escaped(_text(link_text or link, 'A link'))}](<{target}>)", key, description)


def create_markdown_artifact(markdown: str, key: str | None = None, description: str | None = None) -> str:
    """Keep a text in Markdown, and return the artifact's id. ``key`` is that of :func:`create_link_artifact`."""
    return _create("markdown", _text(markdown, "Markdown"), key, description)


def create_table_artifact(table: Table, key: str | None = None, description: str | None = None) -> str:
    """Keep a table, and return the artifact's id. ``key`` is that of :func:`create_link_artifact`.

    Parameters
    ----------
    table
        Column name to its values, a list of dictionaries, or a list of lists. A data frame is kept as its columns.
        Values that JSON does not know are kept as text, times in ISO form.
    """
    return _create("table", _table(table), key, description)


def create_progress_artifact(progress: float, key: str | None = None, description: str | None = None) -> str:
    """Keep a progress from 0 to 100, and return the artifact's id for :func:`update_progress_artifact`."""
    return _create("progress", _progress(progress), key, description)


def update_progress_artifact(
    artifact_id: str | UUID, progress: float | None = None, description: str | None = None
) -> str:
    """Change a progress, and return the artifact's id. None leaves what there is.

    Raises
    ------
    ArtifactNotFound
        There is none of this id.
    InvalidInput
        It is no progress, or the number is not from 0 to 100.
    """
    question = UpdateArtifact(
        artifact_id=artifact_id.hex if isinstance(artifact_id, UUID) else artifact_id,
        data_json=None if progress is None else to_json_text(_progress(progress), "The progress"),
        description=description,
        type="progress",
    )
    return ask_for(IdAnswer, question).id


def create_image_artifact(image_url: str, key: str | None = None, description: str | None = None) -> str:
    """Keep a picture that stands at a URL, and return the artifact's id.

    For a picture in memory, such as a figure of matplotlib, use :func:`create_artifact`.
    """
    return _create("image", _safe_link(image_url), key, description)


def create_artifact(obj: object, key: str | None = None, description: str | None = None) -> str:
    """Keep any object as a notebook would show it, and return the artifact's id.

    What its ``_repr_mimebundle_``, ``_repr_html_`` and so on give is kept, of a matplotlib figure a picture (PNG), and
    its ``repr`` beside.
    """
    return _create("display", mime_bundle(obj), key, description)


def create_artifact_of_type(type_: str, data: object, key: str | None = None, description: str | None = None) -> str:
    """Keep data of JSON's types under a word for their kind, and return the artifact's id."""
    return _create(_text(type_, "A type"), data, key, description)


async def acreate_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> str:
    """:func:`create_link_artifact` for coroutines."""
    return await in_thread(create_link_artifact, link, link_text, key, description)


async def acreate_markdown_artifact(markdown: str, key: str | None = None, description: str | None = None) -> str:
    """:func:`create_markdown_artifact` for coroutines."""
    return await in_thread(create_markdown_artifact, markdown, key, description)


async def acreate_table_artifact(table: Table, key: str | None = None, description: str | None = None) -> str:
    """:func:`create_table_artifact` for coroutines."""
    return await in_thread(create_table_artifact, table, key, description)


async def acreate_progress_artifact(progress: float, key: str | None = None, description: str | None = None) -> str:
    """:func:`create_progress_artifact` for coroutines."""
    return await in_thread(create_progress_artifact, progress, key, description)


async def aupdate_progress_artifact(
    artifact_id: str | UUID, progress: float | None = None, description: str | None = None
) -> str:
    """:func:`update_progress_artifact` for coroutines."""
    return await in_thread(update_progress_artifact, artifact_id, progress, description)


async def acreate_image_artifact(image_url: str, key: str | None = None, description: str | None = None) -> str:
    """:func:`create_image_artifact` for coroutines."""
    return await in_thread(create_image_artifact, image_url, key, description)


async def acreate_artifact(obj: object, key: str | None = None, description: str | None = None) -> str:
    """:func:`create_artifact` for coroutines. The object shows itself in another thread."""
    return await in_thread(create_artifact, obj, key, description)


def mime_bundle(obj: object) -> dict[str, object]:
    """Return MIME type to content of an object, as in a notebook's output: pictures in Base64, ``text/plain`` last."""
    found: dict[str, object] = {}
    bundle = _call(obj, "_repr_mimebundle_")
    if isinstance(bundle, tuple):  # (data, metadata)
        bundle = bundle[0]
    if isinstance(bundle, Mapping):
        found |= {str(name): _content(content) for name, content in bundle.items()}
    for method, name in _REPRESENTATIONS.items():
        content = _call(obj, method) if name not in found else None
        if isinstance(content, tuple):
            content = content[0]
        if content is not None:
            found[name] = _content(content)
    if not found and (picture := _figure_as_png(obj)) is not None:
        found["image/png"] = picture
    found.setdefault("text/plain", repr(obj)[:_LONGEST_PLAIN_TEXT])
    return found


def _create(type_: str, data: object, key: str | None, description: str | None) -> str:
    question = CreateArtifact(
        type=type_,
        data_json=to_json_text(data, "The artifact", MAX_ARTIFACT_BYTES),
        key=check_artifact_key(key),
        description=None if description is None else _text(description, "A description"),
    )
    return ask_for(IdAnswer, question).id


def _progress(progress: float) -> float:
    number = float(progress)
    if not 0 <= number <= 100:
        raise InvalidInput(f"A progress is a number from 0 to 100, not {progress!r}.")
    return number


def _text(text: str, what: str) -> str:
    if not isinstance(text, str):
        raise InvalidInput(f"{what} is text, not {type(text).__name__}.")
    return text


def _safe_link(link: str) -> str:
    """Return a link that ends neither itself nor its line in Markdown, and runs no script."""
    text = _text(link, "A link").strip()
    if not text.isprintable() or any(character in text for character in "<>"):
        raise InvalidInput(f"{link!r} is no link.")
    scheme = text.partition(":")[0].lower()
    if scheme in ("javascript", "vbscript"):
        raise InvalidInput(f"{link!r} runs code; a link leads to a page.")
    return text


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "[]\\" else character for character in text)


def _table(table: Any) -> object:
    columns = getattr(table, "columns", None)
    if columns is not None and callable(getattr(table, "to_dict", None)):  # a data frame of pandas or polars
        return {str(name): [_cell(value) for value in table[name]] for name in columns}
    if isinstance(table, Mapping):
        return {str(name): [_cell(value) for value in values] for name, values in table.items()}
    if isinstance(table, str | bytes) or not isinstance(table, Iterable):
        raise InvalidInput(f"A {type(table).__name__} is no table: pass column name to values, or a list of rows.")
    return [
        {str(name): _cell(value) for name, value in row.items()}
        if isinstance(row, Mapping)
        else [_cell(value) for value in _row(row)]
        for row in table
    ]


def _row(row: object) -> Iterable[object]:
    if isinstance(row, str | bytes) or not isinstance(row, Iterable):
        raise InvalidInput(f"A {type(row).__name__} is no row of a table: pass a list or a dictionary.")
    return row


def _cell(value: Any) -> object:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if not isinstance(value, bool | int | float | str) and callable(getattr(value, "item", None)):
        try:
            value = value.item()  # a number of numpy
        except (TypeError, ValueError):
            return str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value)
    return str(value)


def _call(obj: object, method: str) -> Any:
    """Return what a method gives that shows an object; None where it has none, or a class itself is shown."""
    found = None if isinstance(obj, type) else getattr(obj, method, None)
    if not callable(found):
        return None
    try:
        return found()
    except NotImplementedError:
        return None  # pandas' styler and sympy say so that they do not show themselves in this form


def _content(content: object) -> object:
    if isinstance(content, bytes | bytearray):
        return base64.b64encode(content).decode("ascii")
    return content


def _figure_as_png(obj: object) -> str | None:
    """Return a matplotlib figure, or what has one (axes, a plot), as PNG in Base64."""
    figure: Any = obj if callable(getattr(obj, "savefig", None)) else getattr(obj, "figure", None)
    save: Callable[..., object] | None = getattr(figure, "savefig", None)
    if not callable(save):
        return None
    buffer = io.BytesIO()
    save(buffer, format="png", bbox_inches="tight")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
