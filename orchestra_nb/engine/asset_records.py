"""What a task tells of the assets that it makes: that it made them, from what, and more about this version."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from orchestra_nb.engine.services import ask_for
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model import assets as records
from orchestra_nb.model.assets import asset_of, keys_of
from orchestra_nb.model.json_values import from_json_text, to_json_text
from orchestra_nb.model.questions import DoneAnswer, RecordMaterialization

#: Asset key to what was said of it, while a task that makes assets runs; None elsewhere.
_said: contextvars.ContextVar[dict[str, dict[str, object]] | None] = contextvars.ContextVar(
    "orchestra_asset_metadata", default=None
)


class Asset(records.Asset, frozen=True):
    """A thing that tasks make, named by a URI such as ``"s3://bucket/table.csv"``."""

    def add_metadata(self, metadata: Mapping[str, object]) -> None:
        """Say more about the version that the running task makes, as :func:`add_asset_metadata`."""
        add_asset_metadata(self, metadata)


@contextlib.contextmanager
def collecting_metadata(assets: Iterable[str | records.Asset]) -> Iterator[Mapping[str, dict[str, object]]]:
    """Collect what :func:`add_asset_metadata` says of these assets in this block: around the code that makes them.

    Gives asset key to metadata, filled as the block goes on.
    """
    said: dict[str, dict[str, object]] = {key: {} for key in keys_of(assets)}
    token = _said.set(said)
    try:
        yield said
    finally:
        _said.reset(token)


def add_asset_metadata(asset: str | records.Asset, metadata: Mapping[str, object]) -> None:
    """Say more about the version of an asset that the running task makes, such as how many rows it has.

    Parameters
    ----------
    metadata
        Of JSON's types; what is said later of the same name holds.

    Raises
    ------
    InvalidInput
        No task is running that makes this asset, or the metadata is no JSON.
    """
    key = asset_of(asset).key
    said = _said.get()
    if said is None:
        raise InvalidInput(f"Nothing makes an asset here. Say what {key} is like in the function that materializes it.")
    if key not in said:
        known = ", ".join(said) or "none"
        raise InvalidInput(f"This task does not materialize {key}. It materializes: {known}.")
    text = to_json_text(dict(metadata), f"The metadata of {key}")
    added = from_json_text(text)  # a copy of it as it is now
    assert isinstance(added, dict)
    said[key].update(added)


def record_materialization(
    asset: str | records.Asset,
    upstream: Iterable[str | records.Asset] = (),
    metadata: Mapping[str, object] | None = None,
    by: str | None = None,
) -> None:
    """Keep that an asset was made, by the run and the task run whose code this is.

    Parameters
    ----------
    upstream
        What it was made from. From now on its lineage is this.
    metadata
        About this version; of JSON's types.
    by
        The tool that made it, such as ``"dbt"``; None for the task itself.
    """
    made = asset_of(asset)
    properties = None if made.properties is None else msgspec.to_builtins(made.properties)
    question = RecordMaterialization(
        asset_key=made.key,
        upstream=keys_of(upstream),
        properties_json=None if properties is None else to_json_text(properties, f"What is said of {made.key}"),
        metadata_json=to_json_text(dict(metadata or {}), f"The metadata of {made.key}"),
        by=by,
    )
    ask_for(DoneAnswer, question)
