"""The names of a cell: tables of cells with what is expected, and a comparison with what really happens."""

from __future__ import annotations

import ast
import builtins
import copy
import functools
import linecache
import random
from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from orchestra_nb.engine.pending import PendingValue
from orchestra_nb.notebooks.names import CellNames, analyse_cell, analyse_tree

# (id, source, what is expected: "d" defines, "c" conditional, "r" reads without builtins, "m" mutates, "x" deletes)
# Left out means: nothing.
CASES: list[tuple[str, str, dict[str, str]]] = [
    # binding
    ("assignment", "x = y", {"d": "x", "r": "y"}),
    ("assignment of several", "x = y = z", {"d": "x y", "r": "z"}),
    ("a column drawn into axes", "df.price.hist(bins=3, ax=ax)", {"r": "df ax", "m": "ax"}),
    ("what that gives is the axes", "one = df.hist(ax=ax)\none.grid()", {"d": "one", "r": "df ax", "m": "ax"}),
    ("axes that are drawn into", "ax.hist(x)", {"r": "ax x", "m": "ax"}),
    ("an unknown table that plots itself", "df.plot()\ndf['a'].hist(bins=3)\ndf.boxplot()", {"r": "df"}),
    ("an unknown table's columns", "df.hist('a', by='b')\ndf.plot(x='a', y='b')", {"r": "df"}),
    ("an unknown table's kinds of plot", "df.plot.bar('a')\ndf.a.plot.scatter('b', 'c')", {"r": "df"}),
    ("unknown axes that plot what they are given", "it.plot([1])\nit.boxplot(x=y)", {"r": "it y", "m": "it"}),
    ("unknown axes given what nobody sees", "it.hist(**y)", {"r": "it y", "m": "it"}),
    ("another unknown method", "it.redraw()", {"r": "it", "m": "it"}),
    (
        "values that are recorded",
        "from orchestra_nb import record\nrecord(table=x)",
        {"d": "record", "r": "x"},
    ),
    ("unpacking", "a, (b, *c) = d", {"d": "a b c", "r": "d"}),
    ("unpacking into a list", "[a, b] = d", {"d": "a b", "r": "d"}),
    ("swap", "a, b = b, a", {"d": "a b", "r": "a b"}),
    ("own name on the right", "x = x.strip()", {"d": "x", "r": "x"}),
    ("augmented", "x += 1", {"d": "x", "r": "x", "m": "x"}),
    ("augmented own", "x = 1\nx += y", {"d": "x", "r": "y"}),
    ("annotated with value", "x: int = y", {"d": "x", "r": "y"}),
    ("annotated without value", "x: T", {"r": "T"}),
    ("walrus", "if (n := len(xs)) > 3: pass", {"d": "n", "r": "xs"}),
    (
        "walrus in a comprehension",
        "ys = [last := f(x) for x in xs]",
        {"d": "ys last", "c": "last", "r": "f xs", "m": "xs"},
    ),
    ("walrus behind and", "a and (b := c)", {"d": "b", "c": "b", "r": "a c"}),
    ("for", "for i in xs: pass", {"d": "i", "c": "i", "r": "xs"}),
    ("for over a literal", "for i in [1, 2]: pass", {"d": "i"}),
    ("for over a range", "for i in range(3): y = i", {"d": "i y"}),
    ("for over a range of a name", "for i in range(n): y = i", {"d": "i y", "c": "i y", "r": "n"}),
    ("for with a pattern", "for k, (a, b) in d.items(): pass", {"d": "k a b", "c": "k a b", "r": "d"}),
    ("with", "with open(p) as f:\n    t = f.read()", {"d": "f t", "r": "p"}),
    ("with a pattern", "with a as (b, c): pass", {"d": "b c", "r": "a"}),
    ("with that swallows", "with suppress(E):\n    x = 1\ny = x", {"d": "x y", "c": "x", "r": "suppress E x"}),
    ("import", "import a.b, c.d as e", {"d": "a e"}),
    ("import from", "from a import b, c as d", {"d": "b d"}),
    ("function", "def f(a, b=c): return a", {"d": "f", "r": "c"}),
    ("class", "class C(B): pass", {"d": "C", "r": "B"}),
    ("async function", "async def f(): await g()", {"d": "f"}),
    ("exception name is gone", "try: f()\nexcept E as e: print(e)", {"r": "f E", "x": "e"}),
    ("exception group", "try: f()\nexcept* E as e: pass", {"r": "f E", "x": "e"}),
    ("exception name of before", "e = 1\ntry: f()\nexcept E as e: pass", {"d": "e", "r": "f E", "x": "e"}),
    ("match capture", "match x:\n    case [a, *b]: pass", {"d": "a b", "c": "a b", "r": "x"}),
    ("match mapping", "match x:\n    case {'k': v, **rest}: pass", {"d": "v rest", "c": "v rest", "r": "x"}),
    ("match class", "match x:\n    case P(a=b) as c: pass", {"d": "b c", "c": "b c", "r": "x P"}),
    ("match value", "match x:\n    case M.A: y = 1\n    case _: y = 2", {"d": "y", "r": "x M"}),
    ("match guard", "match x:\n    case a if a > k: y = a", {"d": "a y", "c": "a y", "r": "x k"}),
    ("match always", "match x:\n    case a: y = a", {"d": "a y", "r": "x"}),
    ("star assignment", "first, *rest = xs", {"d": "first rest", "r": "xs"}),
    # deleting
    ("del", "del x", {"r": "x", "x": "x"}),
    ("del own", "x = 1\ndel x", {"x": "x"}),
    ("del then bound", "del x\nx = 1", {"d": "x", "r": "x"}),
    ("del perhaps", "x = 1\nif c: del x", {"d": "x", "r": "c", "x": "x"}),
    ("del several", "del (a, b)", {"r": "a b", "x": "a b"}),
    ("del item", "del x[k]", {"r": "x k", "m": "x"}),
    ("del attribute", "del x.a", {"r": "x", "m": "x"}),
    ("read after del is no read from outside", "x = 1\ndel x\nprint(x)", {"x": "x"}),
    # order and ways
    ("bound before read", "x = 1\nprint(x)", {"d": "x"}),
    ("read before bound", "print(x)\nx = 1", {"d": "x", "r": "x"}),
    ("bound on one way", "if c: x = 1\nprint(x)", {"d": "x", "c": "x", "r": "c x"}),
    ("bound on both ways", "if c: x = 1\nelse: x = 2\nprint(x)", {"d": "x", "r": "c"}),
    ("other way raises", "if c: x = 1\nelse: raise E\nprint(x)", {"d": "x", "r": "c E"}),
    ("bound in a loop, read after it", "for i in xs: y = i\nprint(y)", {"d": "i y", "c": "i y", "r": "xs y"}),
    ("bound at the end of a round", "for i in xs:\n    print(y)\n    y = i", {"d": "i y", "c": "i y", "r": "xs y"}),
    ("while", "while c: x = 1\nprint(x)", {"d": "x", "c": "x", "r": "c x"}),
    ("endless loop with break", "while True:\n    x = f()\n    if x: break\nprint(x)", {"d": "x", "r": "f"}),
    ("break before binding", "for i in [1]:\n    if c: break\n    x = 1\nprint(x)", {"d": "i x", "c": "x", "r": "c x"}),
    (
        "continue before binding",
        "for i in [1]:\n    if c: continue\n    x = 1\nprint(x)",
        {"d": "i x", "c": "x", "r": "c x"},
    ),
    ("for else", "for i in xs: pass\nelse: y = 1\nprint(y)", {"d": "i y", "c": "i", "r": "xs"}),
    ("try, both bind", "try: import a\nexcept ImportError: a = None\na", {"d": "a"}),
    ("try, one binds", "try: x = f()\nexcept E: pass\nprint(x)", {"d": "x", "c": "x", "r": "f E x"}),
    (
        "handler reads what the body may not have bound",
        "try: x = f()\nexcept E: print(x)",
        {"d": "x", "c": "x", "r": "f E x"},
    ),
    ("finally binds", "try: f()\nfinally: x = 1\nprint(x)", {"d": "x", "r": "f"}),
    ("finally reads", "try: x = f()\nfinally: print(x)", {"d": "x", "r": "f x"}),
    ("try else", "try: f()\nexcept E: raise\nelse: x = 1\nprint(x)", {"d": "x", "r": "f E"}),
    ("nothing after raise", "raise E\nprint(x)", {"r": "E"}),
    ("conditional expression", "y = a if b else c", {"d": "y", "r": "a b c"}),
    ("assert", "assert x, msg", {"r": "x msg"}),
    ("chained comparison", "a < b < c", {"r": "a b c"}),
    # functions, classes, comprehensions
    ("body of an unused function", "def f(): return x", {"d": "f"}),
    ("body of a called function", "def f(): return x\ny = f()", {"d": "f y", "r": "x"}),
    ("body of a function that is passed on", "def f(a): return a + x\ny = map(f, z)", {"d": "f y", "r": "x z"}),
    ("bound before the call", "def f(): return x\nx = 1\nf()", {"d": "f x"}),
    ("bound after the call", "def f(): return x\nf()\nx = 1", {"d": "f x", "r": "x"}),
    ("functions that call each other", "def f(): return g()\ndef g(): return x\nf()", {"d": "f g", "r": "x"}),
    ("recursion", "def f(n): return f(n - 1) + x\nf(3)", {"d": "f", "r": "x"}),
    ("mutual recursion", "def f(): g()\ndef g(): f(); x\nf()", {"d": "f g", "r": "x"}),
    ("local of a function hides", "def f():\n    x = 1\n    return x\nf()", {"d": "f"}),
    ("parameter hides", "def f(x): return x\nf(1)", {"d": "f"}),
    (
        "local of the caller does not hide",
        "def f(): return x\ndef g():\n    x = 1\n    return f()\ng()",
        {"d": "f g", "r": "x"},
    ),
    ("closure", "def f():\n    x = 1\n    def g(): return x + y\n    return g\nf()", {"d": "f", "r": "y"}),
    ("default", "f = lambda a=x: a", {"d": "f", "r": "x"}),
    ("annotation", "def f(a: T) -> R: pass", {"d": "f", "r": "T R"}),
    ("decorator", "@deco(k)\ndef f(): return x", {"d": "f", "r": "deco k x", "m": "k"}),
    ("decorator that only wraps", "@lru_cache\ndef f(): return x", {"d": "f", "r": "lru_cache"}),
    ("lambda by name", "f = lambda: x", {"d": "f"}),
    ("lambda by name, called", "f = lambda: x\nf()", {"d": "f", "r": "x"}),
    ("lambda as argument", "ys = sorted(xs, key=lambda a: a[k])", {"d": "ys", "r": "xs k"}),
    ("lambda in a list", "fs = [lambda: x]", {"d": "fs", "r": "x"}),
    (
        "global in a called function",
        "def f():\n    global x\n    x = 1\nf()\nprint(x)",
        {"d": "f x", "c": "x", "r": "x"},
    ),
    ("global in an unused function", "def f():\n    global x\n    x = 1", {"d": "f"}),
    ("global delete", "def f():\n    global x\n    del x\nf()", {"d": "f", "r": "x", "x": "x"}),
    ("global augmented", "def f():\n    global n\n    n += 1\nf()", {"d": "f n", "c": "n", "r": "n", "m": "n"}),
    (
        "nonlocal",
        "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y\n    g()\nf()",
        {"d": "f", "r": "y"},
    ),
    ("generator function", "def f():\n    yield x\nlist(f())", {"d": "f", "r": "x"}),
    ("class body reads", "class C:\n    a = x\n    b = a", {"d": "C", "r": "x"}),
    ("class body falls back", "class C:\n    x = x", {"d": "C", "r": "x"}),
    ("method of an unused class", "class C:\n    def m(self): return x", {"d": "C"}),
    ("method of a used class", "class C:\n    def m(self): return x\nc = C()", {"d": "C c", "r": "x"}),
    ("method does not see class names", "class C:\n    x = 1\n    def m(self): return x\nC()", {"d": "C", "r": "x"}),
    ("inherited method", "class A:\n    def m(self): return x\nclass B(A): pass\nB().m()", {"d": "A B", "r": "x"}),
    ("metaclass", "class C(metaclass=M): pass", {"d": "C", "r": "M"}),
    ("comprehension", "ys = [x * k for x in xs if x > t]", {"d": "ys", "r": "xs k t"}),
    ("comprehension does not bind", "x = 1\n[x for x in xs]\nprint(x)", {"d": "x", "r": "xs"}),
    ("comprehension name after it", "[i for i in xs]\nprint(i)", {"r": "xs i"}),
    ("nested comprehension", "[[c + d for c in r] for r in m]", {"r": "d m"}),
    ("comprehension of two", "[a + b for a in x for b in a]", {"r": "x"}),
    ("dict comprehension", "{k: v + w for k, v in d.items()}", {"r": "d w"}),
    ("generator as argument", "s = sum(x ** p for x in xs)", {"d": "s", "r": "xs p"}),
    ("lambda in a comprehension", "fs = [lambda: i + k for i in xs]", {"d": "fs", "r": "xs k"}),
    ("f-string", "s = f'{x:{w}} {y!r} {z=}'", {"d": "s", "r": "x w y z"}),
    ("f-string in a function", "def f(): return f'{x}'\nf()", {"d": "f", "r": "x"}),
    ("import in a function", "def f():\n    import os\n    return os.path\nf()", {"d": "f"}),
    # changes in place
    ("item", "x[k] = v", {"r": "x k v", "m": "x"}),
    ("item of an item", "x[0][1] = 1", {"r": "x", "m": "x"}),
    ("attribute", "x.a = 1", {"r": "x", "m": "x"}),
    ("attribute of an attribute", "x.index.names = n", {"r": "x n", "m": "x"}),
    ("accessor", "df.loc[m, 'a'] = 0", {"r": "df m", "m": "df"}),
    ("augmented item", "x[k] += 1", {"r": "x k", "m": "x"}),
    ("item in unpacking", "x[0], y.a = 1, 2", {"r": "x y", "m": "x y"}),
    ("item as loop target", "for x[0] in xs: pass", {"r": "x xs", "m": "x"}),
    ("append", "x.append(y)", {"r": "x y", "m": "x"}),
    ("append to own", "x = []\nx.append(y)", {"d": "x", "r": "y"}),
    ("pure method", "y = x.head()", {"d": "y", "r": "x"}),
    ("unknown method", "x.frobnicate(y)", {"r": "x y", "m": "x y"}),
    ("inplace", "df.dropna(inplace=True)", {"r": "df", "m": "df"}),
    ("inplace of false", "df.dropna(inplace=False)", {"r": "df"}),
    ("inplace by name", "df.dropna(inplace=flag)", {"r": "df flag", "m": "df"}),
    ("sort", "x.sort()", {"r": "x", "m": "x"}),
    ("sorted", "y = sorted(x)", {"d": "y", "r": "x"}),
    ("known builtin", "print(len(x))", {"r": "x"}),
    ("builtin that changes", "next(it)", {"r": "it", "m": "it"}),
    ("setattr", "setattr(x, 'a', 1)", {"r": "x", "m": "x"}),
    ("method through its type", "list.append(x, 1)", {"r": "x", "m": "x"}),
    ("unknown function", "y = f(x)", {"d": "y", "r": "f x", "m": "x"}),
    ("unknown function of a number", "y = f(3)", {"d": "y", "r": "f"}),
    ("unknown function of a part", "f(x['a'])", {"r": "f x", "m": "x"}),
    ("class of unknown", "m = Model(x)", {"d": "m", "r": "Model x"}),
    ("numpy function", "import numpy as np\ny = np.sqrt(x)", {"d": "np y", "r": "x"}),
    ("numpy by convention", "y = np.sqrt(x)", {"d": "y", "r": "np x"}),
    ("numpy shuffle", "np.random.shuffle(x)", {"r": "np x", "m": "x"}),
    ("numpy out", "np.add(a, b, out=c)", {"r": "np a b c", "m": "c"}),
    ("numpy at", "np.add.at(x, i, 1)", {"r": "np x i", "m": "x"}),
    ("from random import shuffle", "from random import shuffle\nshuffle(x)", {"d": "shuffle", "r": "x", "m": "x"}),
    ("heap", "import heapq\nheapq.heappush(h, x)", {"d": "heapq", "r": "h x", "m": "h"}),
    ("plot into axes", "sns.lineplot(data=df, ax=ax)", {"r": "sns df ax", "m": "ax"}),
    ("fit", "model.fit(X, y)", {"r": "model X y", "m": "model"}),
    ("predict", "p = model.predict(X)", {"d": "p", "r": "model X"}),
    ("generator of random numbers", "y = rng.normal(size=3)", {"d": "y", "r": "rng", "m": "rng"}),
    ("split", "a, b = train_test_split(X)\na['n'] = 1", {"d": "a b", "r": "train_test_split X"}),
    ("own module", "import mine\nmine.clean(df)", {"d": "mine", "r": "df", "m": "df"}),
    ("function that changes its argument", "def f(a): a.append(1)\nf(x)", {"d": "f", "r": "x", "m": "x"}),
    ("function that only looks", "def f(a): return a.mean()\ny = f(x)", {"d": "f y", "r": "x"}),
    ("function that changes the second", "def f(a, b): b[0] = a\nf(x, b=y)", {"d": "f", "r": "x y", "m": "y"}),
    ("function with stars", "def f(*a): a[0].append(1)\nf(x)", {"d": "f", "r": "x", "m": "x"}),
    ("call with stars", "def f(a, b): b.clear()\nf(*xs)", {"d": "f", "r": "xs", "m": "xs"}),
    ("function that changes a global", "def f(): cache['a'] = 1\nf()", {"d": "f", "r": "cache", "m": "cache"}),
    ("function that returns its argument", "def f(a): return a\ny = f(x)\ny.clear()", {"d": "f y", "r": "x", "m": "x"}),
    ("changing function passed on", "def f(r): r['a'] = 1\nlist(map(f, rows))", {"d": "f", "r": "rows", "m": "rows"}),
    ("default that is changed", "def f(k, d=store): d[k] = 1\nf(1)", {"d": "f", "r": "store", "m": "store"}),
    (
        "constructor that changes",
        "class C:\n    def __init__(self, a): a.clear()\nC(x)",
        {"d": "C", "r": "x", "m": "x"},
    ),
    ("method of own class", "class C:\n    def see(self, a): return len(a)\nc = C()\nc.see(x)", {"d": "C c", "r": "x"}),
    (
        "method of own class that changes",
        "class C:\n    def add(self, a): a.append(1)\nc = C()\nc.add(x)",
        {"d": "C c", "r": "x", "m": "x"},
    ),
    ("query", "y = df.query('a > @limit and b == @other.b')", {"d": "y", "r": "df limit other"}),
    # other names for the same object
    ("alias", "y = x\ny.append(1)", {"d": "y", "r": "x", "m": "x"}),
    ("alias before the name is bound anew", "y = x\nx = []\ny.append(1)", {"d": "x y", "r": "x", "m": "x"}),
    ("alias of a part", "y = x['a']\ny[0] = 1", {"d": "y", "r": "x", "m": "x"}),
    ("alias of an attribute", "y = x.a\ny.append(1)", {"d": "y", "r": "x", "m": "x"}),
    ("alias by unpacking", "a, b = x\na.append(1)", {"d": "a b", "r": "x", "m": "x"}),
    ("alias by pairs", "a, b = x, y\na.append(1)", {"d": "a b", "r": "x y", "m": "x"}),
    ("alias by choice", "y = a if c else b\ny.clear()", {"d": "y", "r": "a b c", "m": "a b"}),
    ("alias by or", "y = x or []\ny.append(1)", {"d": "y", "r": "x", "m": "x"}),
    ("alias by walrus", "(y := x).append(1)", {"d": "y", "r": "x", "m": "x"}),
    ("alias by loop", "for r in rows: r['a'] = 1", {"d": "r", "c": "r", "r": "rows", "m": "rows"}),
    (
        "alias by enumerate",
        "for i, r in enumerate(rows): r.append(1)",
        {"d": "i r", "c": "i r", "r": "rows", "m": "rows"},
    ),
    ("alias by zip", "for a, b in zip(x, y): a.clear()", {"d": "a b", "c": "a b", "r": "x y", "m": "x y"}),
    ("alias by values", "for v in d.values(): v.append(1)", {"d": "v", "c": "v", "r": "d", "m": "d"}),
    ("alias by comprehension", "[v.append(1) for v in xs]", {"r": "xs", "m": "xs"}),
    ("alias in a list", "l = [x]\nl[0].append(1)", {"d": "l", "r": "x", "m": "x"}),
    ("list around it changed", "l = [x]\nl.append(1)", {"d": "l", "r": "x"}),
    ("alias through append", "l = []\nl.append(x)\nl[0].clear()", {"d": "l", "r": "x", "m": "x"}),
    ("alias through an item", "d = {}\nd['a'] = x\nd['a'].clear()", {"d": "d", "r": "x", "m": "x"}),
    (
        "alias through a second round",
        "y = []\nfor i in xs:\n    y.append(1)\n    y = x",
        {"d": "y i", "c": "i", "r": "x xs", "m": "x"},
    ),
    ("alias by method result", "y = x.setdefault('a', [])\ny.append(1)", {"d": "y", "r": "x", "m": "x"}),
    ("alias of with", "with x as y: y.append(1)", {"d": "y", "r": "x", "m": "x"}),
    ("alias of match", "match x:\n    case [a]: a.append(1)", {"d": "a", "c": "a", "r": "x", "m": "x"}),
    ("copy is no alias", "y = x.copy()\ny['a'] = 1", {"d": "y", "r": "x"}),
    ("list copy is no alias", "y = list(x)\ny.append(1)", {"d": "y", "r": "x"}),
    ("elements of a copy are", "y = list(x)\ny[0].append(1)", {"d": "y", "r": "x", "m": "x"}),
    ("slice is an alias", "y = x[1:]\ny[0] = 1", {"d": "y", "r": "x", "m": "x"}),
    ("sum is no alias", "y = x + 1\ny[0] = 1", {"d": "y", "r": "x"}),
    ("alias augmented", "y = x\ny += [1]", {"d": "y", "r": "x", "m": "x"}),
    ("bound anew is no alias", "y = x\ny = []\ny.append(1)", {"d": "y", "r": "x"}),
    ("alias on one way", "y = []\nif c: y = x\ny.append(1)", {"d": "y", "r": "c x", "m": "x"}),
    # IPython
    ("shell", "!ls $folder {name} $$HOME", {"r": "folder name"}),
    ("shell result", "files = !ls {folder}", {"d": "files", "r": "folder"}),
    ("magic result", "out = %time f(x)", {"d": "out", "r": "f x", "m": "x"}),
    ("time binds", "%time y = f(x)", {"d": "y", "r": "f x", "m": "x"}),
    ("timeit binds nothing", "%timeit -n 10 -r3 y = f(x)", {"r": "f x", "m": "x"}),
    ("timeit with output", "res = %timeit -o x + 1", {"d": "res", "r": "x"}),
    ("time cell", "%%time\ny = x\nz = y + w", {"d": "y z", "r": "x w"}),
    ("timeit cell", "%%timeit k = x\nk + y", {"r": "x y"}),
    ("capture cell", "%%capture out --no-stderr\ny = x", {"d": "out y", "r": "x"}),
    ("magic within a cell", "import os\n%matplotlib inline\ny = x", {"d": "os y", "r": "x"}),
    ("magic in a branch", "if c:\n    %time y = x", {"d": "y", "c": "y", "r": "c x"}),
    ("cell magics within each other", "%%capture\n%%time\ny = x", {"d": "y", "r": "x"}),
    ("bash cell", "%%bash --out text\necho $HOME {x}", {"d": "text"}),
    ("bash line", "%%bash -s {x}\necho $1", {"r": "x"}),
    ("html cell", "%%html\n<b>{x}</b>", {}),
    ("writefile", "%%writefile {name}.py\nx = y", {"r": "name"}),
    ("task cell", "%%task a --in x\ny = x", {}),
    ("help", "x?", {}),
    ("help of source", "f??", {}),
    ("environment", "%env KEY={value}", {"r": "value"}),
    ("xdel", "%xdel x", {"r": "x", "x": "x"}),
    ("store", "%store x y", {"r": "x y"}),
    ("top-level await", "x = await f(y)", {"d": "x", "r": "f y", "m": "y"}),
    ("top-level async for", "async for a in b: c = a", {"d": "a c", "c": "a c", "r": "b"}),
    ("top-level async with", "async with a as b: c = b", {"d": "b c", "r": "a"}),
    ("indented cell", "    x = y\n    z = x", {"d": "x z", "r": "y"}),
    ("prompts", ">>> x = y", {"d": "x", "r": "y"}),
    ("semicolon", "x;", {"r": "x"}),
    # the namespace itself
    ("globals item", "globals()['x'] = y", {"d": "x", "r": "y"}),
    ("globals read", "y = globals()['x']", {"d": "y", "r": "x"}),
    ("globals delete", "del globals()['x']", {"r": "x", "x": "x"}),
    ("in globals", "if 'x' in globals(): pass", {"r": "x"}),
    ("exec of a text", "exec('x = y')", {"d": "x", "r": "y"}),
    ("eval of a text", "z = eval('x + y')", {"d": "z", "r": "x y"}),
    ("vars of an object", "d = vars(x)\nd['a'] = 1", {"d": "d", "r": "x", "m": "x"}),
    ("locals in a function", "def f(): return locals()\nf()", {"d": "f"}),
    ("empty", "", {}),
    ("comment", "# x = y", {}),
    ("docstring", "'''x = y'''", {}),
    ("dunder name", "print(__name__, __file__)", {}),
]


