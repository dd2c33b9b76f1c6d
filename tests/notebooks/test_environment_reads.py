"""What a cell's own code looks up in the environment."""

from __future__ import annotations

import ast

import pytest

from orchestra_nb.notebooks.environment_reads import EnvironmentReads, environment_reads


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("x = os.environ['A']", "A"),
        ("x = os.environ.get('A', os.environ.get('B'))", "A B"),
        ("x = os.getenv('A'), environ['B'], os.environb[b'C']", "A B C"),
        ("x = 'A' in os.environ or 'B' not in environ", "A B"),
        ("p = os.path.expandvars('$HOME/${DATA_DIR}/x$A')", "A DATA_DIR HOME"),
        ("os.environ['A'] = 'x'; os.environ.setdefault('B', 'y'); os.environ.pop('C', None)", "A B C"),
        ("from os import environ, getenv\nx = environ['A'] + getenv('B')", "A B"),
        ("x = table['environment'].get('A')", ""),
    ],
)
def test_names_that_stand_in_the_code_are_known(source: str, names: str) -> None:
    assert environment_reads(ast.parse(source)) == EnvironmentReads(frozenset(names.split()), False)


@pytest.mark.parametrize(
    "source",
    [
        "x = dict(os.environ)",
        "x = os.environ[name]",
        "x = os.getenv(f'{prefix}_URL')",
        "for name, value in os.environ.items(): print(name)",
        "look_up = os.getenv",
        "from os import environ as e\nx = e['A']",
        "x = os.path.expandvars(path)",
        "x = os.environ.get('A'); run(env=os.environ)",
    ],
)
def test_what_is_made_while_it_runs_may_be_anything(source: str) -> None:
    assert environment_reads(ast.parse(source)).is_whole
