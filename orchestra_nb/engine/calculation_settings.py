"""Settings of libraries by which they reckon otherwise: floating-point errors, decimals, locale, scikit-learn, pandas.

Each has a function that looks at it, one that puts a state back, and one that tells how its package makes it.
"""

from __future__ import annotations

import importlib
import locale
import sys
from collections.abc import Mapping
from typing import Any, Final

#: What a process begins with; the category of characters is set by how it was started.
_LOCALE: Final = dict.fromkeys(("LC_COLLATE", "LC_MONETARY", "LC_NUMERIC", "LC_TIME"), "C")
_NUMPY_ERRORS: Final = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def look_at_numpy_errors() -> object:
    """Return what NumPy does at each kind of floating-point error."""
    numpy: Any = sys.modules.get("numpy")
    return None if numpy is None or not hasattr(numpy, "geterr") else numpy.geterr()


def pristine_numpy_errors() -> object:
    """Return what it does when nobody has said."""
    return _NUMPY_ERRORS


def put_numpy_errors(state: Mapping[str, str]) -> None:
    """Put a state back."""
    import numpy

    numpy.seterr(**state)  # type: ignore[arg-type]


def look_at_decimals() -> object:
    """Return the precision, rounding, bounds and traps of decimals."""
    decimal: Any = sys.modules.get("decimal")
    return None if decimal is None else _context(decimal.getcontext())


def pristine_decimals() -> object:
    """Return those of a new thread."""
    return _context(sys.modules["decimal"].DefaultContext)


def put_decimals(state: Mapping[str, Any]) -> None:
    """Put a state back."""
    import decimal

    context = decimal.getcontext()
    for name in _DECIMAL_NUMBERS:
        setattr(context, name, state[name])
    for signal in context.traps:
        context.traps[signal] = signal.__name__ in state["traps"]


_DECIMAL_NUMBERS: Final = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def _context(context: Any) -> dict[str, object]:
    traps = sorted(signal.__name__ for signal, is_on in context.traps.items() if is_on)
    return {**{name: getattr(context, name) for name in _DECIMAL_NUMBERS}, "traps": traps}


def look_at_locale() -> object:
    """Return the names of the locales of what is no matter of characters."""
    return {name: locale.setlocale(getattr(locale, name)) for name in _LOCALE if hasattr(locale, name)}


def pristine_locale() -> object:
    """Return those that a process begins with."""
    return _LOCALE


def put_locale(state: Mapping[str, str]) -> None:
    """Put a state back."""
    for name, value in state.items():
        locale.setlocale(getattr(locale, name), value)


def look_at_sklearn() -> object:
    """Return the configuration of scikit-learn in this thread."""
    sklearn: Any = sys.modules.get("sklearn")
    return None if sklearn is None or not hasattr(sklearn, "get_config") else sklearn.get_config()


def pristine_sklearn() -> object:
    """Return that of a new thread."""
    return dict(sys.modules["sklearn._config"]._global_config)


def put_sklearn(state: Mapping[str, Any]) -> None:
    """Put a state back."""
    sklearn: Any = importlib.import_module("sklearn")

    sklearn.set_config(**state)


def look_at_pandas_options() -> dict[str, object] | None:
    """Return all options of pandas by their full names."""
    config: Any = sys.modules.get("pandas._config.config")
    return None if config is None or "pandas" not in sys.modules else _flat(config._global_config, "")


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in tree.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value})
    return flat


def pristine_pandas_options() -> dict[str, object]:
    """Return how pandas registers them."""
    config: Any = sys.modules["pandas._config.config"]
    return {name: option.defval for name, option in config._registered_options.items()}


def put_pandas_options(state: Mapping[str, Any]) -> None:
    """Put back the options that are among a state."""
    pandas: Any = importlib.import_module("pandas")

    now = look_at_pandas_options() or {}
    for name, value in state.items():
        if name in now and now[name] != value:
            pandas.set_option(name, value)


def is_of_display(option: str) -> bool:
    """Tell whether an option of pandas only matters where something is shown.

    Examples
    --------
    >>> is_of_display("display.precision"), is_of_display("future.infer_string")
    (True, False)
    """
    return option.startswith(("display.", "styler.", "plotting."))
