"""Notebooks as people write them, each with something that a script could get wrong."""

from __future__ import annotations

from typing import Any, Final

Cells = list[tuple[str, str]]


def notebook_of(cells: Cells) -> dict[str, Any]:
    """Return a notebook of cells, given as (kind, source); a kind is ``md``, ``code``, or a tag of a code cell."""
    made: list[dict[str, Any]] = []
    for number, (kind, source) in enumerate(cells):
        cell: dict[str, Any] = {"id": f"c{number}", "metadata": {}, "source": source}
        if kind == "md":
            made.append({**cell, "cell_type": "markdown"})
        else:
            cell["metadata"] = {} if kind == "code" else {"tags": [kind]}
            made.append({**cell, "cell_type": "code", "outputs": [], "execution_count": None})
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": made, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def code_of(notebook: dict[str, Any]) -> list[str]:
    """Return the sources of its code cells."""
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _cells(text: str) -> Cells:
    """Read cells that are parted by lines ``--- kind``."""
    cells: Cells = []
    for block in text.strip("\n").split("--- ")[1:]:
        kind, _, source = block.partition("\n")
        cells.append((kind.strip(), source.strip("\n")))
    return cells


_TEXTS: Final = {
    "pandas": '''
--- md
# Sales of the shops

How much each shop *sells*.
--- code
%matplotlib inline
import pandas as pd
import numpy as np
--- parameters
threshold: float = 2.5  # What counts as much
regions = ["EU", "US"]  # Which regions
--- md
## Load the data
We make it up.
--- code
df = pd.DataFrame({"region": ["EU", "US", "EU", "Asia"], "sold": [1.0, 2.0, 3.0, 4.0]})
df = df[df["region"].isin(regions)]
df.head()
--- md
## Add what is derived
--- code
df["much"] = df["sold"] > threshold
df.loc[df["much"], "label"] = "much"
--- code
df.describe()
--- md
## Summarise
--- code
summary = (
    df.groupby("region")["sold"]
    .sum()
    .to_dict()
)
print(summary)
text = """two
  lines"""
print(text)
--- code
best = max(summary, key=summary.get)
best
--- md
The end.
''',
    "functions_using_globals": """
--- parameters
scale = 2
--- code
offset = 10
rows = [1, 2, 3]
--- code
def scaled(x):
    return x * scale + offset

def total():
    return sum(scaled(row) for row in rows)
--- code
total()
--- code
offset = 20
rows = rows + [4]
--- code
print(total(), scaled(1))
--- code
counter = 0

def bump():
    global counter
    counter += 1
    return counter
--- code
for _ in range(3):
    bump()
print("counter", counter)
counter
--- code
counter = 100
bump()
""",
    "mutation": """
--- md
# Mutation
--- code
import copy
log = []
config = {"a": 1}
alias = config
--- md
## First
--- code
def note(text):
    log.append(text)

note("start")
config["b"] = 2
numbers = [3, 1, 2]
--- md
## Second
--- code
numbers.sort()
numbers += [9]
note(f"sorted {numbers}")
del config["a"]
--- code
print(alias, alias is config)
alias["c"] = 3
config
--- code
log
--- code
import random
random.seed(3)
first = [random.random() for _ in range(2)]
--- code
second = random.random()
print(first, second)
""",
    "classes": """
--- code
from __future__ import annotations
from dataclasses import dataclass, field
from enum import Enum
import pickle
--- md
## Shapes
--- code
UNIT = "cm"

@dataclass
class Square:
    side: float
    tags: list[str] = field(default_factory=list)

    @property
    def area(self):
        return self.side ** 2

    def shown(self):
        return f"{self.area:.1f} {UNIT}2, {mood}"

class Colour(Enum):
    RED = 1
--- code
mood = "fine"
squares = [Square(side) for side in (1, 2)]
squares
--- code
squares[0].tags.append("small")
squares[0].shown()
--- code
mood = "better"
print([square.shown() for square in pickle.loads(pickle.dumps(squares))], Colour.RED)
--- code
class Cube(Square):
    @property
    def area(self):
        return 6 * super().area
--- code
cube = Cube(2)
cube.area
""",
    "loops_and_conditions": """
--- code
results = {}
for i in range(3):
    results[i] = i ** 2
i
--- code
if len(results) > 2:
    verdict = "many"
--- code
try:
    import surely_not_there as fast
except ImportError:
    fast = None
--- code
if fast is None:
    def power(x):
        return x * x
else:
    def power(x):
        return fast.power(x)
--- code
print(verdict, power(5), results)
--- code
while results:
    key, value = results.popitem()
    if value < 2:
        break
else:
    print("all gone")
key, value
--- code
squares = [lambda: i * j for j in (1, 2)]
i = 7
[f() for f in squares]
--- code
print(sum([1, 2, 3]))
sum = 5
--- code
sum + 1
--- code
del sum
print(sum([4, 5]))
""",
    "magics": """
--- code
%load_ext autoreload
%autoreload 2
import os
--- code
%env SHOP=Rome
folder = "data"
!mkdir -p {folder} && echo made $folder
!echo in $SHOP
--- code
%%writefile data/shop_helper.py
NAME = "shop\\n"
def hello(who):
    return f"hello {who}"
--- code
files = !ls data
files
--- code
%cd data
--- code
import sys
sys.path.insert(0, os.getcwd())
import shop_helper
shop_helper.hello("you")
--- code
%%bash
echo "from bash: $SHOP" \\
  and more
--- code
%%capture captured
print("hidden")
--- code
captured.stdout
--- code
if True:
    %matplotlib inline
    done = 1
done
""",
    "top_level_await": """
--- parameters
pages = 3
--- code
import asyncio

async def fetch(number):
    await asyncio.sleep(0)
    return f"page {number}"
--- md
## Fetch
--- code
texts = await asyncio.gather(*(fetch(number) for number in range(pages)))
print(texts)
--- md
## Count
--- code
lengths = [len(text) for text in texts]
async with asyncio.Lock():
    lengths.append(0)
lengths
""",
    "star_imports": """
--- code
from math import *
from os.path import *
--- code
radius = 2
area = pi * radius ** 2
round(area, 3)
--- code
print(round(e, 3))
e = 7
print(e, basename("a/b"))
--- code
pi = 3
--- code
pi * radius
""",
    "late_star_import": """
--- code
pi = 3
tau = 6
print(pi)
--- code
from math import *
--- code
print(pi, tau)
--- code
radius = 2
sqrt(radius * 2) + tau
""",
    "names_by_text": """
--- parameters
n = 2
--- code
for name in ["a", "b"]:
    exec(f"{name} = {n}")
    globals()[name + "_too"] = n * 10
--- code
print(a + b, a_too)
n = 5
--- code
def look(name):
    return globals()[name]
look("n"), eval("a + n"), "look" in globals(), "a" in dir()
""",
    "task_cells": """
--- code
%load_ext orchestra_nb
--- code
values = [1, 2]
kept = values
--- code
%%task "grow it" --retries 2 --retry-delay 1s --tag kind=small
#: --timeout 1m

values.append(3)
size = len(values)
scratch = 5
--- code
%%task total --out total
total = sum(values)
size = -1
total
--- code
print(values, kept, size, total)
--- code
%flow
""",
    "goes_on_after_errors": """
--- code
x = 1
--- raises-exception
x = 2
1 / 0
x = 3
--- code
x
""",
    "texts": '''
--- md
A "quoted" text with \\\\backslash and """ marks

# Not a heading of its own
--- code
# Make a text of several lines
def shown():
    """Doc with
    two lines."""
    return f"""<
  {1 + 1}
>"""
long = """first
    second
third"""
if True:
    inner = """
keep
  this"""
print(long, inner, shown())
--- code
"a string"
--- code
None
--- code
[1,
 2]
--- code
(
    long
    .upper()
)
--- code
x = 5; y = 6
x, y
--- code
x;
--- code
print(
    # a comment
    x,
)
# the end
''',
    "redefined": """
--- code
def f(x):
    return x + 1
a = f(1)
--- code
def f(x):
    return x * 100
b = f(1)
--- code
print(a, b, f(2))
--- code
list = [1, 2, 3]
--- code
list[0], len(list)
--- code
task = "a task"
flow = "a flow"
show = 3
print(task, flow, show)
--- code
def outer():
    return inner()
--- code
def inner():
    return late
--- code
late = "late"
outer()
""",
    "parameters_that_change": """
--- parameters
n = 3  # How many
names: list = []
label = f"n={n}"
--- code
def shown():
    return f"{n} {names} {label}"
--- code
print(shown())
--- code
n = n + 1
names.append(n)
shown()
--- code
label = label.upper()
print(label, shown())
""",
    "awaits_and_globals": """
--- parameters
n = 3
--- code
import asyncio
async def wait():
    global seen
    await asyncio.sleep(0)
    seen = n * 2
    return seen
--- code
await wait()
--- code
n = 4
found = [await wait() for _ in range(2)]
print(found, seen)
""",
    "errors_and_scopes": """
--- code
try:
    1 / 0
except ZeroDivisionError as error:
    print("caught", error)
error = "none"
--- code
values = {"a": [1, 2]}
for key, items in values.items():
    for item in items:
        pass
with open("made.txt", "w") as file:
    file.write("text")
print(key, item, file.closed)
--- code
(x := 5)
[y := 6, x]
--- code
a = b = []
a.append(1)
c, *d = b, 2, 3
print(b, c, d)
--- code
total: int = 0
for part in (1, 2):
    total += part
def get():
    return total
get()
--- code
total: int = 10
get()
--- code
assert total == 10, "wrong"
class Outer:
    kept = [v * 2 for v in (1, 2)]
    def again(self):
        return [get() for _ in self.kept]
Outer().again(), Outer.kept
--- code
from functools import lru_cache, partial

@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

twice = partial(pow, 2)
fib(20), twice(3)
--- code
def fresh(x, seen=[]):
    seen.append(x)
    return seen
fresh(1)
fresh(2)
--- code
matrix = [[i * j for j in range(2)] for i in range(2)]
flat = sorted((v for row in matrix for v in row), key=lambda v: -v)
flat
--- code
numbers = (v for v in range(5))
next(numbers)
--- code
list(numbers)
--- code
1 + 1
--- code
_ * 2
--- code
Out[13] + 1
""",
}

#: Name to notebook.
VARIED: Final[dict[str, dict[str, Any]]] = {name: notebook_of(_cells(text)) for name, text in _TEXTS.items()}
