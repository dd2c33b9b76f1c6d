"""Assets with what each was made from the last time: lineage, up and down."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from orchestra_nb.errors import AssetNotFound
from orchestra_nb.model.assets import AssetProperties, AssetState, Lineage, Materialization
from orchestra_nb.store.code_tables import asset_dependencies, assets, materializations
from orchestra_nb.store.database import Database

#: Databases limit the values of one statement.
_KEYS_A_READ = 500


class AssetStore:
    """The assets of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, materialization: Materialization, properties: AssetProperties | None = None) -> None:
        """Keep that an asset was made. What it is made from is from now on what this says.

        Parameters
        ----------
        properties
            None leaves those that are known.
        """
        key, upstream = materialization.asset_key, materialization.upstream
        with self._database.write() as connection:
            for name in dict.fromkeys((key, *upstream)):
                if connection.execute(select(assets.c.key).where(assets.c.key == name)).first() is None:
                    connection.execute(insert(assets).values(key=name, properties=None))
            if properties is not None:
                values = {"properties": msgspec.to_builtins(properties)}
                connection.execute(update(assets).where(assets.c.key == key).values(values))
            connection.execute(
                insert(materializations).values(
                    msgspec.structs.asdict(materialization) | {"upstream": list(materialization.upstream)}
                )
            )
            connection.execute(delete(asset_dependencies).where(asset_dependencies.c.asset_key == key))
            rows = [{"asset_key": key, "upstream_key": name} for name in dict.fromkeys(upstream)]
            if rows:
                connection.execute(insert(asset_dependencies), rows)

    def get(self, key: str) -> AssetState:
        """Return an asset.

        Raises
        ------
        AssetNotFound
            No task has made it, or anything from it.
        """
        with self._database.connect() as connection:
            row = connection.execute(select(assets).where(assets.c.key == key)).mappings().first()
            if row is None:
                raise AssetNotFound(f"No asset {key!r}. `orchestra assets ls` lists them.")
            return _state_of_row(row, _last_of(connection, [key]).get(key))

    def list_assets(self) -> list[AssetState]:
        """Return all assets by key."""
        with self._database.connect() as connection:
            found = list(connection.execute(select(assets).order_by(assets.c.key)).mappings())
            last = _last_of(connection, None)
            return [_state_of_row(row, last.get(row["key"])) for row in found]

    def materializations(self, key: str, limit: int = 50) -> list[Materialization]:
        """Return when an asset was made, the newest first."""
        query = (
            select(materializations)
            .where(materializations.c.asset_key == key)
            .order_by(materializations.c.number.desc())
            .limit(limit)
        )
        with self._database.connect() as connection:
            return [_materialization_of_row(row) for row in connection.execute(query).mappings()]

    def materialized_by(self, run_id: str) -> list[Materialization]:
        """Return what a run has made, in order."""
        query = select(materializations).where(materializations.c.run_id == run_id).order_by(materializations.c.number)
        with self._database.connect() as connection:
            return [_materialization_of_row(row) for row in connection.execute(query).mappings()]

    def lineage(self, key: str, depth: int | None = None) -> Lineage:
        """Return what an asset is made from and what is made from it, as far as ``depth`` steps (None: all).

        Raises
        ------
        AssetNotFound
            No task has made it, or anything from it.
        """
        self.get(key)
        with self._database.connect() as connection:
            up, up_edges = _walk(connection, key, depth, towards_upstream=True)
            down, down_edges = _walk(connection, key, depth, towards_upstream=False)
        edges = tuple(dict.fromkeys((*up_edges, *down_edges)))
        return Lineage(key=key, upstream=up, downstream=down, edges=edges)


def _walk(
    connection: Connection, start: str, depth: int | None, *, towards_upstream: bool
) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """Return the assets that are reached from one, near ones first, and the edges (asset, upstream) on the way."""
    columns = (asset_dependencies.c.asset_key, asset_dependencies.c.upstream_key)
    here = columns[0] if towards_upstream else columns[1]
    seen = {start: None}
    edges: list[tuple[str, str]] = []
    level = [start]
    while level and (depth is None or depth > 0):
        found: list[tuple[str, str]] = []
        for first in range(0, len(level), _KEYS_A_READ):
            query = select(*columns).where(here.in_(level[first : first + _KEYS_A_READ])).order_by(*columns)
            found += [(asset_key, upstream_key) for asset_key, upstream_key in connection.execute(query)]
        edges += found
        level = list(dict.fromkeys(edge[1 if towards_upstream else 0] for edge in found))
        level = [key for key in level if key not in seen]  # assets may be made from each other in a circle
        seen |= dict.fromkeys(level)
        depth = None if depth is None else depth - 1
    return tuple(key for key in seen if key != start), edges


def _last_of(connection: Connection, keys: Sequence[str] | None) -> dict[str, Materialization]:
    """Return asset key to its last materialization, for these keys or for all."""
    newest = select(func.max(materializations.c.number)).group_by(materializations.c.asset_key)
    if keys is not None:
        newest = newest.where(materializations.c.asset_key.in_(keys))
    query = select(materializations).where(materializations.c.number.in_(newest))
    found = [_materialization_of_row(row) for row in connection.execute(query).mappings()]
    return {materialization.asset_key: materialization for materialization in found}


def _materialization_of_row(row: RowMapping) -> Materialization:
    fields = {name: row[name] for name in Materialization.__struct_fields__}
    return Materialization(**fields | {"upstream": tuple(row["upstream"])})


def _state_of_row(row: RowMapping, last: Materialization | None) -> AssetState:
    properties = row["properties"]
    return AssetState(
        key=row["key"],
        properties=None if properties is None else msgspec.convert(properties, AssetProperties),
        last=last,
    )
