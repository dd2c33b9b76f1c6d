"""What functions and classes of libraries change and give, by their dotted paths."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple

from orchestra_nb.notebooks import mutations

#: Functions whose result is a list of new arrays or tables.
_SEVERAL: Final = frozenset(
    {"sklearn.model_selection.train_test_split", "numpy.meshgrid", "numpy.histogram", "numpy.histogram2d"}
)
#: Packages whose functions return numbers or texts.
_PLAIN: Final = frozenset("math cmath statistics time string re os shutil warnings locale gc operator".split())
_PLAIN_FUNCTIONS: Final = frozenset(
    """
    json.dumps random.random random.randint random.uniform random.gauss random.randrange random.normalvariate
    random.seed pickle.dumps numpy.isscalar datetime.datetime.now datetime.datetime.today datetime.date.today
    datetime.datetime datetime.date datetime.timedelta pandas.Timestamp pandas.Timedelta datetime.datetime.strptime
    datetime.datetime.fromtimestamp uuid.uuid4 hashlib.md5 hashlib.sha256 sys.exit sys.getsizeof
    """.split()
)
_KINDS_OF_PACKAGES: Final = {
    "numpy": "numpy",
    "collections": "dict",
    "mpl_toolkits": "matplotlib",
    "matplotlib": "matplotlib",
    "datetime": "time",
    "random": "",
    "copy": "",
    "functools": "",
    "json": "",
    "pickle": "",
}
_KINDS: Final = {
    "numpy.random.default_rng": "rng",
    "numpy.random.RandomState": "rng",
    "numpy.random.Generator": "rng",
    "random.Random": "rng",
    "collections.deque": "list",
    "json.loads": "dict",
    "datetime.datetime.now": "time",
    "logging.getLogger": "logging",
    "seaborn.load_dataset": "pandas",
    "sqlite3.connect": "connection",
    "sqlalchemy.create_engine": "connection",
    "re.compile": "regex",
    "itertools.tee": "list",
}
#: Functions of seaborn that return tables or colours, not plots.
_TABLES_OF_SEABORN: Final = frozenset({"seaborn.color_palette", "seaborn.light_palette", "seaborn.dark_palette"})


class LibraryCall(NamedTuple):
    """What a call of a function or class of a library does.

    Parameters
    ----------
    changes
        Its ``"first"`` argument, ``"all"``, or ``"nothing"``.
    gives
        Something ``"new"`` of ``kind``; a ``"holder"`` of the arguments; or
        perhaps a ``"view"`` of them; ``"several"`` new
        arrays; ``"nothing"`` that could change.
    is_known
        It belongs to a library whose functions leave their arguments alone.
    """

    changes: Literal["nothing", "first", "all"]
    gives: Literal["new", "holder", "view", "several", "nothing"]
    kind: str
    is_known: bool
    is_class: bool


@lru_cache(maxsize=8192)
def library_call(path: str) -> LibraryCall:
    """Return what a call of what is at a dotted path does.

    Examples
    --------
    >>> library_call("pandas.read_csv")
    LibraryCall(changes='nothing', gives='new', kind='pandas', is_known=True, is_class=False)
    >>> library_call("my_project.clean").changes
    'all'
    """
    package, _, _ = path.partition(".")
    last = path.rpartition(".")[2]
    is_known = mutations.is_trusted(path)
    is_class = last[:1].isupper() and not last.isupper()
    effect = mutations.function_effect(path)
    if path in _SEVERAL:
        return LibraryCall("nothing", "several", "array", True, False)
    if path in _PLAIN_FUNCTIONS or (package in _PLAIN and path not in _KINDS and effect.changes == "nothing"):
        return LibraryCall("nothing", "nothing", "", True, False)
    kind = _kind(path, package, last) if is_known else ""
    if effect.changes in ("first", "all"):
        changes: Literal["first", "all"] = "first" if effect.changes == "first" else "all"
        return LibraryCall(changes, "holder", kind, is_known, is_class)
    if package == "itertools" or path == "csv.reader":
        return LibraryCall("nothing", "holder", "iterator", True, False)
    if path.startswith(_HOLDING):
        return LibraryCall("nothing", "holder", kind, True, True)
    if is_known and package in _FRESH and not is_class:
        gives: Literal["new", "view"] = "view" if effect.shares == "all" else "new"
        return LibraryCall("nothing", gives, kind, True, False)
    if effect.shares == "nothing" or path in _KINDS:
        return LibraryCall("nothing", "new", kind, is_known, is_class)
    if package in ("pandas", "matplotlib"):
        return LibraryCall("nothing", "new", kind, True, is_class)
    return LibraryCall("nothing", "view" if effect.shares == "all" else "holder", kind, is_known, is_class)


#: Functions that are classes in truth: their result looks at the arguments.
_HOLDING: Final = (
    "scipy.stats.gaussian_kde",
    "scipy.interpolate.",
    "scipy.spatial.",
    "scipy.sparse.",
    "scipy.stats.rv_",
)
#: Packages whose functions (not classes) return new objects, unless the tables call the result a view.
_FRESH: Final = frozenset("numpy pandas scipy sklearn matplotlib seaborn imblearn statsmodels random sympy".split())


def _kind(path: str, package: str, last: str) -> str:
    if path in _KINDS:
        return _KINDS[path]
    if path in _TABLES_OF_SEABORN:
        return "list"
    if package == "seaborn":
        return "matplotlib"
    if package == "sklearn" and last[:1].islower():
        return "array"
    if package == "scipy" and path.startswith(
        ("scipy.stats.", "scipy.signal", "scipy.integrate", "scipy.linalg", "scipy.fft")
    ):
        return "array"
    return _KINDS_OF_PACKAGES.get(package, package)
