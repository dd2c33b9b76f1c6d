"""Cells that are replayed from their records give what they give when they run: all that a real kernel can tell apart.

One kernel serves all tests. Each *pass* runs the cells of a notebook in an empty namespace; a second pass may replay
what the first one kept. What is compared is what a plain pass, without records, shows.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from patience import eventually

from orchestra_nb.notebooks.cell_keeper import CellKeeper
from orchestra_nb.notebooks.kernel_client import KernelClient
from orchestra_nb.notebooks.kernel_process import KernelProcess
from orchestra_nb.notebooks.output_collector import OutputCollector

ENVIRON = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
#: Empties the namespace, and makes what a new kernel has anew. Emptying collects garbage: among what the pass made, not
#: among all objects of the libraries, which would take most of the time of these tests.
RESET = """
get_ipython().reset(new_session=True)
import gc as _gc, os as _os, random as _random, sys as _sys
_gc.freeze()
_random.seed()
_sys.argv[:] = ["kernel"]; _os.environ.pop("TZ", None)
if "numpy" in _sys.modules: _sys.modules["numpy"].random.seed(); _sys.modules["numpy"].seterr(divide="warn")
if "decimal" in _sys.modules: _sys.modules["decimal"].getcontext().prec = 28
if "sklearn" in _sys.modules: _sys.modules["sklearn"].set_config(transform_output="default")
if "pandas" in _sys.modules: _sys.modules["pandas"].reset_option("future"), _sys.modules["pandas"].reset_option("display")
_os.chdir({folder!r})
del _gc, _os, _random, _sys
"""


@dataclass(frozen=True)
class Pass:
    """What became of each cell: whether it was replayed, why not, and what it shows."""

    cached: list[bool]
    why: list[str]
    shown: list[str]
    notes: list[str]


class Notebook:
    """Runs the cells of notebooks in one kernel."""

    def __init__(self, loop: asyncio.Runner, client: KernelClient, take: list[Callable[[Any], None]]) -> None:
        self._loop, self._client, self._take = loop, client, take
        self.folder = Path()

    def plain(self, *cells: str) -> list[str]:
        """Run all cells; return what each shows."""
        return self._loop.run(self._play(cells, None)).shown

    def play(
        self,
        *cells: str,
        is_refreshed: bool = False,
        max_bytes: int = 1 << 30,
        run_id: str = "",
        before: str = "",
        injected_at: int | None = None,
    ) -> Pass:
        """Run or replay the cells, after code that belongs to no cell."""
        keeper = CellKeeper(
            list(cells),
            is_refreshed=is_refreshed,
            max_bytes=max_bytes,
            run_id=run_id,
            folder=str(self.folder / "kept"),
            injected_at=injected_at,
        )
        return self._loop.run(self._play(cells, keeper, before))

    async def _play(self, cells: Sequence[str], keeper: CellKeeper | None, before: str = "") -> Pass:
        client = self._client
        (self.folder / "work").mkdir(exist_ok=True)
        await client.execute(RESET.format(folder=str(self.folder / "work")), silent=True)
        await client.execute(before, silent=True)
        outputs = OutputCollector(lambda index: None, lambda index, stream, text: None)
        self._take[:] = [outputs.take]
        if keeper is not None:
            assert await keeper.begin(client) is None
        cached, why, notes = [False] * len(cells), [""] * len(cells), []
        index = 0
        while index < len(cells):
            opened = lambda message_id, index=index: outputs.open_cell(index, message_id)  # noqa: E731
            if keeper is not None:
                kept = await keeper.step(client, index, opened)
                cached[index], why[index] = kept.is_cached, kept.why
                notes.append(kept.note)
                if kept.is_again:
                    index = 0
                    continue
            if not cached[index]:
                reply = await client.execute(cells[index], on_sent=opened)
                if reply["status"] != "ok":
                    if keeper is not None and await keeper.failed(client):
                        index = 0
                        continue
                    raise AssertionError(f"{reply['ename']}: {reply['evalue']}")
            index += 1
        if keeper is not None:
            assert await keeper.finish(client) is None
        return Pass(cached, why, [json.dumps(outputs.outputs(index)) for index in range(len(cells))], notes)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    take: list[Callable[[Any], None]] = []

    async def start() -> KernelClient:
        folder = tmp_path_factory.mktemp("kernel")
        process = await KernelProcess.launch("python3", cwd=str(folder), environ=ENVIRON)
        client = KernelClient(process, lambda message: [taker(message) for taker in take] and None)
        await client.connect(60)
        return client

    with asyncio.Runner() as loop:
        client = loop.run(start())
        try:
            yield Notebook(loop, client, take)
        finally:
            loop.run(client.shutdown(5))


@pytest.fixture
def notebook(kernel: Notebook, tmp_path: Path) -> Notebook:
    kernel.folder = tmp_path
    return kernel


#: Name of a case to its cells, and to the cells that must have been replayed in the second pass.
SAME_AGAIN: Mapping[str, tuple[list[str], list[int]]] = {
    "values, output and the last expression": (["x = 2", "print('made'); y = x + 1", "y * 2"], [0, 1, 2]),
    "functions see names that are bound later": (
        ["def area(r): return pi * r * r", "pi = 3", "a = area(2)", "pi = 4", "print(a, area(2))"],
        [0, 1, 2, 3, 4],
    ),
    "imports, also those of a cell that does more": (
        ["import json, math", "from math import pi; text = json.dumps([pi])", "print(math.floor(pi), text)"],
        [0, 1, 2],
    ),
    "classes and their instances": (
        [
            "class Point:\n    def __init__(self, x): self.x = x\n    def double(self): return self.x * factor",
            "factor = 2; p = Point(21)",
            "print(p.double(), isinstance(p, Point))",
        ],
        [0, 1, 2],
    ),
    "deleted names": (["a = 1; b = 2", "del a", "print('a' in dir(), b)"], []),
    "seeded generators": (
        [
            "import random, numpy as np",
            "random.seed(1); np.random.seed(2)",
            "x = random.random(), np.random.rand()",
            "x",
        ],
        [0, 1, 2, 3],
    ),
    "tables": (
        ["import pandas as pd", "df = pd.DataFrame({'a': [1, 2], 'b': list('xy')})", "df['c'] = df.a * 2", "df"],
        [0, 1, 2, 3],
    ),
    "rich output and display ids": (
        [
            "from IPython.display import display, HTML",
            "display(HTML('<b>x</b>')); handle = display('first', display_id='d1')",
            "handle.update('second')",
            "1",
        ],
        [0, 1, 2, 3],
    ),
    "magics that run code": (["x = 1", "%time y = x + 1", "%%capture out\nprint(y)", "print(out.stdout)"], [0]),
    "the last expression with a semicolon shows nothing": (["x = 1", "x;", "x"], [0, 1, 2]),
    "await": (["import asyncio", "await asyncio.sleep(0); x = 3", "x"], [0, 1, 2]),
    "numbers of cells go on": (["1 + 1", "2 + 2", "#: --no-cache\n3 + 3"], [0, 1]),
}


@pytest.mark.parametrize("case", SAME_AGAIN, ids=str)
def test_a_second_pass_shows_what_a_plain_one_shows(notebook: Notebook, case: str) -> None:
    cells, replayed = SAME_AGAIN[case]
    plain = notebook.plain(*cells)

    first, second = notebook.play(*cells), notebook.play(*cells)

    without_times = case != "magics that run code"
    assert not any(first.cached)
    if without_times:
        assert first.shown == plain
        assert second.shown == plain
    assert {index for index, is_cached in enumerate(second.cached) if is_cached} >= set(replayed), second.why


DIVIDE = "try:\n    np.ones(1) / 0\n    result = 'went on'\nexcept FloatingPointError:\n    result = 'raised'"
OUTPUT = "sklearn.set_config(transform_output='pandas')"
SCALE = "kind = type(StandardScaler().fit_transform(pd.DataFrame({'a': [1.0, 2.0]}))).__name__"
TEXTS = "pd.set_option('future.infer_string', True)"
PARSE = "parser = argparse.ArgumentParser(); parser.add_argument('--n'); n = parser.parse_args().n; del parser"
THIRDS = "text = pd.DataFrame({'a': [1 / 3]}).to_string()"
#: Name of a case to the cells, the cells after an edit, and the cells that must have run again for it.
EDITED: Mapping[str, tuple[list[str], list[str], set[int]]] = {
    "the last cell": (
        ["x = 1", "y = x + 1", "print(y)"],
        ["x = 1", "y = x + 1", "print(y * 2)"],
        {2},
    ),
    "a cell whose result stays": (
        ["x = 2", "y = x * x", "print(y)"],
        ["x = 1 + 1", "y = x * x", "print(y)"],
        {0},
    ),
    "only comments and layout": (
        ["x = 2", "print( x )"],
        ["# two\nx   =  2", "print(x)  # shows it"],
        set(),
    ),
    "what is upstream of one cell alone": (
        ["a = 1", "b = 10", "c = a + 1", "d = b + 1", "print(c, d)"],
        ["a = 2", "b = 10", "c = a + 1", "d = b + 1", "print(c, d)"],
        {0, 2, 4},
    ),
    "a global that a function reads": (
        ["factor = 2", "def f(x):\n    return x * factor", "def g(x):\n    return f(x)", "print(g(3))"],
        ["factor = 5", "def f(x):\n    return x * factor", "def g(x):\n    return f(x)", "print(g(3))"],
        {0, 3},
    ),
    "a function that a method calls": (
        ["def help(x):\n    return x + 1", "class A:\n    def run(self):\n        return help(1)", "print(A().run())"],
        ["def help(x):\n    return x + 2", "class A:\n    def run(self):\n        return help(1)", "print(A().run())"],
        {0, 2},
    ),
    "two names for one list become two lists": (
        ["a = [1]", "b = a", "a.append(2)", "print(a, b)"],
        ["a = [1]", "b = list(a)", "a.append(2)", "print(a, b)"],
        {1, 2, 3},
    ),
    "two lists become two names for one": (
        ["a = [1]", "b = list(a)", "a.append(2)", "print(a, b)"],
        ["a = [1]", "b = a", "a.append(2)", "print(a, b)"],
        {1, 2, 3},
    ),
    "a list that a class has": (
        ["class A:\n    kept = []", "kept = A.kept", "#: --no-cache\nkept.append(1)", "print(A.kept)"],
        ["class A:\n    kept = []", "kept = A.kept", "#: --no-cache\nkept.append(2)", "print(A.kept)"],
        {1, 2, 3},
    ),
    "a list within a holder": (
        ["a = [1]", "holder = {'a': a}", "a.append(2)", "print(holder)"],
        ["a = [1]", "holder = {'a': a[:]}", "a.append(2)", "print(holder)"],
        {1, 2, 3},
    ),
    "a view of an array": (
        ["import numpy as np; m = np.zeros(3)", "v = m[:2]", "m += 1", "print(v)"],
        ["import numpy as np; m = np.zeros(3)", "v = m[:2].copy()", "m += 1", "print(v)"],
        {1, 2, 3},
    ),
    "a seed": (
        ["import random", "random.seed(1)", "x = random.random()", "print(x)"],
        ["import random", "random.seed(2)", "x = random.random()", "print(x)"],
        {1, 2, 3},
    ),
    "a new draw before another": (
        ["import random; n = 0", "random.seed(1)", "n = 1", "x = random.random()", "print(x)"],
        ["import random; n = 0", "random.seed(1)", "n = random.random()", "x = random.random()", "print(x)"],
        {2, 3, 4},
    ),
    "options of a display": (
        ["import pandas as pd", "pd.set_option('display.precision', 2)", "s = pd.Series([1 / 3])", "print(s)"],
        ["import pandas as pd", "pd.set_option('display.precision', 4)", "s = pd.Series([1 / 3])", "print(s)"],
        {1, 3},
    ),
    "a name that goes away": (
        ["a = 1", "b = 2", "del b", "print('b' in dir())"],
        ["a = 1", "b = 2", "pass", "print('b' in dir())"],
        {2, 3},
    ),
    "a builtin that is covered by a name": (
        ["x = 1", "print(len('abc'))"],
        ["len = lambda text: 7", "print(len('abc'))"],
        {0, 1},
    ),
    "a seed of one generator before draws from another": (
        ["import random, numpy as np", "random.seed(1)", "np.random.seed(0); x = random.random()", "print(x)"],
        ["import random, numpy as np", "random.seed(2)", "np.random.seed(0); x = random.random()", "print(x)"],
        {1, 2, 3},
    ),
    "both generators seeded at once": (
        ["import random, numpy as np", "x = 1", "random.seed(a=1); np.random.seed(2); x = random.random()", "print(x)"],
        ["import random, numpy as np", "x = 2", "random.seed(a=1); np.random.seed(2); x = random.random()", "print(x)"],
        {1},
    ),
    "what NumPy does at errors": (
        ["import numpy as np", "np.seterr(divide='ignore');", DIVIDE, "print(result)"],
        ["import numpy as np", "np.seterr(divide='raise');", DIVIDE, "print(result)"],
        {1, 2, 3},
    ),
    "what NumPy does at errors, of a cell that is replayed": (
        ["import numpy as np", "np.seterr(divide='raise');", DIVIDE, "print(result)"],
        ["import numpy as np", "np.seterr(divide='raise');", DIVIDE + "\nresult += '!'", "print(result)"],
        {2, 3},
    ),
    "the precision of decimals": (
        ["import decimal", "decimal.getcontext().prec = 5", "third = decimal.Decimal(1) / 3", "print(third)"],
        ["import decimal", "decimal.getcontext().prec = 9", "third = decimal.Decimal(1) / 3", "print(third)"],
        {1, 2, 3},
    ),
    "the precision of decimals, of a cell that is replayed": (
        ["import decimal", "decimal.getcontext().prec = 5", "third = decimal.Decimal(1) / 3", "print(third)"],
        ["import decimal", "decimal.getcontext().prec = 5", "third = decimal.Decimal(1) / 3", "print(third / 7)"],
        {3},
    ),
    "what scikit-learn gives": (
        [
            "import sklearn, pandas as pd; from sklearn.preprocessing import StandardScaler",
            OUTPUT,
            SCALE,
            "print(kind)",
        ],
        [
            "import sklearn, pandas as pd; from sklearn.preprocessing import StandardScaler",
            OUTPUT.replace("pandas", "default"),
            SCALE,
            "print(kind)",
        ],
        {1, 2, 3},
    ),
    "what scikit-learn gives, of a cell that is replayed": (
        [
            "import sklearn, pandas as pd; from sklearn.preprocessing import StandardScaler",
            OUTPUT,
            SCALE,
            "print(kind)",
        ],
        [
            "import sklearn, pandas as pd; from sklearn.preprocessing import StandardScaler",
            OUTPUT,
            SCALE + "; n = 1",
            "print(kind)",
        ],
        {2},
    ),
    "how pandas reads texts": (
        ["import pandas as pd", TEXTS, "kind = str(pd.Series(['a']).dtype)", "print(kind)"],
        ["import pandas as pd", TEXTS.replace("True", "False"), "kind = str(pd.Series(['a']).dtype)", "print(kind)"],
        {1, 2, 3},
    ),
    "options of a text that is shown elsewhere": (
        ["import pandas as pd", "pd.set_option('display.precision', 2)", THIRDS, "print(text)"],
        ["import pandas as pd", "pd.set_option('display.precision', 4)", THIRDS, "print(text)"],
        {1, 2, 3},
    ),
    "the arguments of a script": (
        ["import sys, argparse", "sys.argv = ['x', '--n', '5']", PARSE, "print(n)"],
        ["import sys, argparse", "sys.argv = ['x', '--n', '6']", PARSE, "print(n)"],
        {1, 2, 3},
    ),
    "the arguments of a script, of a cell that is replayed": (
        ["import sys, argparse", "sys.argv = ['x', '--n', '5']", PARSE, "print(n)"],
        ["import sys, argparse", "sys.argv = ['x', '--n', '5']", PARSE + "\nn = n + '!'", "print(n)"],
        {2, 3},
    ),
    "a variable of a library": (
        ["import colorsys, textwrap", "colorsys.ONE_THIRD = 2", "third = colorsys.ONE_THIRD", "print(third)"],
        ["import colorsys, textwrap", "colorsys.ONE_THIRD = 3", "third = colorsys.ONE_THIRD", "print(third)"],
        {1, 2, 3},
    ),
    "an environment variable": (
        ["import os", "os.environ['ONB_TEST_X'] = 'a'", "print(os.environ['ONB_TEST_X'])"],
        ["import os", "os.environ['ONB_TEST_X'] = 'b'", "print(os.environ['ONB_TEST_X'])"],
        {1, 2},
    ),
}


@pytest.mark.parametrize("case", EDITED, ids=str)
def test_after_an_edit_what_it_touches_runs_and_all_is_as_in_a_plain_pass(notebook: Notebook, case: str) -> None:
    before, after, must_run = EDITED[case]
    notebook.play(*before)

    edited = notebook.play(*after)
    back = notebook.play(*before)

    assert edited.shown == notebook.plain(*after)
    assert back.shown == notebook.plain(*before)
    ran = {index for index, is_cached in enumerate(edited.cached) if not is_cached}
    assert ran >= must_run, edited.why
    assert ran - must_run <= {0} | _configuration(after), edited.why


def _configuration(cells: Sequence[str]) -> set[int]:
    """Cells that may run each time."""
    return {index for index, cell in enumerate(cells) if cell.startswith(("import os", "print('b' in"))}


ACCESSOR = (
    "import pandas as pd\n@pd.api.extensions.register_dataframe_accessor('counted')\n"
    "class Counted:\n    n = {}\n    def __init__(self, table): pass"
)
#: Notebooks made to fool an analysis of their source: name of a case to (cells, edited cells).
FOOLING: Mapping[str, tuple[list[str], list[str]]] = {
    "a change through an alias that native code made": (
        ["import itertools; x = [1]", "box = next(itertools.repeat(x))", "y = 1", "box.__iadd__([2])", "print(x)"],
        ["import itertools; x = [1]", "box = next(itertools.repeat(x))", "y = 1", "box.__iadd__([3])", "print(x)"],
    ),
    "an attribute that is set by its name": (
        ["class C: v = 1\nc = C(); n = 'v'", "setattr(c, n, 5)", "print(c.v)"],
        ["class C: v = 1\nc = C(); n = 'v'", "setattr(c, n, 6)", "print(c.v)"],
    ),
    "a class that is patched": (
        ["class C:\n    def f(self): return 1\nc = C()", "C.f = lambda self: 2", "print(c.f())"],
        ["class C:\n    def f(self): return 1\nc = C()", "C.f = lambda self: 3", "print(c.f())"],
    ),
    "a module that is patched": (
        ["import colorsys", "colorsys.rgb_to_hls = lambda *a: 'one'", "print(colorsys.rgb_to_hls(1, 2, 3))"],
        ["import colorsys", "colorsys.rgb_to_hls = lambda *a: 'two'", "print(colorsys.rgb_to_hls(1, 2, 3))"],
    ),
    "a class of a library that is patched": (
        ["import fractions", "fractions.Fraction.odd = lambda self: 'one'", "print(fractions.Fraction(1).odd())"],
        ["import fractions", "fractions.Fraction.odd = lambda self: 'two'", "print(fractions.Fraction(1).odd())"],
    ),
    "hidden globals of a function": (
        ["state = {'n': 0}", "def tick():\n    state['n'] += 1", "f = [tick]", "f[0]()", "print(state)"],
        ["state = {'n': 5}", "def tick():\n    state['n'] += 1", "f = [tick]", "f[0]()", "print(state)"],
    ),
    "the namespace as a dictionary": (
        ["a = 1", "globals()['a'] = 2", "print(a)"],
        ["a = 1", "globals()['a'] = 3", "print(a)"],
    ),
    "the module of the notebook": (
        ["import sys; a = 1", "sys.modules['__main__'].a = 2", "print(a)"],
        ["import sys; a = 1", "sys.modules['__main__'].a = 3", "print(a)"],
    ),
    "a function that looks at its caller's names": (
        ["import sys\ndef peek():\n    return sys._getframe(1).f_globals['hidden']", "hidden = 1", "print(peek())"],
        ["import sys\ndef peek():\n    return sys._getframe(1).f_globals['hidden']", "hidden = 2", "print(peek())"],
    ),
    "code in a string": (
        ["a = 1", "exec('a = 2')", "print(a)"],
        ["a = 1", "exec('a = 4')", "print(a)"],
    ),
    "a default that is changed in place": (
        ["def f(x, seen=[]):\n    seen.append(x)\n    return len(seen)", "f(1)", "print(f(2))"],
        ["def f(x, seen=[]):\n    seen.append(x)\n    return len(seen)", "f(1); f(1)", "print(f(2))"],
    ),
    "a closure that counts": (
        [
            "def make():\n    n = [0]\n    def f():\n        n[0] += 1\n        return n[0]\n    return f\nf = make()",
            "f()",
            "print(f())",
        ],
        [
            "def make():\n    n = [0]\n    def f():\n        n[0] += 1\n        return n[0]\n    return f\nf = make()",
            "f(); f()",
            "print(f())",
        ],
    ),
    "the order of a dict": (
        ["d = {}", "d['b'] = 1; d['a'] = 2", "print(d)"],
        ["d = {}", "d['a'] = 2; d['b'] = 1", "print(d)"],
    ),
    "an attribute of a function": (
        ["def f(): return f.n\nf.n = 1", "f.n = 2", "print(f())"],
        ["def f(): return f.n\nf.n = 1", "f.n = 3", "print(f())"],
    ),
    "the state of a generator that nobody draws from": (
        ["import random; random.seed(1)", "state = random.getstate()", "print(state[1][:2])"],
        ["import random; random.seed(2)", "state = random.getstate()", "print(state[1][:2])"],
    ),
    "the time zone": (
        ["import os, time; os.environ['TZ'] = 'UTC'; time.tzset()", "hour = time.localtime(0).tm_hour", "print(hour)"],
        [
            "import os, time; os.environ['TZ'] = 'XYZ-9'; time.tzset()",
            "hour = time.localtime(0).tm_hour",
            "print(hour)",
        ],
    ),
    "the time zone that a replayed cell set": (
        ["import os, time; os.environ['TZ'] = 'XYZ-9'; time.tzset()", "print(time.localtime(0).tm_hour)"],
        ["import os, time; os.environ['TZ'] = 'XYZ-9'; time.tzset()", "print('at', time.localtime(0).tm_hour)"],
    ),
    "a setting of a library": (
        ["import socket", "socket.setdefaulttimeout(5)", "seconds = socket.getdefaulttimeout()", "print(seconds)"],
        ["import socket", "socket.setdefaulttimeout(7)", "seconds = socket.getdefaulttimeout()", "print(seconds)"],
    ),
    "a setting that is added": (
        ["import csv; csv.field_size_limit(9000);", "pass", "limit = csv.field_size_limit()", "print(limit)"],
        [
            "import csv; csv.field_size_limit(9000);",
            "csv.field_size_limit(7000)",
            "limit = csv.field_size_limit()",
            "print(limit)",
        ],
    ),
    "two settings of one kind": (
        ["import mimetypes as m; m.add_type('a/b', '.zz')", "m.add_type('a/b', '.yy')", "print(m.guess_type('x.zz'))"],
        ["import mimetypes as m; m.add_type('a/c', '.zz')", "m.add_type('a/b', '.yy')", "print(m.guess_type('x.zz'))"],
    ),
    "a variable of a library that is no function": (
        ["import string; string.extra = [1]", "n = len(string.extra)", "print(n)"],
        ["import string; string.extra = [1, 2]", "n = len(string.extra)", "print(n)"],
    ),
    "an accessor of tables": (
        [ACCESSOR.format(1), "n = pd.DataFrame().counted.n", "print(n)"],
        [ACCESSOR.format(2), "n = pd.DataFrame().counted.n", "print(n)"],
    ),
    "the value of an earlier last line": (["40 + 2", "print(_)"], ["50 + 2", "print(_)"]),
}


@pytest.mark.parametrize("case", FOOLING, ids=str)
def test_what_the_source_hides_is_never_a_wrong_result(notebook: Notebook, case: str) -> None:
    before, after = FOOLING[case]
    passes = [notebook.play(*before), notebook.play(*before), notebook.play(*after), notebook.play(*before)]
    expected = [notebook.plain(*cells) for cells in (before, before, after, before)]

    assert [one.shown[-1] for one in passes] == [shown[-1] for shown in expected]


@pytest.mark.parametrize(("injected_at", "number"), [(None, 3), (0, 2), (5, 3)], ids=["none", "above", "below"])
def test_a_cell_is_named_by_its_number_in_the_users_own_file(
    notebook: Notebook, injected_at: int | None, number: int
) -> None:
    cells = ["def quiet(x):\n    return x", "kept = [1]", "quiet.__globals__['kept'].append(2)", "print(kept)"]

    first = notebook.play(*cells, injected_at=injected_at)

    said = f"Cell {number} changes `kept`, which its code does not say"
    assert any(note.startswith(said) for note in first.notes), (first.notes, first.why)


def test_a_cell_that_changes_what_its_code_does_not_say_is_named(notebook: Notebook) -> None:
    cells = ["def quiet(x):\n    return x", "kept = [1]", "quiet.__globals__['kept'].append(2)", "print(kept)"]

    first = notebook.play(*cells)

    assert (
        any("changes `kept`, which its code does not say" in note for note in first.notes) or "barrier" in first.why[2]
    )
    assert notebook.play(*cells).shown == notebook.plain(*cells)


def test_a_file_that_is_read_counts_by_its_content(notebook: Notebook) -> None:
    cells = [
        "open_twice = open('data.txt').read()",
        "from pathlib import Path; name = Path('data.txt')",
        "print(open_twice)",
    ]
    (notebook.folder / "work").mkdir()
    data = notebook.folder / "work" / "data.txt"
    data.write_text("one")
    notebook.play(*cells)
    data.write_text("one")  # written anew, the same

    same = notebook.play(*cells)
    data.write_text("two")
    changed = notebook.play(*cells)

    assert same.cached == [True, True, True]
    assert changed.cached == [False, True, False]  # a cell that only makes a path of a name reads nothing
    assert "data.txt has changed" in changed.why[0]
    assert "two" in changed.shown[2]


def test_a_file_that_somebody_changes_while_the_cell_runs_gives_no_record(notebook: Notebook) -> None:
    work = notebook.folder / "work"
    work.mkdir()
    (work / "data.txt").write_text("one")
    cells = [
        "import os, time; text = open('data.txt').read(); open('has_read', 'w').close()\n"
        "while text == 'one' and not os.path.exists('is_edited'): time.sleep(0.01)",
        "print(text)",
    ]

    def edit() -> None:
        eventually(lambda: (work / "has_read").exists() or None)
        (work / "data.txt").write_text("two")
        (work / "is_edited").touch()

    with ThreadPoolExecutor(1) as editor:
        edited = editor.submit(edit)
        first = notebook.play(*cells)
        edited.result()
    again = notebook.play(*cells)

    assert "one" in first.shown[1]
    assert "data.txt, which it reads, was changed while it ran" in again.why[0]
    assert "two" in again.shown[1]
    assert notebook.play(*cells).cached == [True, True]


def test_a_cell_that_goes_on_from_what_it_has_written_runs_each_time(notebook: Notebook) -> None:
    (notebook.folder / "work").mkdir()
    (notebook.folder / "work" / "count.txt").write_text("1")
    cells = ["n = int(open('count.txt').read()); open('count.txt', 'w').write(str(n + 1))", "print(n)"]

    passes = [notebook.play(*cells) for _ in range(3)]

    assert [json.loads(one.shown[1])[0]["text"] for one in passes] == ["1\n", "2\n", "3\n"]
    assert passes[2].why[0] == "it writes count.txt, which it had read before"


def test_what_a_replayed_cell_set_in_a_module_of_yours_is_there_for_the_cells_that_run(notebook: Notebook) -> None:
    (notebook.folder / "work").mkdir()
    (notebook.folder / "work" / "lying_deep.py").write_text("LIMIT = 1\n\n\ndef limit():\n    return LIMIT\n")
    cells = ["import lying_deep", "lying_deep.LIMIT = 5", "print(lying_deep.limit())"]
    notebook.play(*cells, before=AS_NEW)

    edited = notebook.play(*cells[:2], "print('now', lying_deep.limit())", before=AS_NEW)

    assert "now 5" in edited.shown[2]


def test_filters_of_warnings_that_a_replayed_cell_set_hold_for_the_cells_that_run(notebook: Notebook) -> None:
    anew = "import warnings; warnings.resetwarnings()"
    cells = ["import warnings as w", "w.filterwarnings('ignore', category=UserWarning)", "x = 1"]
    warn = "import warnings; warnings.warn('one', UserWarning); warnings.warn('two', FutureWarning)"
    notebook.play(*cells, before=anew)

    edited = notebook.play(*cells, warn, before=anew)

    assert edited.cached == [True, True, True, False]
    assert "UserWarning: one" not in edited.shown[3]
    assert "FutureWarning: two" in edited.shown[3]


def test_a_module_beside_the_notebook_counts_by_its_content(notebook: Notebook) -> None:
    (notebook.folder / "work").mkdir()
    module = notebook.folder / "work" / "helping_out.py"
    module.write_text("def f():\n    return 1\n")
    cells = [
        f"import sys; sys.path.insert(0, {str(module.parent)!r}); sys.modules.pop('helping_out', None)",
        "import helping_out",
        "print(helping_out.f())",
    ]
    notebook.play(*cells)

    same = notebook.play(*cells)
    module.write_text("def f():\n    return 22\n")
    changed = notebook.play(*cells)

    assert "1" in same.shown[2]
    assert "22" in changed.shown[2]


#: Forgets the user's modules of these tests, as a new kernel has them not.
AS_NEW = """
import importlib, sys
for name in [name for name in sys.modules if name.partition(".")[0] in ("top_of_all", "lying_deep", "coming_later")]:
    del sys.modules[name]
