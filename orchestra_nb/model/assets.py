"""Assets: things outside of a run that tasks make from others, such as files, tables and models; and their lineage."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput

_KEY = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_LONGEST_KEY: Final = 512


class AssetProperties(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What people want to know of an asset."""

    name: str | None = None
    description: str | None = None
    url: str | None = None
    owners: tuple[str, ...] | None = None


class Asset(msgspec.Struct, frozen=True):
    """A thing that tasks make, named by a URI.

    Parameters
    ----------
    key
        A URI, such as ``"s3://bucket/table.csv"`` or ``"file:///data/model.bin"``; at most 512 characters.

    Raises
    ------
    InvalidInput
        The key is no URI.

    Examples
    --------
    >>> Asset("s3://bucket/table.csv").key
    's3://bucket/table.csv'
    """

    key: str
    properties: AssetProperties | None = None

    def __post_init__(self) -> None:
        if len(self.key) > _LONGEST_KEY or not _KEY.fullmatch(self.key) or not self.key.isprintable():
            raise InvalidInput(
                f"{self.key!r} is no asset key: it is a URI without blanks of at most {_LONGEST_KEY} characters, "
                "such as s3://bucket/table.csv."
            )


class Materialization(msgspec.Struct, frozen=True, kw_only=True):
    """A task has made an asset anew.

    Parameters
    ----------
    upstream
        The keys of the assets that it was made from.
    metadata
        What the task says of this version (rows, a checksum); of JSON's types.
    by
        The tool that did it (``"dbt"``), when it was not the task itself.
    """

    asset_key: str
    at: datetime
    upstream: tuple[str, ...] = ()
    metadata: dict[str, object] = {}
    by: str | None = None
    run_id: str | None = None
    task_run_id: str | None = None


class AssetState(msgspec.Struct, frozen=True, kw_only=True):
    """An asset as it was last materialized.

    Parameters
    ----------
    last
        None for one that others are made from, and no task makes.
    """

    key: str
    properties: AssetProperties | None = None
    last: Materialization | None = None


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """What an asset is made from, and what is made from it, near ones first.

    Parameters
    ----------
    edges
        (asset, what it was made from) of all assets that are named here, as they were last materialized.
    """

    key: str
    upstream: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()


def asset_of(asset: str | Asset) -> Asset:
    """Return an asset for a key, and an asset as it is."""
    return Asset(asset) if isinstance(asset, str) else asset


def keys_of(assets: Iterable[str | Asset]) -> tuple[str, ...]:
    """Return the keys of assets, each once, in their order."""
    return tuple(dict.fromkeys(asset_of(asset).key for asset in assets))