@pytest.mark.parametrize(("source", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_cell_is_read_as_expected(source: str, expected: dict[str, str]) -> None:
    names = analyse_cell(source)

    assert words(names) == {key: set(expected.get(key, "").split()) for key in "dcrmx"}
    assert names.opaque is None


def words(names: CellNames) -> dict[str, set[str]]:
    return {
        "d": set(names.defines),
        "c": set(names.conditional),
        "r": {name for name in names.reads if not hasattr(builtins, name)},
        "m": set(names.mutates),
        "x": set(names.deletes),
    }


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("from os.path import *", "`from os.path import *` can bind any name"),
        ("from .a import *", "`from .a import *` can bind any name"),
        ("exec(code)", "`exec(…)` can read and bind any name"),
        ("y = eval(text)", "`eval(…)` can read and bind any name"),
        ("globals().update(d)", "`globals()` can read and bind any name"),
        ("for n in globals(): pass", "`globals()` can read and bind any name"),
        ("locals()[n] = 1", "`locals()` can read and bind any name"),
        ("vars()[n] = 1", "`vars()` can read and bind any name"),
        ("%run other.ipynb", "`%run` can read and bind any name"),
        ("%load other.py", "`%load` can read and bind any name"),
        ("%reset -f", "`%reset` can read and bind any name"),
        ("%store -r", "`%store` can read and bind any name"),
        ("%%cython\ncdef int x", "`%%cython` can read and bind any name"),
        ("%%sql\nselect 1", "`%%sql` can read and bind any name"),
        ("get_ipython().run_cell(text)", "`get_ipython().run_cell(…)` can read and bind any name"),
        (
            "get_ipython().run_line_magic('run', path)",
            "a magic whose text is not written in the cell can read and bind any name",
        ),
        ("import __main__", "`import __main__` gives access to any name"),
        ("def f(): exec(code)\nf()", "`exec(…)` can read and bind any name"),
        ("def f(): globals()[k] = 1\nf()", "`globals()` can read and bind any name"),
        ("class C:\n    def m(self): exec(code)\nC()", "`exec(…)` can read and bind any name"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(source: str, reason: str) -> None:
    assert analyse_cell(source).opaque == reason


def test_a_function_that_nobody_uses_is_not_opaque() -> None:
    assert analyse_cell("def f(): exec(code)").opaque is None


def test_a_name_of_its_own_is_not_the_builtin() -> None:
    assert analyse_cell("def exec(x): return x\nexec(code)").opaque is None


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = 1\ny = (", 2),
        ("x = 1\n\nfor", 3),
        ("%%time\nx = 1\ny = = 2", 3),
        ("%matplotlib inline\nx = 1\ny = = 2", 3),
        ("\n\n%time x = 1\ny = = 2", 4),
        ("%time y = = 2", 1),
        ("x = 1\n%time y = = 2", 2),
        ("%%timeit\nx = 1\ny = = 2", 3),
        ("def f():\nreturn 1", 2),
        ("x = '", 1),
        ("x = 1\0", 1),
    ],
)
def test_a_syntax_error_has_its_line_in_the_cell(source: str, line: int) -> None:
    with pytest.raises(SyntaxError) as caught:
        analyse_cell(source)

    assert caught.value.lineno == line


def test_a_tree_gives_what_its_source_gives() -> None:
    source = "def f(a): a.append(k)\nf(x)"

    assert analyse_tree(ast.parse(source)) == analyse_cell(source)


# With the namespace at hand


class Notebook:
    """A namespace in which cells are run as IPython runs them: their source can be found."""

    def __init__(self, **values: object) -> None:
        self.namespace: dict[str, object] = {"__name__": "__main__", **values}
        self._count = 0

    def run(self, source: str) -> None:
        self._count += 1
        name = f"<cell {id(self)}-{self._count}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), self.namespace)

    def forget_sources(self) -> None:
        for name in [name for name in linecache.cache if name.startswith(f"<cell {id(self)}-")]:
            del linecache.cache[name]

    def names(self, source: str) -> dict[str, set[str]]:
        return words(analyse_cell(source, self.namespace))


def test_functions_of_other_cells_are_followed() -> None:
    notebook = Notebook(data=[1], factor=2, unrelated=3)
    notebook.run("def scale(x): return x * factor")
    notebook.run("def total(): return sum(scale(x) for x in data)")

    assert notebook.names("y = total()")["r"] == {"total", "scale", "data", "factor"}


def test_functions_of_other_cells_that_change_globals_are_followed() -> None:
    notebook = Notebook(cache={}, seen=[])
    notebook.run(
        "def remember(k):\n    cache[k] = 1\n    seen.append(k)\ndef count():\n    global n\n    n = len(cache)"
    )

    names = notebook.names("remember(1)\ncount()")

    assert names["m"] == {"cache", "seen"}
    assert names["d"] == {"n"}


def test_a_function_of_another_cell_that_only_looks_changes_nothing() -> None:
    notebook = Notebook(X=[[1]], y=[1])
    notebook.run("def train(X, y, k):\n    model = Ridge(k)\n    model.fit(X, y)\n    return model.coef_")

    assert notebook.names("a = train(X, y, 3)")["m"] == set()


def test_a_function_of_another_cell_that_changes_its_argument_does() -> None:
    notebook = Notebook(df={}, other={})
    notebook.run("def add_features(frame, extra):\n    frame['a'] = extra['a']\n    return frame")

    assert notebook.names("out = add_features(df, other)")["m"] == {"df"}


def test_local_names_of_the_caller_do_not_hide_globals_of_the_called() -> None:
    notebook = Notebook(x=1)
    notebook.run("def f(): return x\ndef g():\n    x = 2\n    return f()")

    assert "x" in notebook.names("g()")["r"]


def test_what_the_cell_bound_before_the_call_is_not_read() -> None:
    notebook = Notebook(x=1)
    notebook.run("def f(): return x")

    assert notebook.names("x = 2\nf()")["r"] == {"f"}


def test_numbers_texts_and_modules_are_never_changed() -> None:
    notebook = Notebook(n=1, text="a", pair=(1, "b"), math=__import__("math"), items=[1])

    names = notebook.names("unknown(n, text, pair, items)\nmath.tau = 3\nn += 1")

    assert names["m"] == {"items"}


def test_functions_of_known_libraries_leave_their_arguments_alone() -> None:
    import json

    notebook = Notebook(write=json.dumps, items=[1])

    assert notebook.names("s = write(items)")["m"] == set()


def test_a_parameter_with_the_name_of_a_module_is_not_the_module() -> None:
    notebook = Notebook(time=[3], json=[4])

    names = notebook.names("time.append(1)\njson.index(4)")

    assert names["m"] == {"time"}


def test_instances_of_classes_of_the_notebook_are_followed() -> None:
    notebook = Notebook(limit=1, log=[])
    notebook.run("class Model:\n    def fit(self, x):\n        log.append(x)\n        return limit\nmodel = Model()")

    names = notebook.names("model.fit([1])")

    assert names["r"] == {"model", "log", "limit"}
    assert names["m"] >= {"log"}


def test_functions_without_a_source_are_taken_to_change_all_they_touch() -> None:
    notebook = Notebook(cache={}, n=1, data=[])
    notebook.run("def f(a):\n    global done\n    done = 1\n    return [cache for _ in range(n)]")
    notebook.forget_sources()

    names = notebook.names("f(data)")

    assert names == {"d": {"done"}, "c": {"done"}, "r": {"f", "cache", "n", "data"}, "m": {"cache", "data"}, "x": set()}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("def f(): return g1", "f"),
        ("f = lambda: g1", "f"),
        ("class C:\n    def m(self): return g1", "C"),
        ("class C:\n    @staticmethod\n    def m(): return g1", "C"),
        ("class C:\n    @property\n    def m(self): return g1", "C"),
        ("class A:\n    def m(self): return g1\nclass B(A): pass", "B"),
        ("class C:\n    def m(self): return g1\nc = C()", "c"),
        ("class C:\n    def m(self): return g1\nb = C().m", "b"),
        ("import functools\ndef f(): return g1\np = functools.partial(f)", "p"),
        ("import functools\n@functools.lru_cache\ndef f(): return g1", "f"),
        ("import functools\n@functools.singledispatch\ndef f(a): return g1", "f"),
        (
            "import functools\ndef d(h):\n    @functools.wraps(h)\n    def w(): return h()\n    return w\n@d\ndef f(): return g1",
            "f",
        ),
        ("def make(h):\n    def w(): return h()\n    return w\ndef inner(): return g1\nf = make(inner)", "f"),
        ("def f(): return g1\nfs = {'a': [f]}", "fs"),
        ("from types import SimpleNamespace\ndef f(): return g1\nns = SimpleNamespace(call=f)", "ns"),
        ("def h(): return g1\ndef f(a=h): return a()", "f"),
        ("def h(): return g1\ndef f(): return h()", "f"),
        ("def f():\n    def inner(): return g1\n    return inner()", "f"),
        ("def f(): return [g1 for _ in range(2)]", "f"),
        ("async def f(): return g1", "f"),
        ("def f():\n    yield g1", "f"),
        ("import contextlib\n@contextlib.contextmanager\ndef f(): yield g1", "f"),
    ],
)
@pytest.mark.parametrize("has_source", [True, False], ids=["source", "no source"])
def test_globals_of_reachable_functions_are_found(source: str, name: str, has_source: bool) -> None:
    notebook = Notebook(g1=[1], g2=2)
    notebook.run(source)
    if not has_source:
        notebook.forget_sources()

    found = analyse_cell(f"{name}()", notebook.namespace).reads

    assert "g1" in found
    assert "g2" not in found


