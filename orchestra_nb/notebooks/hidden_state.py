"""State that cells share without a name for it: random generators, styles, options, environment, working folder.

Each is a *resource* with a name in words. These tables tell which calls and stores of libraries set one anew, change
it, or need it. State of which nobody knows a reader (warning filters, recursion limit) has readers only in its own
module.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple

PYTHON_RANDOM: Final = "random state of Python"
NUMPY_RANDOM: Final = "random state of NumPy"
TORCH_RANDOM: Final = "random state of PyTorch"
TENSORFLOW_RANDOM: Final = "random state of TensorFlow"
PLOT_SETTINGS: Final = "plot settings"
PLOT_DISPLAY: Final = "how plots are shown"
CURRENT_FIGURE: Final = "current figure"
PANDAS_DISPLAY: Final = "display options of pandas"
PANDAS_OPTIONS: Final = "options of pandas"
PANDAS_EXTENSIONS: Final = "extensions of pandas"
NUMPY_PRINTING: Final = "print options of NumPy"
NUMPY_ERRORS: Final = "error handling of NumPy"
CELL_DISPLAY: Final = "how results are shown"
WARNINGS: Final = "warning filters"
LOGGING: Final = "logging configuration"
LOCALE: Final = "locale"
ENVIRONMENT: Final = "environment"
FOLDER: Final = "working folder"
IMPORT_PATH: Final = "import path"
PACKAGES: Final = "installed packages"
DECIMALS: Final = "decimal context"
DASK_CLIENT: Final = "Dask client"
STORED: Final = "stored variables"

#: Resources that only set the process up: cells that write nothing else are configuration.
CONFIGURATION: Final = frozenset(
    {
        PLOT_SETTINGS, PLOT_DISPLAY, PANDAS_DISPLAY, PANDAS_OPTIONS, PANDAS_EXTENSIONS, NUMPY_PRINTING, NUMPY_ERRORS,
        CELL_DISPLAY, WARNINGS, LOGGING, LOCALE, ENVIRONMENT, FOLDER, IMPORT_PATH, DECIMALS, PACKAGES,
    }
)  # fmt: skip
#: Random states: nothing depends on them before they are seeded.
RANDOM: Final = frozenset({PYTHON_RANDOM, NUMPY_RANDOM, TORCH_RANDOM, TENSORFLOW_RANDOM})


class Touch(NamedTuple):
    """What a call does to one resource: ``set`` it whatever it was, ``change`` it, or ``read`` it."""

    how: Literal["set", "change", "read"]
    resource: str


_SETS = "set"
_CHANGES = "change"
_READS = "read"

#: Dotted path, or the beginning of one that ends in a dot, to what a call of it touches. The longest one counts.
_CALLS: Final[dict[str, tuple[str, str] | None]] = {
    "random.": (_CHANGES, PYTHON_RANDOM),
    "random.seed": (_SETS, PYTHON_RANDOM),
    "random.setstate": (_SETS, PYTHON_RANDOM),
    "random.getstate": (_READS, PYTHON_RANDOM),
    "random.Random": None,
    "random.SystemRandom": None,
    "numpy.random.": (_CHANGES, NUMPY_RANDOM),
    "numpy.random.seed": (_SETS, NUMPY_RANDOM),
    "numpy.random.set_state": (_SETS, NUMPY_RANDOM),
    "numpy.random.get_state": (_READS, NUMPY_RANDOM),
    **{
        f"numpy.random.{name}": None
        for name in (
            "default_rng Generator RandomState SeedSequence PCG64 PCG64DXSM MT19937 Philox SFC64 BitGenerator".split()
        )
    },
    "torch.manual_seed": (_SETS, TORCH_RANDOM),
    "torch.random.manual_seed": (_SETS, TORCH_RANDOM),
    "torch.cuda.manual_seed": (_SETS, TORCH_RANDOM),
    "torch.cuda.manual_seed_all": (_SETS, TORCH_RANDOM),
    **{
        f"torch.{name}": (_CHANGES, TORCH_RANDOM)
        for name in (
            "rand rand_like randn randn_like randint randint_like randperm normal bernoulli multinomial poisson nn. "
            "distributions. utils.data. dropout".split()
        )
    },
    "tensorflow.random.set_seed": (_SETS, TENSORFLOW_RANDOM),
    "keras.utils.set_random_seed": (_SETS, TENSORFLOW_RANDOM),
    "tensorflow.keras.utils.set_random_seed": (_SETS, TENSORFLOW_RANDOM),
    "tensorflow.": (_CHANGES, TENSORFLOW_RANDOM),
    "keras.": (_CHANGES, TENSORFLOW_RANDOM),
    # plots
    "matplotlib.": (_READS, PLOT_SETTINGS),
    "mpl_toolkits.": (_READS, PLOT_SETTINGS),
    "seaborn.": (_READS, PLOT_SETTINGS),
    "seaborn.load_dataset": None,
    "pandas.plotting.": (_READS, PLOT_SETTINGS),
    "pandas.plotting.register_matplotlib_converters": (_CHANGES, PLOT_SETTINGS),
    "pandas.plotting.deregister_matplotlib_converters": (_CHANGES, PLOT_SETTINGS),
    "matplotlib.style.context": (_READS, PLOT_SETTINGS),
    "matplotlib.pyplot.style.context": (_READS, PLOT_SETTINGS),
    "matplotlib.pyplot.close": None,
    "matplotlib.pyplot.clf": None,
    "matplotlib.pyplot.cla": None,
    **dict.fromkeys(
        "matplotlib.style.use matplotlib.pyplot.style.use matplotlib.rc matplotlib.pyplot.rc matplotlib.rcdefaults "
        "matplotlib.pyplot.rcdefaults matplotlib.rc_file matplotlib.rc_file_defaults matplotlib.rcParams. "
        "matplotlib.pyplot.rcParams. matplotlib.pyplot.xkcd matplotlib.pyplot.set_cmap matplotlib.font_manager. "
        "matplotlib.pyplot.rcParamsDefault. "
        "matplotlib.colormaps.register matplotlib.pyplot.colormaps.register matplotlib.pyplot.register_cmap "
        "matplotlib.cm.register_cmap seaborn.set seaborn.set_theme seaborn.set_style seaborn.set_context "
        "seaborn.set_palette seaborn.set_color_codes seaborn.reset_defaults seaborn.reset_orig "
        "seaborn.despine_all".split(),
        (_CHANGES, PLOT_SETTINGS),
    ),
    **dict.fromkeys(
        "matplotlib.rcParams.get matplotlib.rcParams.copy matplotlib.pyplot.rcParams.get "
        "matplotlib.pyplot.rcParams.copy".split(),
        (_READS, PLOT_SETTINGS),
    ),
    **dict.fromkeys(
        "matplotlib.use matplotlib.pyplot.switch_backend matplotlib.pyplot.ion matplotlib.pyplot.ioff "
        "IPython.display.set_matplotlib_formats IPython.display.set_matplotlib_close "
        "IPython.core.display.set_matplotlib_formats matplotlib_inline.backend_inline.set_matplotlib_formats "
        "matplotlib_inline.backend_inline.set_matplotlib_close bokeh.io.output_notebook bokeh.io.output_file "
        "bokeh.plotting.output_notebook bokeh.plotting.output_file plotly.offline.init_notebook_mode "
        "altair.renderers.enable altair.themes.enable altair.data_transformers.enable "
        "altair.data_transformers.disable_max_rows holoviews.extension panel.extension hvplot.extension".split(),
        (_CHANGES, PLOT_DISPLAY),
    ),
    **dict.fromkeys(("plotly.", "bokeh.", "altair.", "holoviews.", "panel.", "hvplot."), (_READS, PLOT_DISPLAY)),
    # options
    "pandas.set_option": (_CHANGES, PANDAS_OPTIONS),
    "pandas.reset_option": (_CHANGES, PANDAS_OPTIONS),
    "pandas.set_eng_float_format": (_CHANGES, PANDAS_DISPLAY),
    "pandas.get_option": (_READS, PANDAS_OPTIONS),
    "pandas.describe_option": (_READS, PANDAS_OPTIONS),
    "pandas.": (_READS, PANDAS_OPTIONS),
    "pandas.api.extensions.": (_CHANGES, PANDAS_EXTENSIONS),
    "tqdm.tqdm.pandas": (_CHANGES, PANDAS_EXTENSIONS),
    "tqdm.pandas": (_CHANGES, PANDAS_EXTENSIONS),
    "tqdm.auto.tqdm.pandas": (_CHANGES, PANDAS_EXTENSIONS),
    "tqdm.notebook.tqdm.pandas": (_CHANGES, PANDAS_EXTENSIONS),
    "tqdm.notebook.tqdm_notebook.pandas": (_CHANGES, PANDAS_EXTENSIONS),
    "tqdm.tqdm_notebook.pandas": (_CHANGES, PANDAS_EXTENSIONS),
    "pandarallel.pandarallel.initialize": (_CHANGES, PANDAS_EXTENSIONS),
    "numpy.set_printoptions": (_CHANGES, NUMPY_PRINTING),
    "numpy.set_string_function": (_CHANGES, NUMPY_PRINTING),
    "numpy.get_printoptions": (_READS, NUMPY_PRINTING),
    "numpy.array2string": (_READS, NUMPY_PRINTING),
    "numpy.seterr": (_CHANGES, NUMPY_ERRORS),
    "numpy.seterrcall": (_CHANGES, NUMPY_ERRORS),
    "numpy.": (_READS, NUMPY_ERRORS),
    "sklearn.set_config": (_CHANGES, "configuration of scikit-learn"),
    "sklearn.": (_READS, "configuration of scikit-learn"),
    "torch.set_default_dtype": (_CHANGES, "settings of PyTorch"),
    "torch.set_default_device": (_CHANGES, "settings of PyTorch"),
    "torch.set_default_tensor_type": (_CHANGES, "settings of PyTorch"),
    "torch.set_printoptions": (_CHANGES, "settings of PyTorch"),
    "torch.": (_READS, "settings of PyTorch"),
    "xarray.set_options": (_CHANGES, "options of xarray"),
    "xarray.": (_READS, "options of xarray"),
    "polars.Config.": (_CHANGES, "settings of Polars"),
    "polars.": (_READS, "settings of Polars"),
    "dask.config.set": (_CHANGES, "configuration of Dask"),
    "dask.distributed.Client": (_SETS, DASK_CLIENT),
    "distributed.Client": (_SETS, DASK_CLIENT),
    "dask.": (_READS, DASK_CLIENT),
    "distributed.": (_READS, DASK_CLIENT),
    # the interpreter
    "warnings.": (_CHANGES, WARNINGS),
    "warnings.warn": (_READS, WARNINGS),
    "warnings.catch_warnings": None,
    "logging.": (_READS, LOGGING),
    **{
        f"logging.{name}": (_CHANGES, LOGGING)
        for name in "basicConfig disable captureWarnings addLevelName setLoggerClass root. config.".split()
    },
    "locale.": (_READS, LOCALE),
    "locale.setlocale": (_CHANGES, LOCALE),
    "time.strftime": (_READS, LOCALE),
    "calendar.": (_READS, LOCALE),
    "os.chdir": (_CHANGES, FOLDER),
    "os.getcwd": (_READS, FOLDER),
    "pathlib.Path.cwd": (_READS, FOLDER),
    "os.environ.": (_READS, ENVIRONMENT),
    **{f"os.environ.{name}": (_CHANGES, ENVIRONMENT) for name in "update setdefault pop clear popitem".split()},
    "os.putenv": (_CHANGES, ENVIRONMENT),
    "os.unsetenv": (_CHANGES, ENVIRONMENT),
    "dotenv.load_dotenv": (_CHANGES, ENVIRONMENT),
    "os.getenv": (_READS, ENVIRONMENT),
    "os.path.expandvars": (_READS, ENVIRONMENT),
    "subprocess.": (_READS, ENVIRONMENT),
    **{f"sys.path.{name}": (_CHANGES, IMPORT_PATH) for name in "append insert extend remove pop clear".split()},
    "site.addsitedir": (_CHANGES, IMPORT_PATH),
    "importlib.import_module": (_READS, IMPORT_PATH),
    "sys.setrecursionlimit": (_CHANGES, "recursion limit"),
    "sys.getrecursionlimit": (_READS, "recursion limit"),
    "socket.setdefaulttimeout": (_CHANGES, "network timeout"),
    "urllib.request.": (_READS, "network timeout"),
    "urllib.request.install_opener": (_CHANGES, "network timeout"),
    "csv.field_size_limit": (_CHANGES, "field size limit of csv"),
    "csv.register_dialect": (_CHANGES, "dialects of csv"),
    "csv.": (_READS, "dialects of csv"),
    "decimal.setcontext": (_SETS, DECIMALS),
    "decimal.getcontext": (_READS, DECIMALS),
    "decimal.": (_READS, DECIMALS),
    "nltk.download": (_CHANGES, "data of nltk"),
    "nltk.": (_READS, "data of nltk"),
    "IPython.core.interactiveshell.InteractiveShell.": (_CHANGES, CELL_DISPLAY),
    "signal.signal": (_CHANGES, "signal handlers"),
    "faulthandler.": (_CHANGES, "signal handlers"),
    "atexit.register": (_CHANGES, "exit handlers"),
    "gc.": (_CHANGES, "garbage collector"),
    "gc.collect": None,
    "gc.get_objects": None,
    "sympy.init_printing": (_CHANGES, CELL_DISPLAY),
}

#: Stores to an attribute or item of a library: beginning of the path to the resource.
_STORES: Final = {
    "matplotlib.rcParams": PLOT_SETTINGS,
    "matplotlib.pyplot.rcParams": PLOT_SETTINGS,
    "plotly.io.templates": PLOT_DISPLAY,
    "plotly.io.renderers": PLOT_DISPLAY,
    "pandas.options.display": PANDAS_DISPLAY,
    "pandas.options.plotting": PLOT_SETTINGS,
    "pandas.options": PANDAS_OPTIONS,
    "os.environ": ENVIRONMENT,
    "sys.path": IMPORT_PATH,
    "IPython.core.interactiveshell.InteractiveShell": CELL_DISPLAY,
    "warnings": WARNINGS,
    "logging": LOGGING,
    "decimal": DECIMALS,
    "sys.stdout": "standard output",
    "sys.stderr": "standard output",
}

#: Classes and functions of scikit-learn and its relatives that draw from NumPy's state unless they get
#: ``random_state``.
_DRAWING_NAMES: Final = frozenset(
    """
    train_test_split ShuffleSplit StratifiedShuffleSplit GroupShuffleSplit RandomizedSearchCV RandomForestClassifier
    RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor ExtraTreeClassifier ExtraTreeRegressor
    RandomTreesEmbedding DecisionTreeClassifier DecisionTreeRegressor BaggingClassifier BaggingRegressor
    GradientBoostingClassifier GradientBoostingRegressor AdaBoostClassifier AdaBoostRegressor
    HistGradientBoostingClassifier HistGradientBoostingRegressor IsolationForest KMeans MiniBatchKMeans
    BisectingKMeans GaussianMixture BayesianGaussianMixture MLPClassifier MLPRegressor SGDClassifier SGDRegressor
    SGDOneClassSVM Perceptron PassiveAggressiveClassifier PassiveAggressiveRegressor SVC NuSVC LinearSVC LinearSVR
    TSNE MDS SpectralClustering SpectralEmbedding TruncatedSVD FastICA NMF MiniBatchNMF LatentDirichletAllocation
    DictionaryLearning MiniBatchDictionaryLearning RANSACRegressor TheilSenRegressor RBFSampler Nystroem
    GaussianRandomProjection SparseRandomProjection QuantileTransformer IterativeImputer BernoulliRBM make_blobs
    make_classification make_regression make_moons make_circles make_friedman1 make_friedman2 make_friedman3
    make_swiss_roll make_s_curve make_multilabel_classification make_sparse_uncorrelated make_gaussian_quantiles
    make_hastie_10_2 make_low_rank_matrix shuffle resample permutation_importance permutation_test_score
    mutual_info_classif mutual_info_regression SMOTE ADASYN RandomOverSampler RandomUnderSampler BorderlineSMOTE
    randomized_svd fetch_20newsgroups fetch_olivetti_faces silhouette_samples GaussianProcessRegressor
    GaussianProcessClassifier
    """.split()
)
#: Of these only some calls draw: with ``shuffle=True``.
_SHUFFLING_NAMES: Final = frozenset({"KFold", "StratifiedKFold", "StratifiedGroupKFold", "GroupKFold"})
_JITTERING: Final = frozenset({"seaborn.stripplot", "seaborn.catplot", "seaborn.FacetGrid.map_dataframe"})

#: Methods of any object that need a resource.
METHODS: Final[dict[str, Touch]] = {
    **{
        name: Touch("read", PANDAS_EXTENSIONS)
        for name in "progress_apply progress_map progress_applymap progress_aggregate progress_transform "
        "parallel_apply parallel_map parallel_applymap".split()
    },
    **{name: Touch("read", DASK_CLIENT) for name in ("compute", "persist")},
    "strftime": Touch("read", LOCALE),
}


@lru_cache(maxsize=4096)
def call_touches(path: str) -> tuple[Touch, ...]:
    """Return what a call of a library's function touches.

    Examples
    --------
    >>> call_touches("numpy.random.normal")
    (Touch(how='change', resource='random state of NumPy'), Touch(how='read', resource='error handling of NumPy'))
    >>> call_touches("numpy.random.seed")[0].how
    'set'
    """
    found: list[Touch] = []
    exact = _CALLS.get(path, _CALLS)
    if exact is None:
        return ()
    if isinstance(exact, tuple):
        found.append(Touch(*exact))  # type: ignore[arg-type]
    position = len(path)
    while (position := path.rfind(".", 0, position)) > 0:
        begun = _CALLS.get(path[: position + 1])
        if begun is None or any(touch.resource == begun[1] for touch in found):
            continue
        if begun[0] == "read" or not any(touch.how != "read" for touch in found):
            found.append(Touch(*begun))  # type: ignore[arg-type]
    return tuple(found)


def stored_resource(path: str) -> str | None:
    """Return the resource that a store at (or below) a dotted path of a library changes, None for an unknown one."""
    while path:
        if path in _STORES:
            return _STORES[path]
        path = path.rpartition(".")[0]
    return None


def draws_unless_seeded(path: str, shuffles: bool) -> bool:
    """Tell whether a function or class of a library draws from NumPy's random state when it gets no seed of its own."""
    package, last = path.partition(".")[0], path.rpartition(".")[2]
    if package in ("sklearn", "imblearn"):
        return last in _DRAWING_NAMES or (last in _SHUFFLING_NAMES and shuffles)
    return path in _JITTERING or (package == "scipy" and last == "rvs")
