r"""Parameter values in the languages that papermill knows, by papermill's own translators.

They are loaded without the rest of papermill, whose import takes longer than a short notebook runs. Where papermill's
text would arrive as another value (its escapes are Python's: ``"\xe9"`` is no letter in R, Julia puts a variable's
value in place of ``$HOME``, PowerShell runs ``$(...)``), the text is ours, and what has no exact form is refused.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import shlex
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.notebooks.parameter_types import Parameter

#: Stands for papermill's folder as a package whose ``__init__`` was not run.
_LIGHT_PACKAGE: Final = "_orchestra_papermill"
#: Languages in which papermill writes Python's words for NaN and the infinities, which they do not know.
_NO_NON_FINITE: Final = frozenset({"r", "ir", "scala", "julia", "matlab", ".net-csharp", ".net-fsharp"})
#: The largest whole number that a literal keeps exact.
_LARGEST: Final = {
    "r": 1 << 53,
    "matlab": 1 << 53,
    "scala": (1 << 63) - 1,
    ".net-csharp": (1 << 63) - 1,
    ".net-fsharp": (1 << 31) - 1,
    ".net-powershell": (1 << 63) - 1,
}
#: Languages in whose names letters beyond ASCII may stand.
_UNICODE_NAMES: Final = frozenset({"python", "r", "julia"})


def inferred_parameters(source: str, kernel_name: str, language: str) -> list[Parameter]:
    """Return what papermill's inference finds in a parameters cell; nothing for a language that it cannot read."""
    _, translator = _translator(kernel_name, language)
    if translator is None:
        return []
    try:
        found = translator.inspect({"source": source})
    except NotImplementedError:
        return []
    return [
        Parameter(
            name=each.name,
            annotation=None if each.inferred_type_name == "None" else each.inferred_type_name,
            default_source=each.default,
            help=each.help,
        )
        for each in found
    ]


def translated(values: Mapping[str, object], *, kernel_name: str, language: str) -> str:
    """Return the text of a cell that assigns these values.

    Raises
    ------
    InvalidParameters
        papermill does not know the language, or it has no form for one of the values.
    """
    known, translator = _known_translator(kernel_name, language)
    for name, value in values.items():
        if known not in _UNICODE_NAMES and not name.isascii():
            raise InvalidParameters(f"{name!r} cannot be the name of a parameter in {language}: write ASCII letters.")
        try:
            reason = _without_form(known, value)
            translator.translate(value)
        except NotImplementedError:
            reason = "for which papermill has no form"
        if reason is not None:
            raise InvalidParameters(
                f"Parameter {name} is {value!r:.60} ({type(value).__name__}), {reason} in {language}. "
                "Give it as text or as numbers."
            )
    return str(translator.codify(values, "Parameters"))


def comment(text: str, *, kernel_name: str, language: str) -> str:
    """Return a text as a comment of the language."""
    return str(_known_translator(kernel_name, language)[1].comment(text))


def _known_translator(kernel_name: str, language: str) -> tuple[str, Any]:
    known, translator = _translator(kernel_name, language)
    if translator is None:
        raise InvalidParameters(
            f"Parameters cannot be given to a notebook in {language or 'an unknown language'}: "
            f"papermill knows {', '.join(sorted(_known_translators()))}. Run it without parameters, or choose another "
            "kernel."
        )
    return known, translator


def _translator(kernel_name: str, language: str) -> tuple[str, Any]:
    """Return papermill's name for a language and its translator, with texts as that language has them."""
    known = _known_translators()
    name = next((name for name in (kernel_name.lower(), language.lower()) if name in known), None)
    if name is None:
        return "", None
    base = known[name]
    family = _FAMILIES.get(base.__name__, name)
    write = _TEXTS.get(family)
    if write is None:
        return family, base
    return family, type(base.__name__, (base,), {"translate_str": classmethod(lambda _, text: write(text))})