def test_functions_of_libraries_are_not_followed() -> None:
    notebook = Notebook(deepcopy=copy.deepcopy, reduce=functools.reduce, d=4, memo=5, cls=6)

    found = analyse_cell("deepcopy(d)\nreduce(d, [])", notebook.namespace)

    assert found.reads == {"deepcopy", "reduce", "d"}


def test_nothing_of_the_users_is_called() -> None:
    notebook = Notebook()
    notebook.run(
        "class Touchy:\n"
        "    def __getattribute__(self, name): raise AssertionError(name)\n"
        "    def __iter__(self): raise AssertionError\n"
        "    def __eq__(self, other): raise AssertionError\n"
        "    def __hash__(self): raise AssertionError\n"
        "    def __bool__(self): raise AssertionError\n"
        "    def __len__(self): raise AssertionError\n"
        "t = Touchy()\n"
        "ts = [t, {'a': t}]"
    )

    assert notebook.names("u = t\nv = ts[0]\nu.x = 1")["m"] == {"t"}


def test_of_a_value_that_is_not_here_yet_nothing_is_known() -> None:
    pending = PendingValue("f", "id", lambda: "running", lambda: None)
    notebook = Notebook(f=pending, model=pending, items=[1])

    assert notebook.names("f(items)\nmodel.frobnicate(items)")["m"] == {"items", "model"}
    assert notebook.names("model.fit(items)")["m"] == {"model"}


