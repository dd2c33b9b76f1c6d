"""The dependences between cells: tables of notebooks with the edges that are expected."""

from __future__ import annotations

import pytest

from orchestra_nb.notebooks.dataflow import analyse_notebook, analyse_sources
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
    ("a table that nobody knows plots itself", ["from helpers import load\ndf = load()", "df.plot.bar()", "df['a'].hist()", "df.boxplot(by='a')", "df"], ["0", "0", "0", "0"]),
    ("what a class of another module makes plots itself", ["from helpers import Report\nit = Report()", "it.plot()", "it"], ["0", "0 1"]),
    ("an instance that plots", ["from helpers import Base\nclass Report(Base):\n    pass\nit = Report()", "it.plot()", "it"], ["0", "0 1"]),
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
    # and more of all kinds
    ('more: class list', ['class C:\n    items = []\n    def add(self, x): self.items.append(x)', 'a = C()\nb = C()', 'a.add(1)', 'b.items'], ['0', '0 1', '1 2']),
    ('more: starargs', ["def f(*args, **kw):\n    args[0].append(1)\n    kw['k'].append(2)", 'x=[]\ny=[]', 'f(x, k=y)', 'x', 'y'], ['', '0 1', '1 2', '1 2']),
    ('more: call stars', ['def f(a, b): b.append(1)', 'x=[]\ny=[]', 'f(*[x, y])', 'y'], ['', '0 1', '1 2']),
    ('more: list times', ['x=[]', 'l=[x]*2', 'l[0].append(1)', 'x'], ['0', '0 1', '0 2']),
    ('more: list plus', ['x=[]', 'l=[x]+[1]', 'l[0].append(1)', 'x'], ['0', '0 1', '0 2']),
    ('more: sorted elems', ['x=[[2],[1]]', 's=sorted(x)', 's[0].append(1)', 'x'], ['0', '0 1', '0 2']),
    ('more: zip loop', ['x=[[2],[1]]\ny=[1,2]', 'for a, b in zip(x, y):\n    a.append(b)', 'x', 'y'], ['0', '0 1', '0']),
    ('more: enumerate loop', ['x=[[2],[1]]', 'for i, a in enumerate(x):\n    a.append(i)', 'x'], ['0', '0 1']),
    ('more: items loop', ["import pandas as pd\nfr={'a': pd.DataFrame()}", "for k, d in fr.items():\n    d['x'] = 1", "fr['a'].head()"], ['0', '0 1']),
    ('more: df list loop', ['import pandas as pd\na=pd.DataFrame()\nb=pd.DataFrame()', "for d in (a, b):\n    d['x'] = 1", 'a', 'b'], ['0', '0 1', '0 1']),
    ('more: df list loop rebinding', ['import pandas as pd\na=pd.DataFrame()\nb=pd.DataFrame()', 'for d in (a, b):\n    d = d.dropna()', 'a', 'b'], ['0', '0', '0']),
    ('more: a=b=[]', ['a = b = []', 'a.append(1)', 'b'], ['0', '0 1']),
    ('more: asarray', ['import numpy as np\na=np.ones(3)', 'b=np.asarray(a)', 'b[0]=2', 'a'], ['0', '0 1', '0 2']),
    ('more: np.array copy', ['import numpy as np\na=np.ones(3)', 'b=np.array(a)', 'b[0]=2', 'a'], ['0', '1', '0']),
    ('more: ravel', ['import numpy as np\na=np.ones((3,3))', 'b=a.ravel()', 'b[0]=2', 'a'], ['0', '0 1', '0 2']),
    ('more: row', ['import numpy as np\na=np.ones((3,3))', 'for r in a:\n    r[0]=2', 'a'], ['0', '0 1']),
    ('more: random choice', ['import random\nl=[[1],[2]]', 'c=random.choice(l)', 'c.append(1)', 'l'], ['0', '0 1', '0 2']),
    ('more: rng shuffle', ['import numpy as np\nr=np.random.default_rng(0)\nx=[1,2]', 'r.shuffle(x)', 'x'], ['0', '0 1']),
    ('more: sca', ['import matplotlib.pyplot as plt\nfig, ax = plt.subplots()', "plt.sca(ax)\nplt.title('a')", 'fig'], ['0', '0 1']),
    ('more: setp', ['import matplotlib.pyplot as plt\nfig, ax = plt.subplots()', 'plt.setp(ax.get_xticklabels(), rotation=3)', 'fig'], ['0', '0 1']),
    ('more: executor', ['from concurrent.futures import ThreadPoolExecutor\nout=[]\ndef f(x): out.append(x)', 'with ThreadPoolExecutor() as ex:\n    list(ex.map(f, [1,2]))', 'out'], ['0', '0 1']),
    ('more: StringIO', ["import io, pandas as pd\ns=io.StringIO('a\\n1')", 'pd.read_csv(s)', 's.read()'], ['0', '0 1']),
    ('more: StringIO write', ['import io\ns=io.StringIO()', "s.write('a')", 's.getvalue()'], ['0', '0 1']),
    ('more: print file', ['import io\ns=io.StringIO()', "print('a', file=s)", 's.getvalue()'], ['0', '0 1']),
    ('more: csv reader', ["import csv\nf=open('a')\nr=csv.reader(f)", 'next(r)', 'list(r)'], ['0', '0 1']),
    ('more: cached_property', ['from functools import cached_property\nclass C:\n    @cached_property\n    def p(self): return []', 'c=C()', 'c.p.append(1)', 'c.p'], ['0', '1', '1 2']),
    ('more: setitem class', ['class D:\n    def __init__(self): self.d={}\n    def __setitem__(self,k,v): self.d[k]=v\n    def __getitem__(self,k): return self.d[k]', 'd=D()', "d['a']=[1]", "d['a'].append(2)", 'd.d'], ['0', '1', '1 2', '1 2 3']),
    ('more: getattr class', ["class D:\n    def __init__(self): self.d={'x':[]}\n    def __getattr__(self,k): return self.d[k]", 'd=D()', 'd.x.append(1)', 'd.d'], ['0', '1', '1 2']),
    ('more: dict update', ['x=[]\nd={}', 'd.update(k=x)', "d['k'].append(1)", 'x'], ['0', '0 1', '0 2']),
    ('more: dict merge', ['x=[]', "d={**{'k': x}}", "d['k'].append(1)", 'x'], ['0', '0 1', '0 2']),
    ('more: dict or', ['x=[]', "d={'k': x} | {'a': 1}", "d['k'].append(1)", 'x'], ['0', '0 1', '0 2']),
    ('more: namedtuple', ["from collections import namedtuple\nP=namedtuple('P','a b')\nx=[]", 'p=P(x, 1)', 'p.a.append(1)', 'x'], ['0', '0 1', '0 2']),
    ('more: NamedTuple class', ['from typing import NamedTuple\nclass P(NamedTuple):\n    a: list\n    b: int\nx=[]', 'p=P(x, 1)', 'p.a.append(1)', 'x'], ['0', '0 1', '0 2']),
    ('more: enum', ['from enum import Enum\nclass E(Enum):\n    A=1\n    B=2', '[e.name for e in E]', 'E.A'], ['0', '0']),
    ('more: fstring only', ['a=1', 'b=2', "s=f'{a}'"], ['', '0']),
    ('more: nested closure', ['def outer():\n    l=[]\n    def mid():\n        def inner(x): l.append(x)\n        return inner\n    return mid(), l', 'add, l = outer()', 'add(1)', 'l'], ['0', '1', '1 2']),
    ('more: accumulate fn returns global', ['store={}\ndef get(k): return store.setdefault(k, [])', "get('a').append(1)", 'store'], ['0', '0 1']),
    ('more: swap', ['a=[1]\nb=[2]', 'a, b = b, a', 'a.append(3)', 'b', 'a'], ['0', '1', '1', '1 2']),
    ('more: or default', ['x=[]', 'y = x or []', 'y.append(1)', 'x'], ['0', '0 1', '0 2']),
    ('more: ternary', ['x=[]\nz=[]', 'y = x if k else z', 'y.append(1)', 'z'], ['0', '0 1', '0 2']),
    ('more: while pop', ['q=[1,2]', 'while q:\n    v=q.pop()', 'len(q)'], ['0', '0 1']),
    ('more: os.system harmless', ['import os', "os.system('ls')"], ['0']),
    ('more: subprocess list', ['import subprocess', "subprocess.run(['ls','-l'])", 'x=1'], ['0', '']),
    ('more: plain module attr', ['import my_cfg', 'my_cfg.DEBUG = True', 'my_cfg.run()', 'x=1'], ['0', '0 1', '']),
    ('more: train loop', ['import numpy as np\nw=np.zeros(3)\nhist=[]', 'for i in range(3):\n    w -= 0.1\n    hist.append(w.copy())', 'w', 'hist'], ['0', '1', '0 1']),
    ('more: drop not inplace', ['import pandas as pd\ndf=pd.DataFrame()', "df.drop(columns='a')", 'df'], ['0', '0']),
    ('more: pop col', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})", "y=df.pop('a')", 'df', 'y'], ['0', '0 1', '1']),
    ('more: series of df then df change', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})", "y=df['a']", "df['b']=1", 'y.mean()'], ['0', '0', '1']),
    ('more: cols then df change', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})", 'c=df.columns', "df['b']=1", 'list(c)'], ['0', '0', '1']),
    ('more: groupby held', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})", "g=df.groupby('a')", 'g.mean()', 'g.size()'], ['0', '1', '1']),
    ('more: assign lambda', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})", 'e=df.assign(b=lambda d: d.a*k)', 'k=3', 'df'], ['0', '', '0']),
    ('more: pipe', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})", 'def f(d): return d.dropna()', 'df.pipe(f)', 'df'], ['', '0 1', '0']),
    ('more: pipe mutating', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})", "def f(d):\n    d['z']=1\n    return d", 'df.pipe(f)', 'df'], ['', '0 1', '0 2']),
    ('more: apply row lambda', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})", "df.apply(lambda r: r['a'], axis=1)", 'df'], ['0', '0']),
    ('more: concat frames', ['import pandas as pd\na=pd.DataFrame()\nb=pd.DataFrame()', 'c=pd.concat([a,b])', "c['x']=1", 'a'], ['0', '1', '0']),
    ('more: sklearn fit unknown import', ['from xgboost import XGBClassifier\nX=[1]', 'm=XGBClassifier()', 'm.fit(X)', 'X'], ['0', '0 1', '0']),
    ('more: plot functions', ['import seaborn as sns\nimport pandas as pd\ndf=pd.DataFrame()', 'sns.countplot(data=df)', 'sns.histplot(df)', 'df'], ['0', '0', '0']),
    ('more: print unknown', ['x=load()', 'print(x)', 'print(x)', 'x'], ['0', '0', '0']),
    ('more: async', ['import asyncio\nout=[]\nasync def f():\n    out.append(1)', 'await f()', 'out'], ['0', '0 1']),
    ('more: asyncio gather', ['import asyncio\nout=[]\nasync def f():\n    out.append(1)', 'await asyncio.gather(f(), f())', 'out'], ['0', '0 1']),
    ('more: tee', ['import itertools\na,b=itertools.tee([1,2])', 'list(a)', 'list(a)'], ['0', '0 1']),
    ('more: count', ['import itertools\nc=itertools.count()', 'next(c)', 'next(c)'], ['0', '0 1']),
    ('more: del attr', ['class C: pass\nc=C()\nc.a=1', 'del c.a', 'vars(c)'], ['0', '0 1']),
    ('more: slot assign slice', ['x=[1,2,3]', 'x[:2]=[9]', 'x'], ['0', '0 1']),
    ('more: bytearray', ['b=bytearray(3)', 'b[0]=1', 'b'], ['0', '0 1']),
    ('more: memoryview', ['b=bytearray(3)', 'm=memoryview(b)', 'm[0]=1', 'b'], ['0', '0 1', '0 2']),
    ('more: global in nested', ['n=0\ndef f():\n    def g():\n        global n\n        n = 5\n    g()', 'f()', 'n'], ['0', '1']),
    ('more: map unconsumed', ['out=[]', 'm=map(out.append,[1,2])', 'list(m)', 'out'], ['0', '0 1', '0 2']),
    ('more: filter', ['l=[[1],[]]', 'f=list(filter(None,l))', 'f[0].append(2)', 'l'], ['0', '0 1', '0 2']),
    ('more: max key', ['l=[[1],[]]', 'm=max(l,key=len)', 'm.append(2)', 'l'], ['0', '0 1', '0 2']),
    ('more: json file two', ['import json', "with open('a.json','w') as f:\n    json.dump({}, f)", "with open('a.json') as f:\n    d=json.load(f)", 'd'], ['0', '0 1', '2']),
    ('more: np save', ['import numpy as np', "np.save('a.npy', np.ones(3))", "b=np.load('a.npy')"], ['0', '0 1']),
    ('more: joblib', ['import joblib\nm=[]', "joblib.dump(m,'m.pkl')", "joblib.load('m.pkl')"], ['0', '0 1']),
    ('more: savefig', ['import matplotlib.pyplot as plt', "plt.plot([1])\nplt.savefig('a.png')", "plt.imread('a.png')"], ['0', '0 1']),
    ('more: with open append f', ["f=open('a','w')", "f.write('x')", 'f.close()', "open('a').read()"], ['0', '0 1', '0 1']),
    ('more: glob', ["open('d/a.csv','w').write('')", "import glob\nglob.glob('d/*.csv')"], ['0']),
    ('more: defaultdict', ['from collections import defaultdict\nd=defaultdict(list)', "d['a'].append(1)", 'd'], ['0', '0 1']),
    ('more: defaultdict int', ['from collections import defaultdict\nd=defaultdict(int)', "d['a'] += 1", 'd'], ['0', '0 1']),
    ('more: Counter update', ['from collections import Counter\nc=Counter()', "c['a'] += 1", 'c.most_common()'], ['0', '0 1']),
    ('more: deque', ['from collections import deque\nd=deque()', 'd.append(1)', 'd'], ['0', '0 1']),
    ('more: set ops', ['s={1}', 's |= {2}', 's'], ['0', '1']),
    ('more: np inplace', ['import numpy as np\na=np.ones(3)\nb=a', 'a += 1', 'b'], ['0', '0 1']),
    ('more: rebinding sum', ['import numpy as np\na=np.ones(3)\nb=a', 'a = a + 1', 'b'], ['0', '0']),
    ('more: hidden helper', ['import numpy as np\ndef set_seed(s):\n    np.random.seed(s)', 'set_seed(3)', 'np.random.rand()'], ['0', '0 1']),
    ('more: kmeans unseeded', ['import numpy as np\nfrom sklearn.cluster import KMeans\nX=[[1]]', 'np.random.seed(0)', 'k=KMeans().fit(X)', 'k2=KMeans(random_state=1).fit(X)'], ['0', '0 1', '0']),
    ('more: property setter', ['class C:\n    @property\n    def a(self): return self._a\n    @a.setter\n    def a(self,v):\n        self._a=v\n        log.append(v)\nlog=[]', 'c=C()', 'c.a=3', 'log'], ['0', '0 1', '0 2']),
    ('more: classmethod', ['class C:\n    n=[]\n    @classmethod\n    def add(cls,x): cls.n.append(x)', 'C.add(1)', 'C.n'], ['0', '0 1']),
    ('more: staticmethod', ['out=[]\nclass C:\n    @staticmethod\n    def add(x): out.append(x)', 'C.add(1)', 'out'], ['0', '0 1']),
    ('more: inherit lib', ['from sklearn.base import BaseEstimator\nclass M(BaseEstimator):\n    def fit(self,X):\n        self.m_=X\n        return self', 'm=M()', 'm.fit([1])', 'm.m_'], ['0', '1', '1 2']),
    ('more: dict comp default arg', ['fs={i: (lambda x, i=i: x+i) for i in range(3)}', 'fs[1](2)'], ['0']),
    ('more: plt.gcf next cell', ['import matplotlib.pyplot as plt', 'plt.plot([1,2])', "plt.gcf().savefig('a.png')"], ['0', '0']),
    ('more: ax flat', ['import matplotlib.pyplot as plt\nfig, axs = plt.subplots(2,2)', 'for ax in axs.flat:\n    ax.plot([1])', 'fig'], ['0', '0 1']),
    ('more: exec unknown', ["code='x=1'", 'exec(code)', 'x'], ['0', '1']),
    ('more: rng arg', ['import numpy as np\nrng=np.random.default_rng(0)\ndef draw(n, rng): return rng.normal(size=n)', 'a=draw(3,rng)', 'b=draw(3,rng)'], ['0', '0 1']),
    ('more: rng kw', ['import numpy as np\nfrom sklearn.utils import shuffle\nrng=np.random.RandomState(0)', 'a=shuffle([1],random_state=rng)', 'b=shuffle([1],random_state=rng)'], ['0', '0 1']),
    ('more: rng in estimator', ['import numpy as np\nfrom sklearn.cluster import KMeans\nrng=np.random.RandomState(0)', 'k=KMeans(random_state=rng)', 'k.fit([[1]])', 'rng.rand()'], ['0', '0 1', '0 1 2']),
    ('more: from random', ['from random import random, seed', 'seed(1)', 'random()', 'random()'], ['0', '0 1', '0 1 2']),
    ('more: rvs', ['import numpy as np\nfrom scipy import stats', 'np.random.seed(0)', 'x=stats.norm.rvs(size=3)', 'y=stats.norm.rvs(size=3)', 'stats.norm.rvs(size=3, random_state=1)'], ['0', '0 1', '0 1 2', '0']),
    ('more: rc from', ['from matplotlib import rcParams\nimport matplotlib.pyplot as plt', "rcParams['figure.dpi']=3", 'plt.plot([1])'], ['0', '0 1']),
    ('more: pylab rc', ['import matplotlib.pylab as pylab\nimport matplotlib.pyplot as plt', "pylab.rcParams.update({'a':1})", 'plt.plot([1])'], ['0', '0 1']),
    ('more: plt.rc', ['import matplotlib.pyplot as plt', "plt.rc('font',size=3)", 'plt.plot([1])'], ['0', '0 1']),
    ('more: rc of ax', ['import matplotlib.pyplot as plt\nfig,ax=plt.subplots()', "plt.rcParams['lines.linewidth']=3", 'ax.plot([1])'], ['0', '0 1']),
    ('more: style context', ['import matplotlib.pyplot as plt', "with plt.style.context('ggplot'):\n    plt.plot([1])", 'plt.plot([1])'], ['0', '0']),
    ('more: sns palette', ['import seaborn as sns', "sns.set_palette('husl')", 'sns.countplot(x=[1])', 'sns.color_palette()'], ['0', '0 1', '0 1']),
    ('more: option str', ['import pandas as pd\ndf=pd.DataFrame()', "pd.set_option('display.width',3)", 'str(df)', 'df.mean()'], ['0', '0 1', '0 1']),
    ('more: option context', ['import pandas as pd\ndf=pd.DataFrame()', "with pd.option_context('display.width',3):\n    print(df)", 'df'], ['0', '0']),
    ('more: chained opt', ['import pandas as pd\ndf=pd.DataFrame()', 'pd.options.mode.chained_assignment=None', 'df.head(2).sum()', "df['a']=1"], ['0', '0', '0 1']),
    ('more: seterr', ['import numpy as np\na=np.ones(3)', "np.seterr(all='ignore')", 'a/0', 'a.shape'], ['0', '0 1', '0']),
    ('more: interactivity', ['from IPython.core.interactiveshell import InteractiveShell', "InteractiveShell.ast_node_interactivity='all'", '1\n2', 'x=1'], ['0', '1', '']),
    ('more: echo env', ['%env A=1', '!echo $A'], ['0']),
    ('more: environ update', ['import os', "os.environ.update({'A':'1'})", "os.environ['A']"], ['0', '0 1']),
    ('more: chdir fn', ["import os\ndef go(): os.chdir('x')", 'go()', "open('a').read()"], ['0', '1']),
    ('more: cd ls', ['%cd x', '!ls', 'x=1'], ['0', '']),
    ('more: sys.path insert', ['import sys', "sys.path.insert(0,'..')", 'from mylib import f', 'import numpy'], ['0', '1', '']),
    ('more: glob loop', ["import pandas as pd\npd.DataFrame().to_csv('d/a.csv')", "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.savefig('d/a.png')", "import glob, pandas as pd\nfs=[pd.read_csv(f) for f in glob.glob('d/*.csv')]", 'frames=[pd.read_csv(f) for f in paths]'], ['', '0', '0 2']),
    ('more: zipfile', ['import zipfile', "z=zipfile.ZipFile('a.zip','w')\nz.write('x')\nz.close()", "zipfile.ZipFile('a.zip').namelist()"], ['0', '0 1']),
    ('more: excel writer', ['import pandas as pd\ndf=pd.DataFrame()', "with pd.ExcelWriter('a.xlsx') as w:\n    df.to_excel(w)", "pd.read_excel('a.xlsx')"], ['0', '0 1']),
    ('more: image', ["import matplotlib.pyplot as plt\nplt.savefig('a.png')", "from IPython.display import Image\nImage('a.png')"], ['0']),
    ('more: tempfile', ['import tempfile, os\nd=tempfile.mkdtemp()', "open(os.path.join(d,'a'),'w').write('1')", "open(os.path.join(d,'a')).read()"], ['0', '0 1']),
    ('more: sqlite file', ['import sqlite3', "c=sqlite3.connect('a.db')\nc.execute('create table t (a)')\nc.commit()", "d=sqlite3.connect('a.db')\nd.execute('select 1')"], ['0', '0 1']),
    ('more: display handle', ["h=display('a', display_id=True)", "h.update('b')", "h.update('c')"], ['0', '0 1']),
    ('more: client submit', ['from dask.distributed import Client', 'c=Client()', 'f=c.submit(sum,[1])', 'f.result()'], ['0', '1', '1 2']),
    ('more: dask compute fn', ['import dask\nfrom dask.distributed import Client\nd=dask.delayed(sum)([1])', 'client=Client()', 'dask.compute(d)', 'd.compute()'], ['0', '0 1', '0 1']),
    ('more: _ chained', ['[1,2]', '_.append(3)', 'x=_1', 'x'], ['0', '0 1', '1 2']),
    ('more: Out all', ['1', '2', 'list(Out.values())'], ['', '0 1']),
    ('more: writefile run', ['%%writefile m.py\ndef f(): return 1', 'from m import f', 'f()'], ['0', '1']),
    ('more: nested functions globals', ['A=1\ndef f():\n    def g():\n        return [A for _ in range(2)]\n    return g', 'h=f()', 'A=2', 'h()'], ['0', '', '1 2']),
    ('more: lambda default', ['k=3\nf=lambda x, k=k: x+k', 'k=4', 'f(1)'], ['', '0']),
    ('more: class body reads', ['base=3', 'class C:\n    n=base', 'C.n'], ['0', '1']),
    ('more: sorted key global', ["w={'a':1}\ndef key(x): return w[x]", "w['b']=2", "sorted(['a'],key=key)"], ['0', '0 1']),
    ('more: df.apply global', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})\nk=2\ndef f(v): return v*k", 'k=3', "df['a'].apply(f)"], ['', '0 1']),
    ('more: groupby apply', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})\nout=[]", "df.groupby('a').apply(lambda g: out.append(1))", 'out'], ['0', '0 1']),
    ('more: agg dict of fn', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})\ndef f(s): return s.sum()*k", 'k=1', "df.agg({'a': f})"], ['', '0 1']),
    ('more: np.vectorize', ['import numpy as np\ndef f(x): return x*k', 'g=np.vectorize(f)', 'k=3', 'g([1])'], ['0', '', '1 2']),
    ('more: FunctionTransformer', ['from sklearn.preprocessing import FunctionTransformer\nk=1\ndef f(x): return x*k', 't=FunctionTransformer(f)', 'k=2', 't.transform([1])'], ['0', '', '1 2']),
    ('more: scipy minimize', ['from scipy.optimize import minimize\nhist=[]\ndef f(x):\n    hist.append(x)\n    return x*x', 'minimize(f,[1])', 'hist'], ['0', '0 1']),
    ('more: odeint global', ['from scipy.integrate import odeint\nr=1\ndef f(y,t): return r*y', 'r=2', 'odeint(f,1,[1])'], ['', '0 1']),
    ('more: object in two', ["x=[]\na={'v':x}\nb={'v':x}", "a['v'].append(1)", 'b'], ['0', '0 1']),
    ('more: matrix rows', ['m=[[0]*2]*2', 'm[0][0]=1', 'm[1]'], ['0', '0 1']),
    ('more: df in class', ["import pandas as pd\nclass H:\n    def __init__(self,df): self.df=df\n    def add(self): self.df['z']=1", 'df=pd.DataFrame()\nh=H(df)', 'h.add()', 'df'], ['0', '1', '1 2']),
    ('more: df in class copy', ["import pandas as pd\nclass H:\n    def __init__(self,df): self.df=df.copy()\n    def add(self): self.df['z']=1", 'df=pd.DataFrame()\nh=H(df)', 'h.add()', 'df'], ['0', '1', '1']),
    ('more: chain methods', ['class B:\n    def __init__(self): self.p=[]\n    def add(self,x):\n        self.p.append(x)\n        return self', 'b=B()', 'b.add(1).add(2)', 'b.p'], ['0', '1', '1 2']),
    ('more: inner class state', ['class E:\n    log=[]\n    @classmethod\n    def w(cls,x): cls.log.append(x)\nclass F(E): pass', 'F.w(1)', 'E.log'], ['0', '0 1']),
    ('more: module-level cache fn', ['_cache={}\ndef get(k):\n    if k not in _cache:\n        _cache[k]=k*2\n    return _cache[k]', 'get(1)', 'get(2)'], ['0', '0 1']),
    ('more: del item loop', ["d={'a':1}", 'for k in list(d):\n    del d[k]', 'd'], ['0', '0 1']),
    ('more: unpack dict into fn', ["def f(**kw): kw['a'].append(1)", "o={'a':[]}", 'f(**o)', 'o'], ['', '0 1', '1 2']),
    ('more: tuple of frames', ['import pandas as pd\na,b=pd.DataFrame(),pd.DataFrame()', 'frames=(a,b)', "frames[0]['x']=1", 'a', 'b'], ['0', '0 1', '0 2', '0']),
    ('more: np.nditer etc', ['import numpy as np\na=np.ones(3)', 'for i in range(3):\n    a[i]=i', 'a'], ['0', '0 1']),
    ('more: where copy', ['import numpy as np\na=np.ones(3)', 'b=np.where(a>0,a,0)', 'b[0]=1', 'a'], ['0', '1', '0']),
    ('more: T view', ['import numpy as np\na=np.ones((3,3))', 'b=a.T', 'b[0]=1', 'a'], ['0', '0 1', '0 2']),
    ('more: diag', ['import numpy as np\na=np.ones((3,3))', 'np.fill_diagonal(a,0)', 'a'], ['0', '0 1']),
    ('more: df values', ["import pandas as pd\ndf=pd.DataFrame({'a':[1]})", 'X=df.values', "df['b']=2", 'X.sum()'], ['0', '0', '1']),
    ('more: list of lambdas', ['fs=[]\nfor i in range(3):\n    fs.append(lambda: i)', 'i=7', 'fs[0]()'], ['', '0 1']),
    ('more: while True gen', ['def g():\n    x=0\n    while True:\n        x+=1\n        yield x', 'it=g()', 'next(it)', 'next(it)'], ['0', '1', '1 2']),
    ('more: gen send', ['def g():\n    while True:\n        v=yield\n        log.append(v)\nlog=[]', 'it=g()\nnext(it)', 'it.send(3)', 'log'], ['0', '0 1', '0 1 2']),
    ('more: contextmanager', ["from contextlib import contextmanager\nlog=[]\n@contextmanager\ndef cm():\n    log.append('in')\n    yield\n    log.append('out')", 'with cm():\n    pass', 'log'], ['0', '0 1']),
    ('more: singledispatch', ['from functools import singledispatch\n@singledispatch\ndef f(x): return k\n@f.register(int)\ndef _(x): return k2', 'k=1\nk2=2', 'f(1)'], ['', '0 1']),
    ('more: total by reduce', ['from functools import reduce\nx=[[1],[2]]', 'y=reduce(lambda a,b: a+b, x)', 'y.append(1)', 'x'], ['0', '0 1', '0 2']),
    ('more: exception obj', ['err=None\ntry:\n    1/0\nexcept Exception as e:\n    err=e', 'str(err)'], ['0']),
    ('more: iter protocol', ['class R:\n    def __init__(self): self.n=0\n    def __iter__(self): return self\n    def __next__(self):\n        self.n+=1\n        if self.n>3: raise StopIteration\n        return self.n', 'r=R()', 'list(r)', 'r.n'], ['0', '1', '1 2']),
    ('more: bool len', ['class Q:\n    def __init__(self): self.n=[]\n    def __len__(self):\n        self.n.append(1)\n        return 0', 'q=Q()', 'len(q)', 'q.n'], ['0', '1', '1 2']),
    ('more: str repr', ["class Q:\n    def __init__(self): self.n=[]\n    def __repr__(self):\n        self.n.append(1)\n        return ''", 'q=Q()', 'q', 'q.n'], ['0', '1', '1 2']),
    ('more: weird unpack swap', ['x=[1]\ny=[2]\np=(x,y)', 'a,b=p', 'a.append(3)', 'x', 'y'], ['0', '0 1', '0 2', '0']),
]  # fmt: skip