def _known_translators() -> dict[str, Any]:
    translators = _load_translators().papermill_translators._translators
    return {name.lower(): translator for name, translator in translators.items()}


def _without_form(family: str, value: object) -> str | None:
    """Return why a language cannot say a value exactly, in words that follow the value; None when it can."""
    if isinstance(value, Mapping):
        parts = [*value, *value.values()]
        return next((reason for part in parts if (reason := _without_form(family, part)) is not None), None)
    if isinstance(value, list):
        if family == "bash" and any(isinstance(item, list) for item in value):
            return "for which there is no form"
        return next((reason for item in value if (reason := _without_form(family, item)) is not None), None)
    if isinstance(value, float) and not math.isfinite(value) and family in _NO_NON_FINITE:
        return "for which papermill has no form"
    if isinstance(value, int) and abs(value) > _LARGEST.get(family, abs(value)):
        return "which is too large to be exact"
    if isinstance(value, str) and "\0" in value and family in ("bash", "r", "matlab"):
        return "and there is no NUL in a text"
    if isinstance(value, str) and family == "matlab" and not value.isprintable():
        return "and there is no form for its control characters"
    return None


def _escaped(text: str, escapes: Mapping[str, str], form: Callable[[str], str]) -> str:
    """Return a text in double quotes: printable characters as they are, others as this language writes them."""
    written = (escapes.get(letter) or (letter if letter.isprintable() else form(letter)) for letter in text)
    return f'"{"".join(written)}"'


_COMMON: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _utf16(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


def _code_point(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


def _bash_text(text: str) -> str:
    """Return a text as bash reads it: its kernel sits at a terminal, for which a tab is a question."""
    if not any((ord(letter) < 0x20 and letter != "\n") or letter == "\x7f" for letter in text):
        return shlex.quote(text)
    marks = {"\\": "\\\\", "'": "\\'", "\n": "\\n"}
    return "$'" + "".join(marks.get(letter) or _octal(letter) for letter in text) + "'"


def _octal(letter: str) -> str:
    return f"\\{ord(letter):03o}" if ord(letter) < 0x20 or letter == "\x7f" else letter


#: Language to what writes its texts, where papermill's would arrive as others.
_TEXTS: Final[dict[str, Callable[[str], str]]] = {
    "bash": _bash_text,
    "r": lambda text: _escaped(text, _COMMON, _code_point),
    "julia": lambda text: _escaped(text, {**_COMMON, "$": "\\$"}, _code_point),
    "scala": lambda text: _escaped(text, _COMMON, _utf16),
    ".net-csharp": lambda text: _escaped(text, _COMMON, _utf16),
    ".net-fsharp": lambda text: _escaped(text, _COMMON, _utf16),
    ".net-powershell": lambda text: "'" + "".join(mark * 2 if mark in "'‘’‚‛" else mark for mark in text) + "'",
    "matlab": lambda text: '"' + text.replace('"', '""') + '"',
}
#: papermill's class to the language that it writes.
_FAMILIES: Final = {
    "PythonTranslator": "python",
    "RTranslator": "r",
    "ScalaTranslator": "scala",
    "JuliaTranslator": "julia",
    "MatlabTranslator": "matlab",
    "CSharpTranslator": ".net-csharp",
    "FSharpTranslator": ".net-fsharp",
    "PowershellTranslator": ".net-powershell",
    "BashTranslator": "bash",
}


def _load_translators() -> Any:
    """Return ``papermill.translators``, without running ``papermill/__init__.py`` where nobody has yet."""
    if "papermill" in sys.modules:
        return importlib.import_module("papermill.translators")
    if _LIGHT_PACKAGE not in sys.modules:
        spec = importlib.util.find_spec("papermill")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        package = ModuleType(_LIGHT_PACKAGE)
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules[_LIGHT_PACKAGE] = package
    module = importlib.import_module(f"{_LIGHT_PACKAGE}.translators")
    module.logger.setLevel(logging.ERROR)  # its inference warns of lines that are no parameters
    return module