def test_objects_of_well_known_libraries() -> None:
    pd = pytest.importorskip("pandas")
    np = pytest.importorskip("numpy")
    notebook = Notebook(
        pd=pd,
        np=np,
        df=pd.DataFrame({"a": [1]}),
        x=np.arange(3),
        rng=np.random.default_rng(0),
        n=np.float64(1),
        sqrt=np.sqrt,
    )

    def changed(source: str) -> set[str]:
        return notebook.names(source)["m"]

    assert changed("df.plot()\ndf['a'].hist()\ndf.groupby('a').agg('sum')\nsqrt(x)\nnp.dot(x, x)") == set()
    assert changed("df.plot.bar()\ndf.plot('a', 'b')\ndf['a'].plot.line()") == set()
    assert changed("b = df.copy()\nb['a'][0] = 1\nb.loc[0] = 1") == set()
    assert changed("df['b'] = 1") == {"df"}
    assert changed("v = df['a']\nv.iloc[0] = 3") == {"df"}
    assert changed("df.insert(0, 'c', x)") == {"df"}
    assert changed("x.partition(1)") == {"x"}
    assert changed("x.T[0] = 1") == {"x"}
    assert changed("rng.shuffle(x)") == {"rng", "x"}
    assert changed("rng.normal(n)") == {"rng"}
    assert changed("unknown(n)") == set()