@pytest.mark.parametrize(("sources", "expected"), [case[1:] for case in EDGES], ids=[case[0] for case in EDGES])
def test_cells_depend_on_what_they_need(sources: list[str], expected: list[str]) -> None:
    cells = analyse(*sources)

    assert [set(cell.depends_on) for cell in cells[1:]] == [set(map(int, numbers.split())) for numbers in expected]
    assert not any(cell.barrier for cell in cells)


BARRIERS: list[tuple[list[str], list[int]]] = [
    (['x=1', '%run other.py', 'y=x'], [1]),
    (['from helpers import *', 'y=1'], [0]),
    (['exec(code)'], [0]),
    (['y=eval(text)'], [0]),
    (['globals().update(d)'], [0]),
    (["for n in ['a','b']:\n    globals()[n] = 1"], [0]),
    (["for n in ['a','b']:\n    exec(f'{n} = 1')"], [0]),
    (['!make all'], [0]),
    (['!python train.py'], [0]),
    (["import os\nos.system('make')"], [0]),
    (['%%bash\nmake'], [0]),
    (['%%cython\ncdef int x'], [0]),
    (['%%sql\nselect 1'], [0]),
    (['%sql select 1'], [0]),
    (['%%javascript\nalert(1)'], []),
    (['%%html\n<b>a</b>'], []),
    (['x = ('], [0]),
    (['%whatever'], [0]),
    (['import subprocess\nsubprocess.run(cmd)'], [0]),
    (['def f(): exec(code)', 'x=1'], []),
    (['def f(): exec(code)', 'x=1', 'f()'], [2]),
    (['get_ipython().run_cell(x)'], [0]),
    (["get_ipython().run_line_magic('matplotlib','inline')"], []),
    (["get_ipython().system('ls')"], []),
    (['!git clone https://a/b'], [0]),
    (['!wget https://a/b.csv'], []),
    (['!nvidia-smi'], []),
    (['!pip install -q x'], []),
    (['%pip install x'], []),
    (['!apt-get install -y x'], []),
    (['!python --version'], []),
    (['!ls -la | grep x'], []),
    (['%reset -f'], [0]),
    (['%load_ext autoreload\n%autoreload 2'], []),
    (['import sys\n!{sys.executable} -m pip install x'], []),
    (['%%time\n!sleep 1'], []),
    (['%%script false\nwhatever'], []),
    (['dir()'], [0]),
    (["locals()['a']=1"], []),
    (["input('x')"], []),
    (['%who'], []),
    (['# just a comment'], []),
    ([''], []),
    (['x?'], []),
    (['%%latex\n$a$'], []),
    (['%%R\nx <- 1'], [0]),
    (["%matplotlib inline\n%config InlineBackend.figure_format = 'retina'"], []),
    (['await x'], []),
    (['from numpy import *\nfrom matplotlib.pyplot import *\nfrom os.path import *'], []),
    (['from tkinter import *'], []),
    (['from pylab import *\nplot([1])'], []),
    (['%pylab inline'], []),
    (['from sklearn.metrics import *'], []),
    (['from scipy.stats import *'], []),
    (['from pandas import *'], []),
    (['from collections import *'], []),
    (['from random import *'], []),
    (['from datetime import *'], []),
    (['from itertools import *'], []),
    (['from typing import *'], []),
    (['from seaborn import *'], []),
    (['from ipywidgets import *'], []),
    (['from IPython.display import *'], []),
    (['%debug'], []),
    (['%history'], []),
    (['%cd data'], []),
    (['%ls'], []),
    (['%pwd'], []),
    (['%cat a.txt'], []),
    (['%%writefile a.py\nx=1', '%run a.py'], [1]),
    (['import this_is_mine as m\nm.a.b = 3'], []),
    (['%%capture\n!pip install x'], []),
    (['%%bash\npip install x\nls'], []),
    (['!cd data && ls'], []),
    (['!mkdir -p out && cp a.csv out/'], []),
    (['!unzip -q a.zip -d data'], []),
    (['!tar xf a.tgz'], []),
    (['!curl -s https://a/b | head'], []),
    (['!head -n 3 {path}'], []),
    (['!jupyter nbconvert x'], [0]),
    (['%env A=1'], []),
    (['%timeit sum(range(3))'], []),
    (['%prun f()'], []),
]  # fmt: skip


