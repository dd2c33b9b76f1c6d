"""Jinja expressions and templates of users, evaluated in a sandbox that changes nothing and grows no huge values.

What a name does not have is an error and no empty text: a condition that asks for it must not pass by accident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.errors import InvalidInput

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

#: The most characters that a template may write.
_LONGEST: Final = 100_000
#: The largest number that anything may be multiplied by a text, or raised to.
_LARGEST_FACTOR: Final = 1_000
#: How many expressions and templates are kept compiled.
_COMPILED: Final = 1_000


def evaluate(expression: str, facts: Mapping[str, object]) -> object:
    """Return the value of an expression.

    Raises
    ------
    InvalidInput
        It is none, or asks for what is not there.

    Examples
    --------
    >>> evaluate("rows + 1", {"rows": 41})
    42
    """
    return _telling_errors(expression, lambda: _value_of(expression, facts))


def holds(condition: str, facts: Mapping[str, object]) -> bool:
    """Tell whether a condition holds; an empty one does.

    Raises
    ------
    InvalidInput
        As :func:`evaluate`.
    """
    return not condition.strip() or bool(evaluate(condition, facts))


def render(value: object, facts: Mapping[str, object]) -> object:
    """Return a value of JSON's types in which each text was rendered.

    A text that is one expression and nothing else becomes what the expression is: a number stays one.

    Raises
    ------
    InvalidInput
        A template is none, or asks for what is not there.

    Examples
    --------
    >>> render({"rows": "{{ rows }}", "note": "{{ rows }} rows"}, {"rows": 3})
    {'rows': 3, 'note': '3 rows'}
    """
    if isinstance(value, str):
        return _telling_errors(value, lambda: _rendered(value, facts)) if "{" in value else value
    if isinstance(value, Mapping):
        return {name: render(item, facts) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [render(item, facts) for item in value]
    return value


def check_syntax(text: str, *, is_expression: bool) -> None:
    """See that something is an expression, or a template.

    Raises
    ------
    InvalidInput
        It is none.
    """
    if text.strip():
        _telling_errors(text, lambda: _expression(text) if is_expression else _template(text))


@dataclass(frozen=True, slots=True)
class NamesUsed:
    """What a text asks for.

    Parameters
    ----------
    names
        Names that it does not make itself.
    parts
        Such a name, and what it asks of it by a name that stands there: ``("run", "name")``.
    guarded
        Names, and names of parts, of which it asks whether they are there.
    """

    names: frozenset[str]
    parts: frozenset[tuple[str, str]]
    guarded: frozenset[str]


@lru_cache(maxsize=_COMPILED)
def names_used(text: str, *, is_expression: bool) -> NamesUsed:
    """Return what an expression or a template asks for.

    Raises
    ------
    InvalidInput
        It is none.

    Examples
    --------
    >>> sorted(names_used("run.name ~ rows", is_expression=True).parts)
    [('run', 'name')]
    """
    if not text.strip():
        return NamesUsed(frozenset(), frozenset(), frozenset())
    from jinja2 import meta, nodes

    check_syntax(text, is_expression=is_expression)
    tree = _environment().parse(f"{{{{ ({text}) }}}}" if is_expression else text)
    names = meta.find_undeclared_variables(tree) - _environment().globals.keys()
    parts: set[tuple[str, str]] = set()
    guarded: set[str] = set()
    asked: list[tuple[nodes.Expr, object]] = [(node.node, node.attr) for node in tree.find_all(nodes.Getattr)]
    asked += [(node.node, getattr(node.arg, "value", None)) for node in tree.find_all(nodes.Getitem)]
    for root, part in asked:
        if isinstance(root, nodes.Name) and root.name in names and isinstance(part, str):
            parts.add((root.name, part))
    for test in tree.find_all(nodes.Test):
        if test.name in ("defined", "undefined"):
            guarded.add(str(getattr(test.node, "attr", getattr(test.node, "name", ""))))
    for use in tree.find_all(nodes.Filter):
        if use.name in ("default", "d"):
            guarded.add(str(getattr(use.node, "attr", getattr(use.node, "name", ""))))
    return NamesUsed(frozenset(names), frozenset(parts), frozenset(guarded))


def _value_of(expression: str, facts: Mapping[str, object]) -> object:
    from jinja2 import Undefined

    value = _expression(expression)(**facts)
    if isinstance(value, Undefined):
        str(value)  # raises, and says what is missing
    return value


def _rendered(text: str, facts: Mapping[str, object]) -> object:
    inner = _sole_expression(text)
    if inner is not None:
        return _plain(_value_of(inner, facts))
    written = _template(text).render(facts)
    if len(written) > _LONGEST:
        raise ValueError(f"it writes more than {_LONGEST:,} characters")
    return written


@lru_cache(maxsize=_COMPILED)
def _sole_expression(text: str) -> str | None:
    """Return what stands between the braces where a template is one expression."""
    from jinja2 import nodes

    stripped = text.strip()
    if not (stripped.startswith("{{") and stripped.endswith("}}")):
        return None
    body = _environment().parse(stripped).body
    if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
        return None
    if isinstance(body[0].nodes[0], nodes.TemplateData):
        return None
    return stripped[2:-2].strip("-+ ")


@lru_cache(maxsize=_COMPILED)
def _expression(text: str) -> Callable[..., object]:
    return _environment().compile_expression(text, undefined_to_none=False)


@lru_cache(maxsize=_COMPILED)
def _template(text: str) -> Any:
    return _environment().from_string(text)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from orchestra_nb.model.told_undefined import ToldUndefined

    class _Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            operands = (left, right)
            is_growing = operator == "**" or not all(isinstance(one, int | float) for one in operands)
            if is_growing and any(isinstance(one, int | float) and abs(one) > _LARGEST_FACTOR for one in operands):
                raise ValueError(f"{operator} with a number above {_LARGEST_FACTOR:,}")
            return super().call_binop(context, operator, left, right)

    environment = _Environment(undefined=ToldUndefined)
    environment.filters["time"] = lambda at: f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return environment


def _plain(value: object) -> object:
    """Return a value of an expression as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _telling_errors(text: str, use: Callable[[], Any]) -> Any:
    try:
        return use()
    except Exception as error:  # whatever an expression does wrong
        shown = text if len(text) <= 200 else f"{text[:199]}…"
        words = str(error)[:300].rstrip(".") or type(error).__name__
        raise InvalidInput(f"{shown!r} cannot be used: {words}.") from error