# Against what really happens


class Witness(dict[str, object]):
    """A namespace that notes what is read from before the cell."""

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__(values)
        self.untouched = set(values)
        self._start = dict(values)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> object:
        value = super().__getitem__(name)
        if name in self.untouched and value is self._start[name]:  # STORE_GLOBAL goes past __setitem__
            self.read.add(name)
        return value

    def __setitem__(self, name: str, value: object) -> None:
        self.untouched.discard(name)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        if name in self.untouched:
            self.read.add(name)
        self.untouched.discard(name)
        super().__delitem__(name)


class Writer:
    """Writes random cells over a few names that hold nested lists."""

    NAMES = ("a", "b", "c", "d")
    OWN = ("u", "v")

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._functions: list[str] = []

    def cell(self) -> str:
        return "\n".join(line for _ in range(self._random.randint(2, 6)) for line in self.statement(2))

    def name(self) -> str:
        return self._random.choice(self.NAMES + self.OWN)

    def expression(self, depth: int = 2) -> str:
        pick = self._random.randrange(16 if depth else 3)
        name = self.name()
        if pick < 3:
            return name
        inner = self.expression(depth - 1)
        return [
            f"{name}[0]",
            f"[{inner}, {name}]",
            f"({inner} or {name})",
            f"({inner} if len({name}) > 1 else {name})",
            f"list({inner})",
            f"[w for w in {inner}]",
            f"({name} := {inner})",
            f"(lambda q: q)({inner})",
            f"{name}.copy()",
            f"{{'k': {inner}}}['k']",
            f"{self._random.choice(self._functions)}({inner})" if self._functions else name,
            f"[{name} for {name} in {inner}]",
            f"list(reversed({inner}))",
        ][pick - 3]

    def simple(self) -> str:
        name, other = self.name(), self.expression()
        return self._random.choice(
            [
                f"{name} = {other}",
                f"{name} = {other}",
                f"{name}.append({other})",
                f"{name}[0].append(1)",
                f"{name}[0] = {other}",
                f"{name} += [{other}]",
                f"{name}.insert(0, {other})",
                f"del {name}",
                f"{name}, {self.name()} = {other}, {self.expression(1)}",
                f"{name} = {self.name()}",
                f"list.append({name}, 1)",
                f"{name}.extend({other})",
                f"{name}.clear()",
                f"print({other})",
            ]
        )

    def block(self, depth: int) -> list[str]:
        return ["    " + line for _ in range(self._random.randint(1, 3)) for line in self.statement(depth - 1)]

    def statement(self, depth: int) -> list[str]:
        pick = self._random.randrange(20)
        if not depth or pick < 11:
            return [self.simple()]
        block, test = self.block(depth), f"len({self.name()}) > {self._random.randint(0, 2)}"
        if pick == 11:
            return [f"if {test}:", *block]
        if pick == 12:
            return [f"if {test}:", *block, "else:", *self.block(depth)]
        if pick == 13:
            return [f"for {self.name()} in {self.expression()}[:2]:", *block]
        if pick == 14:
            return [
                f"for {self.name()} in range({self._random.randint(0, 2)}):",
                *block,
                f"    if {test}: break",
                *self.block(depth),
            ]
        if pick == 15:
            return ["try:", *block, "except Exception as u:", *self.block(depth)]
        if pick == 16:
            return ["try:", *block, "except Exception:", *self.block(depth), "finally:", *self.block(depth)]
        if pick == 17:
            function = self._random.choice("fgh")
            self._functions.append(function)
            head = [f"    global {self._random.choice(self.NAMES)}"] if self._random.random() < 0.3 else []
            body = [line for line in block if not (head and "p" in line.split())]
            return [
                f"def {function}(p, *rest):",
                *head,
                *body,
                f"    p.append({self.name()})" if pick % 2 else "",
                "    return p",
            ]
        if pick == 18:
            return [
                "class K:",
                *["    " + line for line in ["def m(self, p):", *block, "    return p"]],
                "u = K().m([1])",
            ]
        return ["while True:", *block, "    break"]