@pytest.mark.parametrize(("sources", "expected"), BARRIERS)
def test_barriers_are_where_nothing_can_be_proven(sources: list[str], expected: list[int]) -> None:
    cells = analyse(*sources)

    assert [cell.index for cell in cells if cell.barrier] == expected
    assert all(cell.why for cell in cells if cell.barrier)


def test_a_barrier_depends_on_all_before_and_all_after_depend_on_it() -> None:
    cells = analyse("x = 1", "y = 2", "%run other.py", "z = 3", "print(x)")

    assert [cell.depends_on for cell in cells] == [(), (), (0, 1), (2,), (0, 2)]
    assert cells[2].why == "`%run` can read and bind any name"


def test_names_that_a_barrier_binds_are_followed_from_there() -> None:
    cells = analyse("%run setup.py", "df['a'] = 1", "df.head()", "tidy(df)", "df.tail()", "other.head()")

    assert [cell.depends_on for cell in cells] == [(), (0,), (0, 1), (0, 1), (0, 1, 3), (0,)]
    assert [cell.mutates for cell in cells] == [(), ("df",), (), ("df",), (), ()]


PLAIN = """
df.head()|df.info()|df.describe().T|df['a'].value_counts().plot(kind='bar')|sns.heatmap(df.corr()); plt.show()
df.isnull().sum().sort_values(ascending=False)|df.groupby('a')['b'].mean().reset_index().sort_values('b')
sns.pairplot(df, hue='a')|fig, ax = plt.subplots(); ax.hist(df['b']); ax.set_xlabel('b')|df.hist(); plt.tight_layout()
for c in df.columns: print(c, df[c].nunique())|df.plot.scatter('a', 'b')|pd.crosstab(df.a, df.b)|df[df['a'] > 3].shape
g = sns.FacetGrid(df, col='a'); g.map(plt.hist, 'b')|df.loc[df.a > 3, ['b']].mean()|np.corrcoef(df['a'], df['b'])
df.sample(5)|plt.scatter(df['a'], df['b'], alpha=.5); plt.xlabel('a')|df.iloc[:5]|df.to_csv('out.csv')|len(df), df.shape
df.apply(lambda r: r['a'] + 1, axis=1)|df['a'].map({1: 2}).fillna(0)|pd.get_dummies(df, columns=['a'])|df.melt()
df.style.background_gradient()|ax = df.boxplot(); ax.set_title('x')|display(df.tail())|df.query('a > 2').b.sum()
df['a'].rolling(3).mean().plot()|[c for c in df if df[c].dtype == 'object']|a, b = df['a'].values, df['b'].to_numpy()
stats = {c: df[c].mean() for c in df}|sns.violinplot(x='a', y='b', data=df); plt.savefig('v.png')|df.nlargest(3, 'b')
plt.subplot(1, 2, 1); plt.plot(df.a); plt.subplot(1, 2, 2); plt.plot(df.b)|pd.concat([df, df]).drop_duplicates()
"""


