"""The dependences between cells: tables of notebooks with the edges that are expected."""

from __future__ import annotations

import pytest

from orchestra_nb.notebooks.dataflow import analyse_sources
from orchestra_nb.notebooks.notebook_analysis import CellAnalysis


def analyse(*sources: str) -> tuple[CellAnalysis, ...]:
    return analyse_sources([(f"c{index}", source) for index, source in enumerate(sources)])


# (id, cells, what each cell depends on: "0 2" for each cell, the first one left out)
EDGES: list[tuple[str, list[str], list[str]]] = [
    # names and objects
    ("a name", ["x = 1", "y = x", "print(y)"], ["0", "1"]),
    ("a name that another cell binds anew", ["x = 1", "x = 2", "print(x)"], ["", "1"]),
    ("a name that is bound perhaps", ["x = 1", "if len('a') > k: x = 2", "print(x)"], ["", "0 1"]),
    ("a change in place", ["x = []", "x.append(1)", "print(x)"], ["0", "0 1"]),
    ("changes one after the other", ["x = []", "x.append(1)", "x.append(2)"], ["0", "0 1"]),
    ("an item", ["d = {}", "d['a'] = 1", "len(d)"], ["0", "0 1"]),
    ("a deleted item", ["d = {'a': 1}", "del d['a']", "len(d)"], ["0", "0 1"]),
    ("an attribute of an attribute", ["import pandas as pd", "t = pd.DataFrame()", "t.index.names = ['a']", "t"], ["0", "1", "1 2"]),
    ("an augmented number", ["n = 1", "n += 1", "print(n)"], ["0", "1"]),
    ("an augmented list", ["a = [1]\nb = a", "a += [2]", "print(b)"], ["0", "0 1"]),
    ("a deleted name", ["x = 1", "del x", "x = 2", "print(x)"], ["0", "", "2"]),
    ("a loop's name", ["for i in range(3): pass", "print(i)"], ["0"]),
    ("a walrus", ["if (n := 3) > 2: pass", "print(n)"], ["0"]),
    ("a comprehension keeps its names", ["i = 1", "[i for i in range(3)]", "print(i)"], ["", "0"]),
    ("star targets", ["first, *rest = [[1], [2], [3]]", "rest.append(4)", "print(first, rest)"], ["0", "0 1"]),
    ("match", ["p = {'k': []}", "match p:\n    case {'k': found}: pass", "found.append(1)", "print(p)"], ["0", "0 1", "0 2"]),
    ("try and finally", ["try:\n    x = 1\nfinally:\n    y = 2", "print(x, y)"], ["0"]),
    ("with", ["with open('a') as f:\n    t = f.read()", "len(t)"], ["0"]),
    # other names for the same object
    ("another name", ["x = [1]", "y = x", "y.append(2)", "print(x)"], ["0", "0 1", "0 2"]),
    ("a view of an array", ["import numpy as np\na = np.arange(9)", "b = a[:3]", "b[0] = 7", "a.sum()"], ["0", "0 1", "0 2"]),
    ("a mask is a copy", ["import numpy as np\na = np.arange(9)", "b = a[a > 3]", "b[0] = 7", "a.sum()"], ["0", "1", "0"]),
    ("an element", ["x = [[1], [2]]", "y = x[0]", "y.append(3)", "print(x)"], ["0", "0 1", "0 2"]),
    ("an object in a list", ["x = [1]", "l = [x]", "l[0].append(2)", "print(x)"], ["0", "0 1", "0 2"]),
    ("an object put into a list", ["x = [1]\nl = []", "l.append(x)", "x.append(2)", "print(l)"], ["0", "0 1", "0 1 2"]),
    ("an object in a dict", ["x = []\nd = {}", "d['k'] = x", "d['k'].append(2)", "print(x)"], ["0", "0 1", "0 2"]),
    ("a bound method", ["l = []", "push = l.append", "push(1)", "print(l)"], ["0", "0 1", "0 2"]),
    ("setdefault", ["d = {}", "s = d.setdefault('a', [])", "s.append(1)", "print(d)"], ["0", "0 1", "0 1 2"]),
    ("a shallow copy holds the same", ["x = [[1]]", "y = list(x)", "y[0].append(2)", "print(x)"], ["0", "0 1", "0 2"]),
    ("a deep copy does not", ["import copy\nx = [[1]]", "y = copy.deepcopy(x)", "y[0].append(2)", "print(x)"], ["0", "1", "0"]),
    ("a copied frame", ["import pandas as pd\ndf = pd.DataFrame()", "e = df.copy()", "e['a'] = 1", "df.head()"], ["0", "1", "0"]),
    ("one frame under two names", ["import pandas as pd\ndf = pd.DataFrame()", "e = df", "e['a'] = 1", "df.head()"], ["0", "0 1", "0 2"]),
    ("globals() by name", ["x = [1]", "globals()['x'].append(2)", "print(x)"], ["0", "0 1"]),
    ("vars of an object", ["from types import SimpleNamespace\nn = SimpleNamespace()", "vars(n)['a'] = 1", "n.a"], ["0", "0 1"]),
    ("setattr", ["from types import SimpleNamespace\nn = SimpleNamespace()", "setattr(n, 'a', 1)", "n.a"], ["0", "0 1"]),
    # functions
    ("a global of a function", ["k = 2", "def f(x): return x * k", "f(3)"], ["", "0 1"]),
    ("a global bound later", ["def f(x): return x * k", "k = 2", "f(3)"], ["", "0 1"]),
    ("a function of a function", ["def g(): return k", "def f(): return g()", "k = 1", "f()"], ["", "", "0 1 2"]),
    ("a function bound anew", ["def g(): return 1", "def f(): return g()", "def g(): return 2", "f()"], ["", "", "1 2"]),
    ("a function that changes a global", ["log = []", "def f(x): log.append(x)", "f(1)", "print(log)"], ["", "0 1", "0 2"]),
    ("a function that binds a global", ["n = 0", "def f():\n    global n\n    n += 1", "f()", "print(n)"], ["", "0 1", "2"]),
    ("a function that changes its argument", ["def f(d): d['a'] = 1", "t = {}", "f(t)", "print(t)"], ["", "0 1", "1 2"]),
    ("a function that only looks", ["def f(d): return len(d)", "t = {}", "f(t)", "print(t)"], ["", "0 1", "1"]),
    ("a function that returns its argument", ["def f(d): return d", "t = {}", "u = f(t)", "u['a'] = 1", "t"], ["", "0 1", "1 2", "1 3"]),
    ("recursion", ["def f(n, seen):\n    seen.append(n)\n    if n: f(n - 1, seen)", "s = []", "f(2, s)", "s"], ["", "0 1", "1 2"]),
    ("a default that is changed", ["def f(x, acc=[]):\n    acc.append(x)\n    return acc", "f(1)", "f(2)"], ["0", "0 1"]),
    ("a closure", ["def make():\n    n = 0\n    def inc():\n        nonlocal n\n        n += 1\n        return n\n    return inc", "c = make()", "c()", "c()"], ["0", "1", "1 2"]),
    ("a lambda in a dict", ["x = []", "d = {'f': lambda: x.append(1)}", "d['f']()", "x"], ["", "0 1", "0 2"]),
    ("a callback", ["out = []", "def f(v): out.append(v)", "list(map(f, [1, 2]))", "out"], ["", "0 1", "0 2"]),
    ("a key of sorted", ["k = {'a': 1}", "sorted(['a'], key=lambda v: k[v])"], ["0"]),
    ("a partial", ["import functools\nout = []", "p = functools.partial(out.append, 1)", "p()", "out"], ["0", "0 1", "0 2"]),
    ("a decorator of the notebook", ["seen = []\ndef d(f):\n    def w(*a):\n        seen.append(1)\n        return f(*a)\n    return w", "@d\ndef g(x): return x + k", "k = 1", "g(2)", "seen"], ["0", "", "0 1 2", "0 3"]),
    # classes
    ("a method that changes its object", ["class C:\n    def __init__(self): self.n = []\n    def add(self, x): self.n.append(x)", "c = C()", "c.add(1)", "c.n"], ["0", "1", "1 2"]),
    ("a method that changes a global", ["log = []\nclass C:\n    def m(self): log.append(1)", "c = C()", "c.m()", "log"], ["0", "0 1", "0 2"]),
    ("an attribute of a class", ["class C:\n    n = 0", "c = C()", "C.n = 5", "print(c.n)"], ["0", "0", "1 2"]),
    ("an object that holds another", ["x = []\nclass C:\n    def __init__(self, s): self.s = s\n    def add(self): self.s.append(1)", "c = C(x)", "c.add()", "x"], ["0", "0 1", "0 2"]),
    ("super", ["class A:\n    def __init__(self): self.l = []\nclass B(A):\n    def __init__(self):\n        super().__init__()\n        self.l.append(1)", "b = B()", "b.l.append(2)", "b.l"], ["0", "1", "1 2"]),
    ("a property", ["k = 1\nclass C:\n    @property\n    def p(self): return k", "c = C()", "k = 2", "c.p"], ["0", "", "1 2"]),
    ("a context manager", ["class T:\n    def __enter__(self): self.n = 1\n    def __exit__(self, *a): pass", "t = T()", "with t: pass", "t.n"], ["0", "1", "1 2"]),
    ("an operator", ["class V:\n    def __init__(self): self.calls = []\n    def __add__(self, o):\n        self.calls.append(o)\n        return self", "v = V()", "v + 1", "v.calls"], ["0", "1", "1 2"]),
    ("two objects of a dataclass", ["from dataclasses import dataclass, field\n@dataclass\nclass P:\n    l: list = field(default_factory=list)", "a = P()\nb = P()", "a.l.append(1)", "b.l"], ["0", "1", "1"]),
    # iterators
    ("a generator", ["def g():\n    yield 1\n    yield 2", "it = g()", "next(it)", "list(it)"], ["0", "1", "1 2"]),
    ("a generator expression", ["g = (v for v in [1, 2])", "sum(g)", "list(g)"], ["0", "0 1"]),
    ("a generator reads when it is used", ["k = 1", "g = (v * k for v in [1, 2])", "k = 2", "list(g)"], ["", "", "1 2"]),
    ("zip", ["z = zip([1], [2])", "dict(z)", "list(z)"], ["0", "0 1"]),
    ("map", ["m = map(str, [1])", "list(m)", "list(m)"], ["0", "0 1"]),
    ("an open file", ["f = open('a.txt')", "f.readline()", "f.readline()"], ["0", "0 1"]),
    ("a list is not used up", ["x = [1, 2]", "sum(x)", "list(x)"], ["0", "0"]),
    # libraries
    ("shuffle", ["import random\nl = [1, 2]", "random.shuffle(l)", "l"], ["0", "0 1"]),
    ("out", ["import numpy as np\na = np.ones(3)\no = np.empty(3)", "np.add(a, a, out=o)", "o", "a"], ["0", "0 1", "0"]),
    ("inplace", ["import pandas as pd\ndf = pd.DataFrame()", "df.dropna(inplace=True)", "df"], ["0", "0 1"]),
    ("heapq", ["import heapq\nh = []", "heapq.heappush(h, 1)", "h"], ["0", "0 1"]),
    ("insort", ["from bisect import insort\nl = []", "insort(l, 1)", "l"], ["0", "0 1"]),
    ("columns", ["import pandas as pd\ndf = pd.DataFrame()", "df.columns = []", "df"], ["0", "0 1"]),
    ("loc", ["import pandas as pd\ndf = pd.DataFrame()", "df.loc[0, 'a'] = 1", "df"], ["0", "0 1"]),
    ("fit changes the model alone", ["from sklearn.linear_model import Ridge\nX = [[1]]\ny = [1]", "m = Ridge()", "m.fit(X, y)", "m.coef_", "X"], ["0", "0 1", "1 2", "0"]),
    ("a pipeline fits its parts", ["from sklearn.pipeline import Pipeline\nfrom sklearn.svm import SVC", "s = SVC(random_state=0)", "p = Pipeline([('s', s)])", "p.fit([[1]], [1])", "s.classes_"], ["0", "0 1", "1 2", "1 3"]),
    ("an unknown function changes its arguments", ["from helpers import tidy\nx = []", "tidy(x)", "x"], ["0", "0 1"]),
    ("a connection", ["import sqlite3\nc = sqlite3.connect(':memory:')", "c.execute('create table t (a)')", "c.execute('select 1')", "c.execute('select 2')"], ["0", "0 1", "0 1"]),
    # hidden state
    ("a seed", ["import numpy as np", "np.random.seed(0)", "a = np.random.rand()", "b = np.random.rand()"], ["0", "0 1", "0 1 2"]),
    ("no seed", ["import numpy as np", "a = np.random.rand()", "b = np.random.rand()"], ["0", "0"]),
    ("a seed anew", ["import random", "random.seed(0)", "random.random()", "random.seed(1)", "random.random()"], ["0", "0 1", "0", "0 3"]),
    ("two generators", ["import random, numpy as np", "random.seed(0)", "np.random.rand()"], ["0", "0"]),
    ("a generator of random numbers", ["import numpy as np\nr = np.random.default_rng(0)", "r.random()", "r.random()"], ["0", "0 1"]),
    ("sample of a seeded notebook", ["import numpy as np, pandas as pd\nnp.random.seed(0)\ndf = pd.DataFrame()", "df.sample(1)", "df.sample(1, random_state=0)"], ["0", "0"]),
    ("split of a seeded notebook", ["import numpy as np\nfrom sklearn.model_selection import train_test_split\nX = []", "np.random.seed(0)", "a, b = train_test_split(X)", "c, d = train_test_split(X, random_state=1)"], ["0", "0 1", "0"]),
    ("rcParams", ["import matplotlib.pyplot as plt", "plt.rcParams['figure.dpi'] = 100", "plt.plot([1])"], ["0", "0 1"]),
    ("a style", ["import seaborn as sns", "sns.set_theme()", "sns.lineplot(x=[1], y=[2])"], ["0", "0 1"]),
    ("a style and a plot of pandas", ["import pandas as pd, matplotlib.pyplot as plt\ndf = pd.DataFrame()", "plt.style.use('ggplot')", "df.plot()", "df.mean()"], ["0", "0 1", "0"]),
    ("%matplotlib", ["%matplotlib inline", "import matplotlib.pyplot as plt", "plt.plot([1])", "x = 1"], ["", "0 1", ""]),
    ("figures are closed at a cell's end", ["import matplotlib.pyplot as plt", "plt.plot([1])", "plt.title('a')"], ["0", "0"]),
    ("figures that stay", ["%matplotlib widget", "import matplotlib.pyplot as plt", "plt.plot([1])", "plt.title('a')"], ["", "0 1", "0 1 2"]),
    ("axes of another cell", ["import matplotlib.pyplot as plt\nfig, ax = plt.subplots()", "ax.plot([1])", "fig"], ["0", "0 1"]),
    ("options of pandas", ["import pandas as pd\ndf = pd.DataFrame()", "pd.set_option('display.max_rows', 5)", "df", "n = len(df)"], ["0", "0 1", "0"]),
    ("pd.options", ["import pandas as pd\ndf = pd.DataFrame()", "pd.options.display.precision = 2", "print(df)"], ["0", "0 1"]),
    ("options of NumPy", ["import numpy as np\na = np.ones(3)", "np.set_printoptions(precision=2)", "a", "b = a + 1"], ["0", "0 1", "0"]),
    ("tqdm.pandas", ["from tqdm import tqdm\nimport pandas as pd\ns = pd.Series([1])", "tqdm.pandas()", "s.progress_apply(str)"], ["0", "0 1"]),
    ("environment", ["import os", "os.environ['A'] = '1'", "os.getenv('A')", "os.environ['B']"], ["0", "0 1", "0"]),
    ("%env", ["import os", "%env A=1", "os.environ['A']"], ["", "0 1"]),
    ("working folder", ["import os", "os.chdir('data')", "open('a.csv').read()", "open('/etc/hosts').read()"], ["0", "1", ""]),
    ("%cd", ["%cd data", "open('a.csv').read()"], ["0"]),
    ("sys.path", ["import sys", "sys.path.append('src')", "import my_module", "import json"], ["0", "1", ""]),
    ("decimal", ["import decimal", "decimal.getcontext().prec = 6", "decimal.Decimal(1) / 3"], ["0", "0 1"]),
    ("locale", ["import locale, time", "locale.setlocale(locale.LC_ALL, '')", "time.strftime('%A')"], ["0", "0 1"]),
    ("logging", ["import logging", "logging.basicConfig(level=10)", "logging.info('a')"], ["0", "0 1"]),
    ("one logger", ["import logging", "logging.getLogger('a').setLevel(10)", "logging.getLogger('a').info('b')"], ["0", "0 1"]),
    ("a monkey patch", ["import pandas as pd", "pd.DataFrame.twice = lambda self: self * 2", "pd.DataFrame({'a': [1]}).twice()", "pd.DataFrame().head()"], ["0", "0 1", "0"]),
    ("time makes none", ["import time", "a = time.time()", "b = time.time()"], ["0", "0"]),
    ("a Dask client", ["from dask.distributed import Client\nimport dask.dataframe as dd", "client = Client()", "d = dd.read_csv('a.csv')", "d.compute()"], ["0", "0 1", "1 2"]),
    ("a resource of autoreload", ["%load_ext autoreload", "%autoreload 2", "import my_module"], ["0", "1"]),
    # results
    ("the last result", ["1 + 2", "y = _"], ["0"]),
    ("results by number", ["1 + 2", "x = 3", "Out[1]", "_1"], ["", "0", "0"]),
    ("an underscore of one's own", ["1 + 2", "for _ in range(3): pass", "_"], ["", "1"]),
    ("%store", ["x = 1", "%store x", "%store -r x", "x"], ["0", "1", "2"]),
    # files
    ("a file", ["open('a.txt', 'w').write('1')", "open('a.txt').read()", "open('b.txt').read()"], ["0", ""]),
    ("a path by its name", ["P = 'out/a.csv'", "import pandas as pd\npd.DataFrame().to_csv(P)", "import pandas as pd\npd.read_csv(P)"], ["0", "0 1"]),
    ("a path by its parts", ["from pathlib import Path\nD = Path('out')", "(D / 'a.txt').write_text('1')", "open('out/a.txt').read()"], ["0", "1"]),
    ("a path that is not known", ["open(name, 'w').write('1')", "open('b.txt').read()"], ["0"]),
    ("a file written anew", ["open('a', 'w').write('1')", "open('a', 'w').write('2')", "open('a').read()"], ["", "1"]),
    ("a file that grows", ["open('a', 'w').write('1')", "open('a', 'a').write('2')", "open('a').read()"], ["0", "0 1"]),
    ("%%writefile and import", ["%%writefile my_module.py\nx = 1", "import my_module", "import json"], ["0", ""]),
    ("a listing", ["open('d/a', 'w').write('1')", "import os\nos.listdir('d')"], ["0"]),
    ("json.dump", ["import json\nd = {}", "json.dump(d, open('a.json', 'w'))", "json.load(open('a.json'))"], ["0", "0 1"]),
    ("a shell that reads", ["open('a.txt', 'w').write('1')", "!cat a.txt", "!ls", "!nvidia-smi"], ["0", "0", ""]),
    ("a shell that writes", ["!echo 1 > a.txt", "open('a.txt').read()"], ["0"]),
    ("a shell's result", ["names = !ls", "len(names)"], ["0"]),
    ("a name in a shell line", ["folder = 'a'", "!ls {folder}", "!ls $folder"], ["0", "0"]),
    ("pip", ["!pip install seaborn", "import seaborn", "import json"], ["0", ""]),
    # magics and texts
    ("%timeit", ["x = [1]", "%timeit -n 3 len(x)", "%timeit x.append(1)", "x"], ["0", "0", "0 2"]),
    ("%time binds", ["%time y = 3", "y"], ["0"]),
    ("%%time", ["%%time\ny = 3", "y"], ["0"]),
    ("%%capture", ["%%capture out\nprint(1)", "out.show()"], ["0"]),
    ("a task cell", ["x = 1", "%%task double\ny = x * 2", "y"], ["0", "1"]),
    ("eval of a text", ["x = 1", "eval('x + 1')"], ["0"]),
    ("exec of a text", ["x = 1", "exec('y = x')", "y"], ["0", "1"]),
    ("query", ["import pandas as pd\ndf = pd.DataFrame()", "t = 3", "df.query('a > @t')"], ["", "0 1"]),
    ("pd.eval", ["import pandas as pd\na = pd.Series([1])\nb = 2", "b = 3", "pd.eval('a + b')"], ["", "0 1"]),
    ("a format string", ["x = 1", "f'{x}'"], ["0"]),
    ("import *", ["from math import *", "sqrt(2)", "x = 1"], ["0", ""]),
]  # fmt: skip


@pytest.mark.parametrize(("sources", "expected"), [case[1:] for case in EDGES], ids=[case[0] for case in EDGES])
def test_cells_depend_on_what_they_need(sources: list[str], expected: list[str]) -> None:
    cells = analyse(*sources)

    assert [set(cell.depends_on) for cell in cells[1:]] == [set(map(int, numbers.split())) for numbers in expected]
    assert not any(cell.barrier for cell in cells)
