"""What calls of well-known functions and methods do to their receiver and their arguments.

The rule that held on real notebooks: a method changes its receiver and a function its arguments, unless it is known
that it does not. This file is that knowledge, as tables. A name that is missing here costs speed (a copy, an order
between two cells), a wrong one costs correctness.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Final, Literal, NamedTuple


class CallEffect(NamedTuple):
    """What a call does.

    Parameters
    ----------
    changes
        What it may change in place: of a function ``"first"`` is its first argument and ``"all"`` all of them; of a
        method ``"receiver"`` is its receiver, ``"all"`` the arguments too.
    shares
        What its result shares with receiver and arguments: nothing; only elements (a new list of the same objects);
        or it may be one of them, or a view.
    stores
        Whether the receiver holds the arguments afterwards (``x.append(y)``).
    """

    changes: Literal["nothing", "first", "receiver", "all"] = "nothing"
    shares: Literal["nothing", "elements", "all"] = "nothing"
    stores: bool = False


_FRESH: Final = CallEffect()
_ELEMENTS: Final = CallEffect(shares="elements")
_VIEW: Final = CallEffect(shares="all")
_CHANGES_FIRST: Final = CallEffect(changes="first", shares="all")
_CHANGES_ALL: Final = CallEffect(changes="all", shares="all", stores=True)
_STORES: Final = CallEffect(changes="receiver", shares="all", stores=True)
_CHANGES_RECEIVER: Final = CallEffect(changes="receiver", shares="all")

#: Names that notebooks give to modules, for cells that are read before their imports ran.
CONVENTIONAL_MODULES: Final = {
    "np": "numpy",
    "numpy": "numpy",
    "pd": "pandas",
    "pandas": "pandas",
    "plt": "matplotlib.pyplot",
    "mpl": "matplotlib",
    "sns": "seaborn",
    "sp": "scipy",
    "scipy": "scipy",
    "sklearn": "sklearn",
    "sm": "statsmodels.api",
    "smf": "statsmodels.formula.api",
    "tf": "tensorflow",
    "torch": "torch",
    "xgb": "xgboost",
    "lgb": "lightgbm",
    "pl": "polars",
    "pa": "pyarrow",
    "px": "plotly.express",
    "go": "plotly.graph_objects",
    "nx": "networkx",
    "os": "os",
    "sys": "sys",
    "re": "re",
    "json": "json",
    "math": "math",
    "time": "time",
    "random": "random",
    "datetime": "datetime",
    "itertools": "itertools",
    "functools": "functools",
    "collections": "collections",
    "operator": "operator",
    "statistics": "statistics",
    "string": "string",
    "copy": "copy",
    "pickle": "pickle",
    "glob": "glob",
    "shutil": "shutil",
    "csv": "csv",
    "warnings": "warnings",
    "logging": "logging",
    "heapq": "heapq",
    "bisect": "bisect",
}

#: Top-level packages whose functions do not change their arguments, but for those named below.
_TRUSTED_PACKAGES: Final = frozenset(sys.stdlib_module_names) | frozenset(
    """
    numpy pandas scipy sklearn matplotlib mpl_toolkits seaborn statsmodels xgboost lightgbm catboost torch
    torchvision tensorflow keras jax PIL skimage cv2 polars pyarrow dask distributed xarray networkx sympy plotly
    bokeh altair requests httpx joblib tqdm nltk spacy gensim transformers datasets geopandas shapely folium numba
    cupy patsy yaml msgspec pydantic attr attrs IPython ipywidgets imblearn shap umap optuna
    """.split()
)

#: Functions that change their first argument.
_CHANGING_FUNCTIONS: Final = frozenset(
    """
    builtins.next builtins.anext builtins.setattr builtins.delattr random.shuffle numpy.random.shuffle numpy.copyto
    numpy.put numpy.place numpy.putmask numpy.fill_diagonal numpy.put_along_axis heapq.heappush heapq.heappop
    heapq.heapify heapq.heapreplace heapq.heappushpop heapq._heapify_max heapq.heappush_max heapq.heappop_max
    heapq.heapify_max bisect.insort bisect.insort_left bisect.insort_right operator.setitem operator.delitem
    operator.iadd operator.isub operator.imul operator.itruediv operator.ior operator.iand operator.ixor
    operator.iconcat operator.ifloordiv operator.imod operator.ipow operator.ilshift operator.irshift
    operator.imatmul torch.nn.utils.clip_grad_norm_ torch.nn.utils.clip_grad_value_ matplotlib.pyplot.setp
    functools.update_wrapper
    """.split()
)

#: Builtins whose result is a number, a string or a wholly new object.
_FRESH_BUILTINS: Final = frozenset(
    """
    abs all any ascii bin bool breakpoint bytes callable chr compile complex delattr dir display divmod exit float
    format frozenset hasattr hash help hex id input int isinstance issubclass len object oct open ord pow print quit
    range repr round slice str sum type bytearray
    """.split()
)
#: Builtins whose result is one of the arguments or a part of one.
_VIEW_BUILTINS: Final = frozenset("getattr iter max min memoryview super vars aiter reversed".split())

#: Functions of numpy whose result may share memory with an argument; the others return new arrays.
_NUMPY_VIEWS: Final = frozenset(
    """
    asarray asanyarray ascontiguousarray asfortranarray atleast_1d atleast_2d atleast_3d broadcast_arrays
    broadcast_to diagonal diag expand_dims flip fliplr flipud frombuffer hsplit vsplit dsplit split array_split
    moveaxis ravel real imag require reshape rollaxis rot90 squeeze swapaxes transpose trim_zeros matrix_transpose
    permute_dims asmatrix nditer
    """.split()
)

#: Functions of the other libraries whose result shares nothing with the arguments.
_FRESH_FUNCTIONS: Final = frozenset(
    """
    copy.deepcopy copy.copy sklearn.base.clone sklearn.model_selection.train_test_split sklearn.utils.shuffle
    sklearn.utils.resample pandas.concat pandas.merge pandas.get_dummies pandas.cut pandas.qcut pandas.to_datetime
    pandas.to_numeric pandas.melt pandas.pivot pandas.pivot_table pandas.crosstab pandas.isna pandas.isnull
    pandas.notna pandas.notnull pandas.date_range pandas.factorize pandas.unique orchestra_nb.record
    orchestra_nb.recording.record
    """.split()
)
#: Packages all of whose functions return numbers, strings or new objects.
_FRESH_PACKAGES: Final = frozenset(
    "math cmath statistics time datetime string json re os glob shutil scipy seaborn warnings logging".split()
)

#: Names of functions that notebooks import from these libraries one by one, for cells read before their imports ran.
_KNOWN_FRESH_NAMES: Final = frozenset(
    """
    train_test_split accuracy_score f1_score precision_score recall_score roc_auc_score confusion_matrix
    classification_report mean_squared_error mean_absolute_error r2_score log_loss roc_curve auc cross_val_score
    cross_val_predict cross_validate precision_recall_curve silhouette_score deepcopy clone sqrt exp sin cos tan log
    log10 ceil floor pprint display sleep glob perf_counter urlopen permutation_importance learning_curve
    validation_curve display_html get_ipython
    """.split()
)
_KNOWN_SHARING_NAMES: Final = frozenset(
    "partial chain product permutations combinations islice groupby accumulate defaultdict deque namedtuple "
    "make_pipeline make_column_transformer tqdm trange reduce cycle repeat starmap zip_longest pairwise nullcontext "
    "cast gather asdict astuple replace suppress raises delayed wraps itemgetter attrgetter".split()
)

#: Methods that change nothing and return a new object or a number.
_PURE_METHODS: Final = frozenset(
    """
    capitalize casefold center count encode decode endswith expandtabs find format format_map index isalnum isalpha
    isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower
    lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split
    splitlines startswith strip swapcase title translate upper zfill hex bit_length bit_count to_bytes from_bytes
    as_integer_ratio is_integer conjugate fromkeys isdisjoint issubset issuperset union intersection difference
    symmetric_difference deepcopy __deepcopy__ __len__ __contains__ __eq__ __repr__ __str__ abs agg aggregate align
    all any apply applymap argmax argmin argsort argpartition asfreq asof assign astype autocorr between add_prefix
    add_suffix bfill bool clip combine combine_first compare convert_dtypes corr corrwith cov cummax cummin cumprod
    cumsum describe diff divide div dot drop drop_duplicates droplevel dropna duplicated eq equals ewm expanding
    explode factorize ffill fillna filter first_valid_index floordiv from_dict from_records ge groupby gt idxmax
    idxmin infer_objects info interpolate isin isna isnull itertuples join kurt kurtosis last_valid_index le lt mad
    mask max mean median melt memory_usage merge min mod mode mul multiply ne nlargest notna notnull nsmallest
    nunique pct_change pivot pivot_table pow prod product quantile radd rank rdiv reindex reindex_like rename
    rename_axis reorder_levels repeat reset_index resample rfloordiv rmod rmul rolling round rpow rsub rtruediv
    sample searchsorted select_dtypes sem set_axis set_index shift skew sort_index sort_values stack std sub
    subtract sum swaplevel take to_clipboard to_csv to_dict to_excel to_feather to_frame to_hdf to_html to_json
    to_latex to_list to_markdown to_numpy to_parquet to_period to_pickle to_records to_sql to_string to_timestamp
    to_xarray tolist tostring tobytes tofile transform truediv truncate tz_convert tz_localize unique unstack
    value_counts var where query cat contains extract extractall findall fullmatch get_dummies len match pad slice
    wrap day_name month_name normalize strftime isoformat timestamp total_seconds date timetuple weekday isoweekday
    isocalendar choose compress dump dumps nonzero ptp trace predict predict_proba predict_log_proba
    decision_function score score_samples transform inverse_transform get_params get_feature_names
    get_feature_names_out kneighbors kneighbors_graph cost_complexity_pruning_path staged_predict summary conf_int
    pvalues wald_test f_test t_test save_model exists is_file is_dir is_absolute read_text read_bytes as_posix
    as_uri resolve absolute expanduser with_suffix with_name with_stem joinpath relative_to glob rglob iterdir stat
    is_symlink search finditer groups group groupdict span sub subn savefig get_figure get_xlim get_ylim get_title
    get_legend_handles_labels get_size_inches most_common elements total hexdigest digest json raise_for_status item
    numpy cpu new_tensor collect lazy schema write_csv write_parquet is_empty n_unique with_columns select sort_by
    group_by
    """.split()
)

#: Methods that change nothing; their result is, holds or shows a part of the receiver.
_SHARING_METHODS: Final = frozenset(
    """
    get values items keys iterrows iteritems head tail reshape ravel view transpose swapaxes squeeze diagonal
    get_group pipe xs first last nth parameters named_parameters children modules state_dict detach __getitem__
    __iter__ get_level_values nodes edges neighbors successors predecessors expand get_axes get_children get_xaxis
    get_yaxis
    """.split()
)

#: Methods that put their arguments into their receiver.
_STORING_METHODS: Final = frozenset(
    "append add extend insert update setdefault appendleft extendleft put put_nowait push add_node add_edge "
    "add_nodes_from add_edges_from difference_update intersection_update symmetric_difference_update __setitem__ "
    "register subscribe move_to_end add_module register_buffer".split()
)

#: Methods that change their receiver but never their arguments: estimators, axes, figures, random generators, files.
_RECEIVER_METHODS: Final = frozenset(
    """
    fit fit_transform fit_predict partial_fit fit_resample fit_sample set_params compile plot scatter bar barh hist
    hist2d boxplot hexbin imshow contour contourf pie errorbar fill_between fill_betweenx step stem axhline axvline
    axhspan axvspan hlines vlines text annotate legend grid set_title set_xlabel set_ylabel set_xlim set_ylim
    set_xticks set_yticks set_xticklabels set_yticklabels set_xscale set_yscale set_aspect set suptitle tight_layout
    add_subplot subplots_adjust add_axes add_patch add_artist add_collection add_trace update_layout update_traces
    update_xaxes update_yaxes violinplot matshow pcolormesh quiver streamplot tick_params invert_yaxis invert_xaxis
    twinx twiny margins set_visible set_axis_off set_facecolor colorbar random rand randn randint integers normal
    standard_normal uniform choice choices permutation permuted poisson binomial exponential beta gamma
    multivariate_normal lognormal gauss randrange betavariate expovariate seed spawn bytes laplace multinomial
    dirichlet geometric triangular vonmises weibull pop popitem popleft clear remove discard sort reverse rotate
    fill resize itemset setflags read readline readlines write writelines seek close flush execute executemany
    fetchone fetchall fetchmany commit rollback cursor send recv acquire release step zero_grad backward train eval
    next __next__ __delitem__ writerow writerows start stop cancel
    """.split()
)
#: (package of the receiver's type, method) to what it does, where it differs from the tables above.
_METHODS_OF_PACKAGES: Final = {
    ("numpy", "copy"): _FRESH,
    **{("pandas", name): _FRESH for name in ("copy", "plot", "hist", "boxplot", "eval", "add", "append", "set_flags")},
    ("numpy", "partition"): _CHANGES_RECEIVER,
    ("numpy", "shuffle"): _CHANGES_ALL,
    ("random", "shuffle"): _CHANGES_ALL,
}
#: Keywords whose argument the callee changes, in every library.
CHANGED_KEYWORDS: Final = frozenset({"out", "ax", "axes", "fig"})

#: Packages whose tables and columns draw themselves, which changes nothing in them.
_TABLES: Final = frozenset("pandas geopandas xarray polars".split())
#: Packages whose methods of the same names draw into their receiver.
_FIGURES: Final = frozenset({"matplotlib", "mpl_toolkits"})
#: Plotting methods that both have; those of axes draw what they are given and, given nothing, nothing.
_PLOTS_ITSELF: Final = frozenset({"plot", "hist", "boxplot"})
#: Keywords of these that only tables know.
_TABLE_KEYWORDS: Final = frozenset({"column", "by", "kind"})
#: Methods that draw their receiver, a table or column, into axes that are given; axes themselves are never given any.
_DRAWN_INTO_AXES: Final = frozenset("hist boxplot box line bar barh area pie scatter hexbin kde density".split())

#: Attributes that show their object from another side: to change them is to change it.
ACCESSORS: Final = frozenset(
    "loc iloc at iat values T str dt flat real imag data columns index ix array cat sparse plot".split()
)
#: Attributes that hold numbers, strings or types.
PLAIN_ATTRIBUTES: Final = frozenset(
    "shape size ndim dtype dtypes empty name itemsize nbytes __name__ __class__ __doc__ __module__ __qualname__ "
    "suffix stem hour minute second year month day is_unique hasnans".split()
)
#: Decorators that only wrap or mark a function, and neither call nor keep it.
INERT_DECORATORS: Final = frozenset(
    "property staticmethod classmethod cached_property lru_cache cache wraps dataclass abstractmethod contextmanager "
    "asynccontextmanager njit jit vectorize guvectorize delayed task flow setter getter deleter total_ordering "
    "overload override singledispatch final no_type_check".split()
)
#: Context managers that swallow exceptions: what their body binds may stay unbound.
SWALLOWING_CONTEXTS: Final = frozenset({"suppress", "raises", "assertRaises", "capture_errors"})


def is_trusted(path: str) -> bool:
    """Tell whether what is at a dotted path belongs to a library whose functions leave their arguments alone.

    Examples
    --------
    >>> is_trusted("sklearn.cluster.KMeans"), is_trusted("my_project.features")
    (True, False)
    """
    package = path.partition(".")[0]
    return package in _TRUSTED_PACKAGES or package == "builtins"


def function_effect(path: str) -> CallEffect:
    """Return what a call of the function or class at a dotted path does.

    Examples
    --------
    >>> function_effect("builtins.len").changes, function_effect("random.shuffle").changes
    ('nothing', 'first')
    >>> function_effect("my_project.features.add_features").changes
    'all'
    """
    package, _, name = path.partition(".")
    last = path.rpartition(".")[2]
    if path in _CHANGING_FUNCTIONS or (package == "numpy" and last == "at"):
        return _CHANGES_FIRST
    if package == "builtins":
        return _builtin_effect(name)
    if package == "numpy":
        return _VIEW if last in _NUMPY_VIEWS else _FRESH
    if path in _FRESH_FUNCTIONS or package in _FRESH_PACKAGES:
        return _FRESH
    if package in _TRUSTED_PACKAGES:
        return _FRESH if last in _KNOWN_FRESH_NAMES else _ELEMENTS
    return _ELEMENTS if _is_class_name(last) else _CHANGES_ALL


def _builtin_effect(name: str) -> CallEffect:
    type_name, dot, method = name.partition(".")
    if dot:  # list.append(x, 1): the receiver is the first argument
        effect = method_effect(method)
        return effect if effect.changes == "nothing" else _CHANGES_FIRST
    if type_name in _FRESH_BUILTINS:
        return _FRESH
    return _VIEW if type_name in _VIEW_BUILTINS else _ELEMENTS


def named_function_effect(name: str) -> CallEffect:
    """Return what a call of a function does of which only the name is known."""
    if name in _KNOWN_FRESH_NAMES:
        return _FRESH
    if name in _KNOWN_SHARING_NAMES or _is_class_name(name):
        return _ELEMENTS
    return _CHANGES_ALL


def method_effect(name: str, package: str | None = None) -> CallEffect:
    """Return what a call of a method does; ``package`` is that of the receiver's type, where it is known.

    Examples
    --------
    >>> method_effect("head").changes, method_effect("append").changes, method_effect("fit").changes
    ('nothing', 'receiver', 'receiver')
    >>> method_effect("whatever").changes, method_effect("whatever", "sklearn").changes
    ('all', 'receiver')
    """
    if (package, name) in _METHODS_OF_PACKAGES:
        return _METHODS_OF_PACKAGES[package or "", name]
    if name in _PURE_METHODS:
        return _FRESH
    if name in ("copy", "__copy__"):
        return _ELEMENTS  # the copy of a list holds the same objects
    if name in _SHARING_METHODS:
        return _VIEW
    if name in _STORING_METHODS or (name.startswith(("set_", "add_")) and name not in _RECEIVER_METHODS):
        return _STORES
    if name in _RECEIVER_METHODS or (package is not None and is_trusted(package)):
        return _CHANGES_RECEIVER
    return _CHANGES_ALL


def draws_receiver(
    name: str, kind: str | None, is_given: bool, keywords: Collection[str | None], is_of_plot: bool
) -> bool:
    """Tell whether a call of a method draws its receiver into axes, and changes at most these.

    Where nobody knows what the receiver is, the shape of the call tells a table from axes.

    Parameters
    ----------
    kind
        The package of the receiver's type; None where nobody knows it.
    is_given
        Whether there are positional arguments.
    is_of_plot
        It is a method of the attribute ``plot`` (``df.plot.bar()``), which axes have none of.

    Examples
    --------
    >>> draws_receiver("hist", None, False, ["bins"], False), draws_receiver("hist", None, True, ["bins"], False)
    (True, False)
    >>> draws_receiver("bar", None, True, ["ax"], False), draws_receiver("bar", None, True, [], True)
    (True, True)
    >>> draws_receiver("plot", "matplotlib", False, [], False), draws_receiver("plot", "pandas", True, [], False)
    (False, True)
    """
    if name in _DRAWN_INTO_AXES and "ax" in keywords:
        return True
    if kind is not None:
        return kind in _TABLES and (is_of_plot or name in _PLOTS_ITSELF)
    if is_of_plot:
        return True
    if name not in _PLOTS_ITSELF:
        return False
    if not _TABLE_KEYWORDS.isdisjoint(keywords):
        return True
    may_draw_x = name != "plot" and ("x" in keywords or None in keywords)
    return not is_given and not may_draw_x


def kind_made_by(path: str) -> str | None:
    """Return the package of the type of what a function or class at a dotted path gives; None where that is not said.

    Examples
    --------
    >>> kind_made_by("pandas.read_csv"), kind_made_by("sklearn.metrics.ConfusionMatrixDisplay.from_estimator")
    ('pandas', 'sklearn')
    >>> kind_made_by("pickle.load") is None
    True
    """
    package, _, rest = path.partition(".")
    if package in _TABLES or package in _FIGURES or any(_is_class_name(part) for part in rest.split(".")):
        return package
    return None


def kind_of_part(kind: str | None) -> str | None:
    """Return the kind of what an object of a kind has or gives: columns of tables, axes of figures."""
    return kind if kind in _TABLES or kind in _FIGURES else None


def _is_class_name(name: str) -> bool:
    return name[:1].isupper() and not name.isupper()


def is_standard(package: str) -> bool:
    """Tell whether a top-level module comes with Python."""
    return package in sys.stdlib_module_names