def test_plain_cells_of_pandas_and_plots_need_the_imports_and_the_table_alone() -> None:
    plain = [source.replace("; ", "\n") for line in PLAIN.strip().splitlines() for source in line.split("|")]
    imports = "import pandas as pd, numpy as np\nimport matplotlib.pyplot as plt\nimport seaborn as sns"

    cells = analyse(imports, "df = pd.read_csv('a.csv')", *plain)

    for cell in cells[2:]:
        assert set(cell.depends_on) <= {0, 1}, (plain[cell.index - 2], cell.why)
        assert cell.mutates == ()


def test_names_are_given_for_each_cell() -> None:
    cells = analyse("x = []\ny = x", "if k: z = 1", "y.append(z)", "del x")

    assert [cell.defines for cell in cells] == [("x", "y"), ("z",), (), ()]
    assert [cell.conditional for cell in cells] == [(), ("z",), (), ()]
    assert [cell.reads for cell in cells] == [(), ("k",), ("y", "z"), ("x",)]
    assert [cell.mutates for cell in cells] == [(), (), ("x", "y"), ()]
    assert [cell.deletes for cell in cells] == [(), (), (), ("x",)]
    assert cells[2].names_out == ("x", "y")


def test_order_that_only_a_shared_namespace_needs_is_told_apart() -> None:
    cells = analyse("x = 1", "print(x)", "x = 2")

    assert cells[2].depends_on == ()
    assert cells[2].follows == (0, 1)


