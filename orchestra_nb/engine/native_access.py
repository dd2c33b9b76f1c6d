"""What a cell may have read unseen: through libraries that open files and connections in native code.

Such code raises no audit event (:mod:`orchestra_nb.engine.cell_watch`). So what counts is whether a cell uses one of
these libraries at all, and of functions that many libraries have, whether any file was seen that they may have read.
"""

from __future__ import annotations

import ast
import dis
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType

#: Import names of packages whose connections are not seen.
_CLIENTS = frozenset(
    "MySQLdb adbc_driver_manager adbc_driver_postgresql connectorx cx_Oracle grpc ibm_db mysql oracledb psycopg "
    "psycopg2 psycopg2cffi psycopg_c psycopg_pool pycurl pymssql pyodbc teradatasql turbodbc zmq".split()
)
#: Import names of packages that open files unseen.
_READERS = frozenset(
    "SimpleITK deltalake duckdb faiss fiona h5py lmdb netCDF4 osgeo plyvel polars pyogrio pyreadstat pysam rasterio "
    "rioxarray rocksdict safetensors soundfile tables xarray".split()
)
#: Classes of packages that are no client themselves, but whose objects connect through one.
_CONNECTING = frozenset({"Engine", "Connection", "Session", "AsyncEngine", "AsyncConnection", "AsyncSession"})
#: Values in memory of packages above: using one reads no file.
_IN_MEMORY = frozenset({("polars", "DataFrame"), ("polars", "Series"), ("polars", "Expr")})
#: Functions and classes that read files in native code, in whatever library.
_READING = frozenset(
    "read_parquet read_feather read_orc read_hdf read_ipc read_delta read_avro read_spss read_file read_table "
    "ParquetFile ParquetDataset ORCFile HDFStore OSFile memory_map open_dataset open_mfdataset imread "
    "VideoCapture scan_parquet scan_csv scan_ipc scan_ndjson scan_delta scan_iceberg scan_pyarrow_dataset".split()
)
#: They connect to what their second argument says, perhaps through a client above.
_QUERYING = frozenset(
    {"read_sql", "read_sql_query", "read_sql_table", "read_database", "read_database_uri", "read_gbq"}
)


def native_effects(source: str, namespace: Mapping[str, object], files: Iterable[str]) -> set[str]:
    """Return what a cell may have used unseen, in people's words ("uses h5py, …"); empty for nothing.

    Parameters
    ----------
    namespace
        The names of the notebook after the cell, with their values.
    files
        Files that were seen being used, or that the cell names.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # magics
        return set()
    names, words, packages = _looked_up(tree)
    pending, seen = list(names), set(names)
    while pending:
        value = namespace.get(pending.pop())
        if package := _package(value):
            packages.add(package)
        for code in _codes_of(value):
            words.update(code.co_names)
            packages.update(_imported_by(code))
            fresh = set(code.co_names) - seen
            seen |= fresh
            pending.extend(fresh)
    packages &= _CLIENTS | _READERS | {"sqlalchemy"}
    effects = {f"uses {package}, whose connections cannot be seen" for package in packages - _READERS}
    effects |= {f"uses {package}, which reads files unseen" for package in packages & _READERS}
    effects |= {f"queries a database with {word}" for word in words & _QUERYING}
    if not any(files):
        reading = {word for word in words & _READING if not any(_codes_of(namespace.get(word)))}
        effects |= {f"calls {word}, and the file that it reads was not seen" for word in reading}
    return effects


def _looked_up(tree: ast.Module) -> tuple[set[str], set[str], set[str]]:
    """Return (names, names and attributes, packages used that the cell imports itself).

    What stands in a function counts where that is called: defining it uses nothing, and importing alone neither.
    """
    names: set[str] = set()
    words: set[str] = set()
    imported: dict[str, str] = {}
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                home = (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
                imported[alias.asname or alias.name.partition(".")[0]] = home.partition(".")[0]
                if alias.asname and isinstance(node, ast.ImportFrom):
                    words.add(alias.name)  # it may be called under the other name
        pending.extend(ast.iter_child_nodes(node))
    return names, words | names, {package for name, package in imported.items() if name in names} - {"sqlalchemy"}


def _codes_of(value: object) -> Iterator[CodeType]:
    """Return the code of a function of the notebook, or of the methods of its classes and of their objects."""
    if isinstance(value, FunctionType):
        if value.__module__ == "__main__":
            yield from _nested(value.__code__)
        return
    kind = value if isinstance(value, type) else type(value)
    if kind.__module__ == "__main__":
        for method in vars(kind).values():
            method = getattr(method, "__func__", getattr(method, "fget", method))
            if isinstance(method, FunctionType):
                yield from _nested(method.__code__)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _imported_by(code: CodeType) -> set[str]:
    if not (set(code.co_names) & (_CLIENTS | _READERS)) and not any("." in name for name in code.co_names):
        return set()
    return {
        str(instruction.argval).partition(".")[0]
        for instruction in dis.get_instructions(code)
        if instruction.opname == "IMPORT_NAME"
    } - {"sqlalchemy"}


def _package(value: object) -> str | None:
    """Return the package of those above that a module, function, class or object is of."""
    if isinstance(value, ModuleType):
        home, kind = value.__name__, ""
    else:
        owner = value if isinstance(value, type | FunctionType) else type(value)
        home, kind = str(getattr(owner, "__module__", "")), owner.__name__
    top = home.partition(".")[0]
    if (top, kind) in _IN_MEMORY:
        return None
    if top == "sqlalchemy" and kind in _CONNECTING and not isinstance(value, type):
        return top
    return top if top in _CLIENTS or top in _READERS else None
