"""Cells that run ahead of their turn: what takes effect is what running them in order gives, whatever they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS

#: A long cell beside which others run.
A = "# long\nfirst = sum(range(10))"

#: What a notebook does to its sources, and the cells that take effect from a worker.
_PROVEN: dict[str, tuple[list[str], list[int]]] = {
    "two independent cells": (
        ["base = [1, 2]", A, "# long\nb = [2 * x for x in base]\nprint('b', b)", "print(first, b)"],
        [2],
    ),
    "a chain on the cluster": (["x = 1", A, "# long\nm = [x]", "# long\nn = [*m, 2]\nprint(n)", "print(m, n)"], [2, 3]),
    "a chain with a short cell between": (
        ["x = 1", A, "# long\nm = [x]", "k = m[0] + 1", "# long\nn = [*m, k]\nprint(n)", "print(m, n, k)"],
        [2, 4],
    ),
    "a change in place": (["rows = [1]", A, "# long\nrows.append(2)\nn = len(rows)", "print(rows, n)"], [2]),
    "a part of an input": (["d = {'a': [1]}", A, "# long\nview = d['a']", "view.append(2)\nprint(d)"], [2]),
    "a view": (["import numpy as np\nx = np.arange(6)", A, "# long\nv = x[:3]", "v[0] = 9\nprint(x, v)"], [2]),
    "a deleted name": (["a = b = 1", A, "# long\ndel a\nc = b", "print('a' in globals(), c)"], [2]),
    "a class of the notebook": (
        [
            "class P:\n    made = 0\n    def __init__(self):\n        P.made += 1",
            A,
            "# long\np = [P(), P()]",
            "print(P.made, type(p[0]) is P)",
        ],
        [2],
    ),
    "Python's generator": (
        ["import random\nrandom.seed(3)", A, "# long\na = random.random()", "print(a, random.random())"],
        [2],
    ),
    "NumPy's generator": (
        ["import numpy as np\nnp.random.seed(3)", A, "# long\na = np.random.rand()", "print(a, np.random.rand())"],
        [2],
    ),
    "print options": (
        [
            "import numpy as np\nnp.set_printoptions(precision=2)",
            A,
            "# long\nprint(np.array([1 / 3]))",
            "print(np.array([1 / 3]))",
        ],
        [2],
    ),
    "the environment": (
        ["import os\nos.environ['WHERE'] = 'here'", A, "# long\nw = os.environ['WHERE']", "print(w)"],
        [2],
    ),
    "a variable that the notebook was started with": (
        ["import os", A, "# long\nw = os.getenv('ONLY_HERE'), 'NOT_HERE' in os.environ", "print(w)"],
        [2],
    ),
    "the whole environment": (
        ["import os", A, "# long\nw = dict(os.environ)", "print(w == dict(os.environ))"],
        [],  # some variables belong to the kernel's process
    ),
    "a module of the user's": (["import own_module", A, "# long\nw = own_module.double(4)", "print(w)"], [2]),
    "a file that is read": (
        ["from pathlib import Path", A, "# long\ntext = Path('data.txt').read_text()", "print(text)"],
        [2],
    ),
}
#: What a notebook does to its sources, and what is said of why it runs in order.
_NOT_PROVEN: dict[str, tuple[list[str], str]] = {
    "an object that another name holds": (
        ["rows = [1]\nbox = {'r': rows}", A, "# long\nrows.append(2)", "print(rows, box)"],
        "`box` shares an object",
    ),
    "a change that no analysis sees": (
        [
            "rows = [1]\nbox = {'r': rows}\ndef touch(): box['r'].append(len(rows))",
            A,
            "f = touch\nvars()['f']()",
            "# long\ntotal = sum(rows)\nprint(total)",
            "print(rows, total)",
        ],
        "",
    ),
    "a change through __dict__": (
        ["class C: pass\nc = C()\nc.v = 1\nd = c.__dict__", A, "d['v'] = 7", "# long\nw = 2 * c.v", "print(w)"],
        "`c`",
    ),
    "a module that the cell changes": (
        ["import own_module", A, "# long\nn = own_module.note('a')", "print(n, own_module.KNOWN)"],
        "the variables of module own_module",
    ),
    "a module that is changed before": (
        ["import own_module", A, "own_module.KNOWN.append(1)", "# long\nn = len(own_module.KNOWN)", "print(n)"],
        "",
    ),
    "a patched module": (
        [
            "import json",
            A,
            "setattr(json, 'dumps', lambda o: 'patched')",
            "# long\ntext = json.dumps([1])",
            "print(text)",
        ],
        "replaces json.dumps in a module",
    ),
    "a file that is written before": (
        [
            "import own_module",
            A,
            "own_module.write('data.txt', 'two')",
            "# long\nt = open('data.txt').read()",
            "print(t)",
        ],
        "",
    ),
    "a file that is made before": (
        [
            "import own_module",
            A,
            "own_module.write('flag', '')",
            "# long\nthere = own_module.is_there('flag')",
            "print(there)",
        ],
        "",
    ),
    "a file that the cell writes": (
        ["import own_module", A, "# long\nown_module.write('new.txt', 'x')", "print(open('new.txt').read())"],
        "it writes the file new.txt",
    ),
    "a cell that catches everything": (
        [
            "import own_module",
            A,
            "# long\ntry:\n    own_module.write('new.txt', 'x')\nexcept BaseException:\n    print('hm')",
            "print(open('new.txt').read())",
        ],
        "it writes the file new.txt",
    ),
    "a process": (
        ["import subprocess", A, "# long\nout = subprocess.run(['echo', 'hi'], capture_output=True)", "print(out)"],
        "it starts a process",
    ),
    "a child of multiprocessing": (
        [
            "import multiprocessing, own_module",
            A,
            "# long\nwith multiprocessing.get_context('spawn').Pool(1) as pool:\n"
            "    out = pool.map(own_module.double, [1])",
            "print(out)",
        ],
        "it starts a process",
    ),
    "a lock": (["import threading", A, "# long\nlock = threading.Lock()", "print(lock.locked())"], "cannot travel"),
    "a changed environment": (
        ["import os, own_module", A, "# long\nown_module.set_environment('NEW')", "print(os.environ.get('NEW'))"],
        "changes the environment",
    ),
    "a log record": (
        ["import logging", A, "# long\nlogging.getLogger('mine').warning('hm')\nx = 1", "print(x)"],
        "it logs",
    ),
    "a generator that is used before": (
        [
            "import random, own_module\nrandom.seed(3)",
            A,
            "x = own_module.draw()",
            "# long\na = own_module.draw()",
            "print(x, a)",
        ],
        "",
    ),
    "a function that looks names up": (
        ["def g(): return globals().get('secret', 0)", A, "secret = 5", "# long\nr = g()", "print(r)"],
        "",
    ),
    "an error": (["", A, "# long\nprint('before')\n1 / 0", "print('after')"], "ZeroDivisionError"),
    "an undeclared change beside an innocent cell": (
        [
            "class C: pass\nc = C()\nc.v = 1\nd = c.__dict__\nfree = 3",
            A,
            "d['v'] = 7",
            "# long\nw = 2 * c.v",
            "# long\nx = 2 * free",
            "print(w, x)",
        ],
        "`c`",
    ),
    "a failure before": (["x = 1", "# long\n1 / 0", "# long\ny = x + 1\nprint(y)"], ""),
}


@pytest.fixture(scope="module")
def runs() -> dict[str, list[dict[str, Any]]]:
    """Each notebook's name to what running it in order and with cells ahead left."""
    notebooks = {**_PROVEN, **_NOT_PROVEN}
    script = Path(__file__).with_name("ahead_notebooks.py")
    done = subprocess.run(
        [sys.executable, str(script)],
        input=json.dumps([sources for sources, _ in notebooks.values()]),
        capture_output=True,
        text=True,
        env={**os.environ, "ONLY_HERE": "1"},
        timeout=PATIENCE_SECONDS * 2,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(notebooks, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", _PROVEN)
def test_cells_that_ran_ahead_give_what_they_give_in_order(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    in_order, ahead = runs[name]

    assert (ahead["texts"], ahead["error"]) == (in_order["texts"], in_order["error"])
    assert (ahead["taken"], ahead["notes"]) == (_PROVEN[name][1], [])


@pytest.mark.parametrize("name", _NOT_PROVEN)
def test_what_cannot_be_proven_runs_again_in_order(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    in_order, ahead = runs[name]

    assert (ahead["texts"], ahead["error"]) == (in_order["texts"], in_order["error"])
    assert ahead["taken"] == []
    assert _NOT_PROVEN[name][1] in " ".join(ahead["notes"])