def test_configuration_cells_are_known() -> None:
    cells = analyse(
        "import numpy as np\n%matplotlib inline",
        "np.set_printoptions(precision=3)",
        "x = np.ones(3)",
        "np.random.seed(0)",
    )

    assert [cell.is_configuration for cell in cells] == [True, True, False, False]
    assert cells[1].resources_written == ("print options of NumPy",)
    assert cells[3].resources_written == ("random state of NumPy",)


def test_a_notebook_in_another_language_is_all_barriers() -> None:
    notebook = {
        "metadata": {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}},
        "cells": [
            {"cell_type": "code", "id": "a", "source": "x <- 1"},
            {"cell_type": "code", "id": "b", "source": "x"},
        ],
    }

    cells = analyse_notebook(notebook).cells

    assert [(cell.depends_on, cell.barrier) for cell in cells] == [((), True), ((0,), True)]


@pytest.mark.parametrize(
    "source",
    [
        "(" * 300 + ")" * 300,
        "x = " + "+".join(["1"] * 3000),
        "-" * 2000 + "1",
        "x = 1\0",
        "def f(): return f()\nf()",
        "def f(g): return g(g)\nf(f)",
        "x = []\nx.append(x)\nx",
        "class C(C): pass",
        "class A: pass\nclass B(A): pass\nA = B\nB()",
        "f = lambda: f()\nf()",
        "return 1",
        "yield 1",
        "await x",
        "break",
        "nonlocal x",
        "\n".join(f"def f{i}(x): return f{i + 1}(x) + f{i + 1}([x])" for i in range(40)) + "\nf0([])",
        "for i in x:\n" + "".join(" " * (n + 1) + "for i in x:\n" for n in range(15)) + " " * 17 + "x.append(i)",
        "%%timeit\n(",
        "%",
        "!",
        "%%",
        "?",
        "\ud800",
    ],
)
def test_nothing_makes_the_analysis_fail(source: str) -> None:
    cells = analyse("x = 1", source, "x")

    assert len(cells) == 3
