"""Kinds of objects as the analysis tells them apart, and what methods of each kind change and give.

A kind is the top-level package of an object's type, or one of the words here. Where a kind is not known, the tables of
``mutations`` say what a method of some name does on whatever object.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple

from orchestra_nb.notebooks import mutations

#: Kinds whose operators work on elements, whose masks are copies, and that copy what is stored into them.
ARRAYS: Final = frozenset(
    {
        "numpy",
        "pandas",
        "array",
        "mask",
        "groups",
        "polars",
        "xarray",
        "torch",
        "scipy",
        "cupy",
        "jax",
        "tensorflow",
        "geopandas",
    }
)
BUILTIN_CONTAINERS: Final = frozenset({"list", "tuple", "dict", "set"})
#: Kinds that a loop uses up.
ITERATORS: Final = frozenset({"iterator", "file"})
#: Kinds of values that cannot change.
PLAIN_KINDS: Final = frozenset({"number", "str", "path", "regex", "none", "time"})
#: Kinds whose methods change nothing unless they are named here, with those that change their receiver.
_PURE_BY_DEFAULT: Final[dict[str, frozenset[str]]] = {
    "pandas": frozenset(
        "insert pop update set_flags _set_value setdefault append_to put remove create_table_index".split()
    ),
    "groups": frozenset(),
    "index": frozenset({"set_names"}),
    "mask": frozenset({"fill", "sort", "resize", "put", "setflags"}),
    "numpy": frozenset("fill sort partition put itemset resize setflags setfield byteswap".split()),
    "array": frozenset("fill sort partition put resize insert pop update setflags".split()),
    "scipy": frozenset("sort_indices sum_duplicates eliminate_zeros setdiag resize prune".split()),
    "polars": frozenset("insert_column replace_column extend".split()),
    "statsmodels": frozenset({"remove_data", "initialize"}),
    "str": frozenset(),
    "tuple": frozenset(),
    "time": frozenset(),
    "regex": frozenset(),
    "path": frozenset(),
    "number": frozenset(),
    "datetime": frozenset(),
    "decimal": frozenset(),
    "fractions": frozenset(),
    "sympy": frozenset(),
    "shapely": frozenset(),
    "pyarrow": frozenset(),
    "re": frozenset(),
    "requests": frozenset(),
    "xarray": frozenset({"load", "update"}),
    "bs4": frozenset("decompose extract append insert clear replace_with unwrap wrap".split()),
    "networkx": frozenset(
        "add_node add_nodes_from add_edge add_edges_from add_weighted_edges_from remove_node "
        "remove_nodes_from remove_edge "
        "remove_edges_from clear clear_edges update add_path add_cycle add_star".split()
    ),
    "logging": frozenset("setLevel addHandler removeHandler addFilter removeFilter setFormatter".split()),
}
#: Methods of the builtin containers that change them; all others change nothing.
_CHANGING_CONTAINERS: Final = {
    "list": frozenset(
        "append extend insert remove pop clear sort reverse appendleft extendleft popleft rotate".split()
    ),
    "dict": frozenset(
        "update setdefault pop popitem clear subtract move_to_end __setitem__ __delitem__ appendleft extend "
        "append".split()
    ),
    "set": frozenset(
        "add discard remove pop clear update difference_update intersection_update symmetric_difference_update".split()
    ),
    "tuple": frozenset[str](),
}
#: Methods of estimators that change them.
_CHANGING_ESTIMATORS: Final = ("fit", "partial_fit", "set_", "add_")
#: Methods of figures and axes that change nothing that anybody sees.
_PURE_FIGURES: Final = ("get_", "savefig", "show", "has_", "format_", "_repr")
_PLOTTING_METHODS: Final = frozenset(
    "plot hist boxplot bar barh line scatter area pie box kde density hexbin violinplot".split()
)
#: Methods of pandas whose result works on the receiver when it is asked.
_LAZY_METHODS: Final = frozenset("groupby rolling resample expanding ewm style pipe".split())
_ITERATING: Final = frozenset("iterrows itertuples items iteritems finditer".split())
_TEXT_RESULTS: Final = frozenset(
    "to_string to_markdown to_latex to_html to_json join strip lower upper title replace format decode "
    "hexdigest isoformat "
    "strftime capitalize lstrip rstrip zfill ljust rjust center read readline read_text".split()
)


class MethodEffect(NamedTuple):
    """What a method does.

    Parameters
    ----------
    changes
        ``"receiver"``: it alone; ``"deep"``: and all that it holds; ``"all"``: the arguments, too.
    gives
        ``"new"`` of ``kind``; a ``"part"`` of the receiver, or it itself; ``"holder"``: something new that looks at it;
        ``"iterator"`` over new objects; ``"text"``; ``"nothing"`` that could change.
    stores
        Whether the receiver holds the arguments afterwards.
    """

    changes: Literal["nothing", "receiver", "deep", "all"]
    gives: Literal["new", "part", "self", "holder", "iterator", "text", "nothing"]
    kind: str = ""
    stores: bool = False


@lru_cache(maxsize=8192)
def method_effect(kind: str, name: str) -> MethodEffect:
    """Return what a method of an object of a kind does; the empty kind is any.

    Examples
    --------
    >>> method_effect("pandas", "dropna").changes, method_effect("sklearn", "fit").changes
    ('nothing', 'receiver')
    >>> method_effect("", "frobnicate").changes
    'all'
    """
    if kind in _CHANGING_CONTAINERS:
        return _container_method(kind, name)
    if kind in ("cursor", "connection"):
        return _database_method(kind, name)
    if kind == "file":
        gives: Literal["text", "nothing"] = "text" if name.startswith("read") else "nothing"
        return MethodEffect("nothing" if name in ("close", "fileno", "tell") else "receiver", gives)
    if kind == "rng" and name == "shuffle":
        return MethodEffect("all", "nothing")
    if kind == "rng":
        return MethodEffect("receiver", "new", "numpy")
    if kind == "iterator":
        return MethodEffect("receiver", "part", stores=name == "send")
    if kind in _PURE_BY_DEFAULT:
        return _method_of_pure_kind(kind, name)
    if kind in ("sklearn", "imblearn", "xgboost", "lightgbm", "catboost"):
        return _method_of_estimator(name)
    if kind in ("matplotlib", "seaborn", "mpl_toolkits"):
        if name.startswith(_PURE_FIGURES):
            return MethodEffect("nothing", "part")
        return MethodEffect("receiver", "self")
    return _method_of_any(kind, name)


def _container_method(kind: str, name: str) -> MethodEffect:
    if name in _CHANGING_CONTAINERS[kind]:
        takes = name in ("append", "insert", "add", "appendleft", "extend", "extendleft", "update", "setdefault")
        gives = name in ("pop", "popitem", "setdefault", "popleft")
        return MethodEffect("receiver", "part" if gives else "nothing", stores=takes)
    if name in ("copy", "union", "intersection", "difference", "symmetric_difference", "most_common", "__add__"):
        return MethodEffect("nothing", "holder", kind)
    if name in ("get", "__getitem__"):
        return MethodEffect("nothing", "part")
    if name in ("items", "values", "keys", "elements", "__iter__"):
        return MethodEffect("nothing", "iterator")
    return MethodEffect("nothing", "nothing")


def _database_method(kind: str, name: str) -> MethodEffect:
    if name == "cursor" or (name == "connect" and kind == "connection"):
        return MethodEffect("nothing", "holder", "cursor" if name == "cursor" else "connection")
    if name in ("execute", "executemany", "executescript"):
        return MethodEffect("receiver", "holder", "cursor")
    if name.startswith("fetch"):
        return MethodEffect("receiver", "new", "list")
    if name in ("close", "begin", "__enter__", "in_transaction"):
        return MethodEffect("nothing", "holder", kind)
    return MethodEffect("receiver", "nothing")


def _method_of_pure_kind(kind: str, name: str) -> MethodEffect:
    changes: Literal["nothing", "receiver"] = "receiver" if name in _PURE_BY_DEFAULT[kind] else "nothing"
    if name in _PLOTTING_METHODS and kind in ("pandas", "geopandas"):
        return MethodEffect("nothing", "new", "matplotlib")
    if name in _LAZY_METHODS:
        is_group = kind in ("pandas", "groups") and name in ("groupby", "rolling", "resample", "expanding", "ewm")
        return MethodEffect("nothing", "holder", "groups" if is_group else kind)
    if kind == "groups":
        return MethodEffect("nothing", "new", "pandas")
    if name in _ITERATING:
        return MethodEffect("nothing", "iterator", kind)
    if name in ("to_numpy", "to_list", "tolist", "to_dict", "to_records"):
        if name == "to_numpy":
            return MethodEffect("nothing", "new", "numpy")
        return MethodEffect("nothing", "new", "dict" if name == "to_dict" else "list" if "list" in name else "numpy")
    if kind in PLAIN_KINDS:
        if name in ("split", "rsplit", "splitlines", "partition", "rpartition", "findall"):
            return MethodEffect("nothing", "new", "list")
        return MethodEffect("nothing", "text" if kind in ("str", "path") else "nothing")
    if name in ("get", "pop", "item") and kind == "pandas":
        return MethodEffect(changes, "new", kind)
    if name in _TEXT_RESULTS and kind in ("pandas", "datetime", "re") and name not in ("replace", "join", "title"):
        return MethodEffect(changes, "text")
    if kind == "numpy" and name in ("reshape", "ravel", "view", "transpose", "swapaxes", "squeeze", "diagonal"):
        return MethodEffect(changes, "self")
    if kind == "array" and name in ("reshape", "ravel", "view", "transpose", "squeeze"):
        return MethodEffect(changes, "self")
    if kind == "mask":
        return MethodEffect(changes, "new", "array")
    if kind in ("networkx", "bs4", "statsmodels", "logging"):
        return MethodEffect(changes, "holder", kind, stores=kind == "logging" and name.startswith("add"))
    if kind == "requests":
        return MethodEffect(changes, "new", "")
    return MethodEffect(changes, "new", kind)


def _method_of_estimator(name: str) -> MethodEffect:
    if name == "fit_transform":
        return MethodEffect("receiver", "new", "array")
    if name in ("fit_predict", "fit_resample", "fit_sample"):
        return MethodEffect("receiver", "new", "array")
    if name.startswith(_CHANGING_ESTIMATORS) or name == "train":
        return MethodEffect("receiver", "self")
    if name in ("get_params", "get_feature_names_out"):
        return MethodEffect("nothing", "part")
    if name == "split":
        return MethodEffect("nothing", "iterator", "array")
    return MethodEffect("nothing", "new", "array")


def _method_of_any(kind: str, name: str) -> MethodEffect:
    package = kind or None
    effect = mutations.method_effect(name, package)
    if name in ("to_sql",):
        return MethodEffect("nothing", "nothing")
    if effect.changes == "nothing" and name in _LAZY_METHODS:
        return MethodEffect("nothing", "holder", kind)
    if effect.changes == "nothing" and name in _ITERATING:
        return MethodEffect("nothing", "iterator", kind)
    if name in ("fit_transform", "fit_predict", "fit_resample"):
        return MethodEffect("receiver", "new", "array")
    if effect.changes == "receiver" and name in _DRAWING:
        return MethodEffect("receiver", "new", "numpy")
    gives: Literal["new", "holder", "part"] = "new"
    if effect.shares == "elements":
        gives = "holder"
    elif effect.shares == "all":
        gives = "part"
    if gives == "new" and name in _TEXT_RESULTS and name not in ("replace", "join", "title"):
        return MethodEffect("nothing", "text")
    if effect.changes == "all":
        return MethodEffect("all", "part", stores=True)
    return MethodEffect(effect.changes if effect.changes != "first" else "receiver", gives, kind, stores=effect.stores)


_DRAWING: Final = frozenset(
    "random rand randn randint integers normal standard_normal uniform choice choices permutation "
    "permuted poisson binomial "
    "exponential beta gamma multivariate_normal lognormal gauss randrange".split()
)


def attribute_kind(name: str) -> str:
    """Return the kind of an attribute of a table: a column, an array."""
    return "numpy" if name in ("values", "array") else "pandas"


def is_lazy_attribute(name: str) -> bool:
    """Tell whether an attribute only shows its object from another side: to store through it changes the object."""
    return name in mutations.ACCESSORS and name != "values"