def start_values() -> dict[str, object]:
    return {"a": [[1], [2, [3]]], "b": [[4]], "c": [[[5]], [6], 7], "d": [[8, 9], [10]]}


@pytest.mark.parametrize("with_namespace", [False, True], ids=["source alone", "namespace"])
def test_the_sets_contain_what_really_happens(with_namespace: bool) -> None:
    failures = []
    for seed in range(900):
        source = Writer(seed).cell()
        values = start_values()
        namespace = Witness(values)
        try:
            code = compile(source, f"<random {seed}>", "exec")
        except SyntaxError:
            continue
        names = analyse_cell(source, {"__name__": "__main__", **copy.deepcopy(values)} if with_namespace else None)

        ended = True
        try:
            exec(code, namespace, namespace)
        except Exception:
            ended = False
        changed = {name for name, value in start_values().items() if not same(values[name], value)}
        bound = {
            name for name in namespace if name not in ("__builtins__",) and namespace.get(name) is not values.get(name)
        }
        gone = set(values) - set(namespace)

        missing = {
            "reads": namespace.read - names.reads,
            "mutates": changed - names.mutates,
            "defines": bound - names.defines if ended else set(),
            "deletes": gone - names.deletes if ended else set(),
            "certain": (names.defines - names.conditional - names.deletes - set(namespace)) if ended else set(),
        }
        if any(missing.values()):
            failures.append((seed, missing, source))
    assert failures == []


