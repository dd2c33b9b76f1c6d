"""How long a cell may take that has not run yet, guessed from its source: only to tell long ones from short ones."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Final

from orchestra_nb.notebooks.ipython_syntax import parse_cell

#: What is guessed of a cell that looks as if it takes long.
HEAVY_SECONDS: Final = 3.0
#: What is guessed of any other.
LIGHT_SECONDS: Final = 0.02
#: A turn of a loop in Python with a short body.
_TURN_SECONDS: Final = 1e-7
#: Names of functions and methods that mostly stand for long work.
_HEAVY: Final = frozenset(
    """
    fit fit_transform fit_predict partial_fit cross_val_score cross_validate cross_val_predict GridSearchCV
    RandomizedSearchCV learning_curve validation_curve permutation_importance train minimize differential_evolution
    dual_annealing basinhopping curve_fit odeint solve_ivp solve_bvp quad nquad eig eigh eigvals svd pinv cdist pdist
    linkage bootstrap sample_posterior NUTS simulate monte_carlo read_csv read_excel read_json read_parquet read_sql
    compute persist apply applymap iterrows itertuples rolling groupby merge
    """.split()
)
#: A number in a call of the notebook's own function that is likely a number of turns.
_LARGE: Final = 100_000
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def defined_functions(sources: Sequence[str]) -> dict[str, ast.AST]:
    """Return the functions that cells define, by name."""
    found: dict[str, ast.AST] = {}
    for source in sources:
        try:
            tree = parse_cell(source)
        except SyntaxError:
            continue
        found.update((node.name, node) for node in ast.walk(tree) if isinstance(node, _FunctionNode))
    return found


def guess_seconds(source: str, functions: Mapping[str, ast.AST]) -> float:
    """Return how long a cell may take.

    Parameters
    ----------
    functions
        The functions of the notebook.

    Examples
    --------
    >>> guess_seconds("time.sleep(1.5)", {}), guess_seconds("x = 1", {})
    (1.52, 0.02)
    """
    try:
        tree = parse_cell(source)
    except SyntaxError:
        return LIGHT_SECONDS
    statements = [node for node in tree.body if not isinstance(node, _FunctionNode | ast.ClassDef)]
    return LIGHT_SECONDS + sum(_cost(node, functions, frozenset()) for node in statements)


def _cost(node: ast.AST, functions: Mapping[str, ast.AST], inside: frozenset[str]) -> float:
    if isinstance(node, _FunctionNode | ast.ClassDef | ast.Lambda):
        return 0.0
    if isinstance(node, ast.Call):
        return _cost_of_call(node, functions, inside)
    cost = sum(_cost(child, functions, inside) for child in ast.iter_child_nodes(node))
    if isinstance(node, ast.While):
        return max(cost, HEAVY_SECONDS)
    if isinstance(node, ast.For):
        return _cost_of_loop(node.iter, cost)
    if isinstance(node, ast.comprehension):
        return _cost_of_loop(node.iter, cost)
    return cost


def _cost_of_loop(iterable: ast.expr, cost: float) -> float:
    turns = _turns(iterable)
    return cost + LIGHT_SECONDS if turns is None else max(cost, 1.0 * _TURN_SECONDS) * turns


def _turns(iterable: ast.expr) -> float | None:
    """Return how often a loop turns, where the source says it."""
    if isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name) and iterable.func.id == "range":
        numbers = [_number(argument) for argument in iterable.args]
        if numbers and all(number is not None for number in numbers):
            stop = numbers[0] if len(numbers) == 1 else (numbers[1] or 0.0) - (numbers[0] or 0.0)
            return max(stop or 0.0, 0.0)
    if isinstance(iterable, ast.List | ast.Tuple | ast.Set):
        return float(len(iterable.elts))
    return None


def _cost_of_call(node: ast.Call, functions: Mapping[str, ast.AST], inside: frozenset[str]) -> float:
    cost = sum(_cost(child, functions, inside) for child in ast.iter_child_nodes(node))
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "sleep" and node.args:
        return cost + (_number(node.args[0]) or 0.0)
    if name in functions and name not in inside:
        body = getattr(functions[name], "body", [])
        large = any((_number(argument) or 0.0) >= _LARGE for argument in node.args)
        inner = sum(_cost(statement, functions, inside | {name}) for statement in body)
        return cost + max(inner, HEAVY_SECONDS if large else 0.0)
    return cost + (HEAVY_SECONDS if name in _HEAVY else 0.0)


def _number(node: ast.expr) -> float | None:
    """Return the number that an expression of literals is."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.BinOp(left=left, op=operation, right=right):
            first, second = _number(left), _number(right)
            if first is None or second is None:
                return None
            match operation:
                case ast.Mult():
                    return first * second
                case ast.Pow() if abs(second) < 20 and abs(first) < 1e6:
                    return float(first**second)
                case ast.Add():
                    return first + second
    return None