importlib.invalidate_caches()
del importlib, sys
"""
TOP = "import top_of_all"
#: Name of a case to the cells, code that ran in the first kernel before them, and the cells that an edit has run again.
IMPORTS: Mapping[str, tuple[list[str], str, list[int]]] = {
    "an import": ([TOP, "print(top_of_all.number())", "print('none of it')"], "", [0, 1]),
    "an import by its name": (
        ["import importlib; top = importlib.import_module('top_of_all')", "print(top.number())", "print('none of it')"],
        "",
        [0, 1],
    ),
    "a module that was loaded before": ([TOP, "print(top_of_all.number())", "print('none of it')"], TOP, [0, 1]),
    "an import in a function": (
        ["def late():\n    import top_of_all\n    return top_of_all.number()", "print(late())", "print(late() + 0)"],
        "",
        [1, 2],
    ),
    "an import in a function of a module": (
        ["import top_of_all", "print(top_of_all.late())", "print(top_of_all.late() + 0)"],
        "",
        [1, 2],
    ),
    "a file that is run as a module": (
        [
            "from importlib.util import module_from_spec, spec_from_file_location as at\n"
            "spec = at('settings', 'lying_' + 'deep.py'); settings = module_from_spec(spec)\n"
            "spec.loader.exec_module(settings); number = settings.number()",
            "print(number)",
            "print('none of it')",
        ],
        "",
        [0, 1],
    ),
}


@pytest.mark.parametrize("case", IMPORTS, ids=str)
def test_an_import_counts_by_the_source_wherever_it_stands(notebook: Notebook, case: str) -> None:
    cells, loaded_before, runs_again = IMPORTS[case]
    (notebook.folder / "work").mkdir()
    (notebook.folder / "work" / "top_of_all.py").write_text(
        "from lying_deep import number\n\n\ndef late():\n    import lying_deep\n\n    return lying_deep.number()\n"
        if case != "an import in a function of a module"
        else "def late():\n    import lying_deep\n\n    return lying_deep.number()\n"
    )
    deep = notebook.folder / "work" / "lying_deep.py"
    deep.write_text("def number():\n    return 1\n")
    notebook.play(*cells, before=AS_NEW + loaded_before)

    same = notebook.play(*cells, before=AS_NEW)
    deep.write_text("def number():\n    return 222\n")
    edited = notebook.play(*cells, before=AS_NEW)

    assert all(same.cached), same.why
    assert [index for index in range(3) if not edited.cached[index]] == runs_again, edited.why
    assert "222" in edited.shown[1]


def test_a_file_beside_the_notebook_is_no_cause_to_import_again_but_a_missing_module_that_comes_is(
    notebook: Notebook,
) -> None:
    (notebook.folder / "work").mkdir()
    (notebook.folder / "work" / "lying_deep.py").write_text("def number():\n    return 1\n")
    cells = [
        "import lying_deep",
        # it looks for its packages' versions in all folders of the module path
        "import importlib.metadata; version = importlib.metadata.version('pip')",
        "try:\n    import coming_later\nexcept ImportError:\n    coming_later = None",
        "print(lying_deep.number(), coming_later is None)",
        "print(open('out.txt', 'w').write('made'))",
    ]
    notebook.play(*cells, before=AS_NEW)

    same = notebook.play(*cells, before=AS_NEW)
    (notebook.folder / "work" / "coming_later.py").write_text("")
    later = notebook.play(*cells, before=AS_NEW)

    assert all(same.cached), same.why
    assert later.cached == [True, True, False, False, True], later.why
    assert "1 False" in later.shown[3]


def test_a_module_that_was_edited_after_its_import_gives_no_record(notebook: Notebook) -> None:
    (notebook.folder / "work").mkdir()
    deep = notebook.folder / "work" / "lying_deep.py"
    deep.write_text("def number():\n    return 1\n")
    edit = f"#: --no-cache\nopen({str(deep)!r}, 'w').write('def number():\\n    return 222\\n')"
    cells = ["import lying_deep", edit, "import lying_deep as again", "print(again.number())"]
    notebook.play(*cells, before=AS_NEW)

    in_new_kernel = notebook.play(cells[2], cells[3], before=AS_NEW)

    assert in_new_kernel.cached == [False, False]
    assert "edited after this kernel had imported it" in in_new_kernel.why[0]
    assert "222" in in_new_kernel.shown[1]


def test_another_environment_than_the_one_that_the_cell_read_is_seen(notebook: Notebook) -> None:
    (notebook.folder / "work").mkdir()
    (notebook.folder / "work" / "stage_of_run.py").write_text(
        "import os\n\n\ndef stage():\n    return os.getenv('STAGE')\n"
    )
    cells = [
        "import os, sys; sys.path.insert(0, '.'); import stage_of_run",
        "print(os.environ['STAGE'])",
        "print(stage_of_run.stage())",
        "print('none of it')",
    ]
    begin = "import os; os.environ['STAGE'] = {!r}; os.environ['OLDPWD'] = {!r}"

    notebook.play(*cells, before=begin.format("test", "/a"))
    same = notebook.play(*cells, before=begin.format("test", "/b"))
    other = notebook.play(*cells, before=begin.format("live", "/b"))

    assert same.cached[1:] == [True, True, True], same.why
    assert other.cached[1:] == [False, False, True], other.why
    assert "the environment is not as before" in other.why[1]
    assert "live" in other.shown[1]
    assert "live" in other.shown[2]


def test_another_working_folder_is_seen(notebook: Notebook) -> None:
    cells = ["import os", "print(os.getcwd())"]
    (notebook.folder / "other").mkdir()
    notebook.play(*cells)

    other = notebook.play(*cells, before=f"import os; os.chdir({str(notebook.folder / 'other')!r})")

    assert "/other" in other.shown[1], other.why


def test_looking_whether_a_file_is_there_counts(notebook: Notebook) -> None:
    cells = ["from pathlib import Path; name = 'fl' + 'ag'", "print(Path(name).exists())", "print(Path('.').is_dir())"]
    notebook.play(*cells)

    same = notebook.play(*cells)
    (notebook.folder / "work" / "flag").write_text("")
    there = notebook.play(*cells)
    (notebook.folder / "work" / "flag").unlink()
    gone = notebook.play(*cells)

    assert same.cached == [True, True, True]
    assert there.cached == [True, False, True]
    assert "True" in there.shown[1]
    assert "flag has changed" in there.why[1]
    assert "False" in gone.shown[1]


def test_tables_of_equal_content_are_each_loaded_and_are_no_aliases(notebook: Notebook) -> None:
    cells = ["import pandas as pd\nraw = pd.DataFrame({'a': range(3)})", "clean = raw.dropna()"]
    notebook.play(*cells, "clean.a.sum()")

    edited = notebook.play(*cells, "clean.loc[0, 'a'] = 9\nprint(clean.a.sum(), raw.a.sum())")

    assert edited.cached == [True, True, False]
    assert "12 3" in edited.shown[2]


def test_a_file_that_a_cell_wrote_has_to_be_there_as_it_left_it(notebook: Notebook) -> None:
    cells = ["open('out.txt', 'w').write('made')", "1"]
    out = notebook.folder / "work" / "out.txt"
    notebook.play(*cells)

    there = notebook.play(*cells)
    out.unlink()
    gone = notebook.play(*cells)

    assert there.cached == [True, True]
    assert gone.cached == [False, True]
    assert out.read_text() == "made"


def test_a_retry_sees_a_mended_file_and_forgives_what_its_own_cells_changed(notebook: Notebook) -> None:
    (notebook.folder / "work").mkdir()
    data = notebook.folder / "work" / "data.txt"
    data.write_text("broken")
    cells = [
        "import os; names = os.listdir('.')",
        "old = open('state.txt').read() if os.path.exists('state.txt') else 'none'",
        "text = open('data' + '.txt').read()",
        "open('state.txt', 'w').write('new')",
        "os.mkdir('made')",
        "print(old, text)",
    ]
    notebook.play(*cells, run_id="run-1")

    retried = notebook.play(*cells, run_id="run-1")
    data.write_text("mended")
    mended = notebook.play(*cells, run_id="run-1")

    assert all(retried.cached), retried.why
    assert mended.cached == [True, True, False, True, True, False], mended.why
    assert "data.txt has changed" in mended.why[2]
    assert "none mended" in mended.shown[5]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("open('log.txt', 'a').write('x')", "goes on writing"),
        ("import subprocess; subprocess.run(['true'])", "starts a process"),
        ("import os; os._exit(0) if (child := os.fork()) == 0 else os.waitpid(child, 0)", "starts a process"),
        ("import os, tempfile; open('x', 'w').close(); os.remove('x')", "deletes a file"),
        ("import sqlite3; sqlite3.connect('a.db').close()", "opens the database"),
        (
            "import threading; threading.Thread(target=lambda: __import__('time').sleep(.3)).start()",
            "leaves the thread",
        ),
    ],
    ids=["append", "process", "fork", "delete", "database", "thread"],
)
def test_a_cell_that_does_more_than_give_values_runs_each_time(notebook: Notebook, cell: str, words: str) -> None:
    notebook.play(cell, "1")

    again = notebook.play(cell, "1")

    assert again.cached == [False, True]
    assert words in again.why[0]


def test_what_runs_in_other_processes_runs_each_time_also_where_they_were_there_before(notebook: Notebook) -> None:
    (notebook.folder / "work").mkdir()
    (notebook.folder / "work" / "lying_deep.py").write_text(
        "def length(times):\n    with open('data.txt') as file:\n        return times * len(file.read())\n"
    )
    (notebook.folder / "work" / "data.txt").write_text("one")
    pools = {
        "spawn": "multiprocessing.get_context('spawn').Pool(1)",
        "forkserver": "multiprocessing.get_context('forkserver').Pool(1)",
        "the same server again": "multiprocessing.get_context('forkserver').Pool(1)",
        "futures": "ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn'))",
    }
    joblib = "print(*joblib.Parallel(n_jobs=2)(joblib.delayed(lying_deep.length)(n) for n in {}))"
    cells = [
        "import multiprocessing, joblib, lying_deep; from concurrent.futures import ProcessPoolExecutor",
        *(f"with {pool} as pool:\n    print(*pool.map(lying_deep.length, [1]))" for pool in pools.values()),
        joblib.format("[1, 2]"),
        # by the same workers
        joblib.format("[1, 3]"),
    ]
    before = AS_NEW + "__spec__ = None"  # which the emptied namespace of a kernel lacks
    notebook.play(*cells, before=before)
    (notebook.folder / "work" / "data.txt").write_text("eleven")

    again = notebook.play(*cells, before=before)

    notebook.plain("from joblib.externals.loky import get_reusable_executor as of; of().shutdown(wait=True)")
    assert again.cached[1:] == [False] * 6, again.why
    assert set(again.why[1:6]) == {"it starts a process"}
    assert again.why[6] == "it runs code in another process"
    assert ["6" in shown for shown in again.shown[1:]] == [True] * 6


def test_what_native_code_reads_is_known_by_who_reads_it(notebook: Notebook) -> None:
    (notebook.folder / "work").mkdir()
    packages = notebook.folder / "site-packages"
    for name in ("h5py", "duckdb"):  # what a cell uses is told by its name alone
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").write_text("class File:\n    size = 1\n\n\ndef sql(text):\n    return 1\n")
    cells = [
        "import h5py, duckdb",
        "print(h5py.File.size)",
        "def query():\n    return duckdb.sql('select 1')",
        "print(query())",
        "import pyarrow as pa, pyarrow.parquet as pq; pq.write_table(pa.table({'a': [1]}), 'named.parquet')",
        "print(pq.read_table('named.parquet').num_rows)",
        "print(pq.read_table('named.' + 'parquet').num_rows)",
        "#: --cache 1d\nprint(h5py.File.size + 1)",
    ]
    # loaded at first, so that the options of libraries are the same in both passes
    before = f"import sys; sys.path[:0] = {{{str(packages)!r}}} - {{*sys.path}}; import pandas, pyarrow.parquet"
    notebook.play(*cells, before=before)

    again = notebook.play(*cells, before=before)

    notebook.plain(f"import sys; sys.path.remove({str(packages)!r}); del sys.modules['h5py'], sys.modules['duckdb']")
    ran = {index: why for index, why in enumerate(again.why) if not again.cached[index]}
    assert ran.keys() == {1, 3, 6}, ran
    assert "uses h5py, which reads files unseen" in ran[1]
    assert "uses duckdb" in ran[3]
    assert "calls read_table, and the file that it reads was not seen" in ran[6]


def test_such_a_cell_is_kept_where_it_says_so(notebook: Notebook) -> None:
    cells = ["#: --cache 1h\nimport subprocess; done = subprocess.run(['true']).returncode", "print(done)"]
    notebook.play(*cells)

    assert notebook.play(*cells).cached == [True, True]


def test_what_cannot_be_kept_is_made_again_only_where_a_later_cell_needs_it(notebook: Notebook) -> None:
    needed = ["import threading; lock = threading.Lock(); n = 1", "print(n)", "print(lock.locked())"]
    alone = ["import threading; lock = threading.Lock(); n = 1", "print(n)"]

    notebook.play(*needed)
    again = notebook.play(*needed)

    assert again.cached == [False, True, False]
    assert "`lock`" in again.why[0]
    assert "cannot be compared by content" in again.why[2]
    assert again.shown == notebook.plain(*needed)
    notebook.play(*alone)
    assert notebook.play(*alone).cached == [True, True]


def test_values_that_take_longer_to_keep_than_to_make_are_made_again(notebook: Notebook) -> None:
    cells = ["import numpy as np", "quick = np.zeros(40_000_000)", "print(quick.sum())"]
    notebook.play(*cells)

    again = notebook.play(*cells)

    assert again.cached[1] is False
    assert "less than keeping its 320 MB takes" in again.why[1]
    assert again.shown == notebook.plain(*cells)
    assert sum(path.stat().st_size for path in notebook.folder.rglob("*") if path.is_file()) < 1_000_000


def test_the_store_keeps_to_its_bound(notebook: Notebook) -> None:
    cells = ["import numpy as np, time", *(f"time.sleep(0.1); a{i} = np.full(100_000, {i})" for i in range(10))]

    notebook.play(*cells, max_bytes=3_000_000)

    kept = [path.stat().st_size for path in (notebook.folder / "kept" / "values").rglob("*") if path.is_file()]
    assert 0 < sum(kept) <= 3_000_000


def test_a_damaged_value_is_made_again(notebook: Notebook) -> None:
    cells = ["x = {'a': object}", "#: --no-cache\nprint(x)"]
    notebook.play(*cells)
    for path in (notebook.folder / "kept" / "values").rglob("*.pickle"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")

    again = notebook.play(*cells)

    assert again.shown == notebook.plain(*cells)
    assert any("could not be loaded" in note for note in again.notes)
    assert again.why == ["forced: a kept value is missing or damaged"] * 2


def test_a_name_that_nobody_saw_being_read_has_all_run_again_in_order(notebook: Notebook) -> None:
    (notebook.folder / "work" / "sub").mkdir(parents=True)
    cells = [
        "import os; os.chdir('sub'); os.environ['ONB_TEST_TWICE'] = os.environ.get('ONB_TEST_TWICE', '') + 'x'",
        "import random; random.seed(3)",
        # large enough not to be loaded unasked, and slow enough to be kept
        "import time; time.sleep(0.3); big = bytearray(random.randbytes(6_000_000)); n = random.random()",
        "import operator, timeit\ndef f(): pass",
        # the name is in a text, and native code gives the namespace that it is looked up in
        "#: --no-cache\nspace = operator.attrgetter('__globals__')(f)\n"
        "done = timeit.timeit('print(big.count(97))', globals=space, number=1)\n"
        "print(n, os.environ['ONB_TEST_TWICE'], os.path.basename(os.getcwd()))",
    ]
    forget = "import os; os.environ.pop('ONB_TEST_TWICE', None)"
    first = notebook.play(*cells, before=forget)

    again = notebook.play(*cells, before=forget)

    assert again.cached == [False] * 5
    assert set(again.why) == {"forced: `big` was read, and nobody had seen that it would be"}
    assert again.shown[4] == first.shown[4]
    assert " x sub" in again.shown[4]


def test_an_error_that_only_speaks_of_a_name_does_not_have_all_run_again(notebook: Notebook) -> None:
    before = "runs = []"
    made = "import time; time.sleep(0.3); big = bytearray(6_000_000)"
    notebook.play(made, before=before)

    with pytest.raises(AssertionError, match="NameError: name 'big' is not defined"):
        notebook.play(
            made,
            "#: --no-cache\nruns.append(1)\nassert len(runs) == 1\nraise NameError(\"name 'big' is not defined\")",
            before=before,
        )


def test_a_refreshed_pass_runs_all_cells_and_keeps_them_anew(notebook: Notebook) -> None:
    cells = ["x = 1", "print(x)"]
    notebook.play(*cells)

    refreshed = notebook.play(*cells, is_refreshed=True)

    assert refreshed.cached == [False, False]
    assert set(refreshed.why) == {"forced: --refresh"}
    assert notebook.play(*cells).cached == [True, True]