def same(left: object, right: object) -> bool:
    """Compare nested lists, some of which contain themselves."""
    try:
        return left == right
    except RecursionError:
        return False


def test_analysis_needs_no_attribute_of_an_object() -> None:
    holder = SimpleNamespace(value=[1])

    assert words(analyse_cell("holder.value.append(1)", {"holder": holder}))["m"] == {"holder"}


@pytest.mark.parametrize(
    ("made", "use", "changed"),
    [
        ("x = pd.DataFrame({'a': [1]})", "x.plot('a')\nx.hist('a')", ""),
        ("x = pd.read_csv('a.csv').groupby('a')['b'].sum()", "x.plot('a')", ""),
        ("x = pd.read_csv('a.csv')\nx['b'] = 1", "x['b'].hist(y)", ""),
        ("fig, x = plt.subplots()", "x.plot(y)", "x"),
        ("fig, x = plt.subplots()", "x.plot()", "x"),
        ("x = pd.DataFrame().plot()", "x.hist()", "x"),
        ("x = sklearn.metrics.ConfusionMatrixDisplay(y)", "x.plot()", "x"),
        ("class Report:\n    pass\nx = Report()", "x.plot()", "x"),
        ("x = pickle.load(y)", "x.plot()", ""),
        ("x = pickle.load(y)", "x.plot('a')", "x"),
        ("if y:\n    x = pd.DataFrame()\nelse:\n    x = plt.gca()", "x.plot('a')", "x"),
        # what a table holds need be none
        ("x = pd.DataFrame()['lists'][0]", "x.append(1)", "x"),
    ],
)
def test_a_pending_name_is_drawn_or_drawn_into_by_what_its_cell_says(made: str, use: str, changed: str) -> None:
    notebook = Notebook(y=[1])
    imports = "import pandas as pd, matplotlib.pyplot as plt, sklearn.metrics, pickle\n"
    kind = analyse_cell(imports + made, notebook.namespace).kinds.get("x")
    notebook.namespace["x"] = PendingValue("x", "1", str, object, kind=kind)

    assert " ".join(sorted(notebook.names(use)["m"] - {"y"})) == changed
