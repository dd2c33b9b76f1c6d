import itertools
from collections import deque, namedtuple, OrderedDict

# %%
Point = namedtuple("Point", "x y")
# %%
pts = [Point(i, i**2) for i in range(5)]
# %%
xs = [p.x for p in pts]
# %%
counter = itertools.count()
# %%
ids = [next(counter) for _ in xs]
# %%
more = next(counter)
# %%
cyc = itertools.cycle("ab")
labels = [next(cyc) for _ in range(3)]
# %%
window = deque(maxlen=3)
# %%
for p in pts:
    window.append(p)
# %%
window.popleft()
# %%
list(window)
# %%
a, b = itertools.tee(iter(xs))
# %%
list(a)
# %%
list(b)
# %%
order = OrderedDict(one=1, two=2)
# %%
order.move_to_end("one")
# %%
list(order)
# %%
groups = {k: list(g) for k, g in itertools.groupby(sorted(xs, key=lambda v: v % 2), key=lambda v: v % 2)}
# %%
groups[0]


# %%
def take(n, it):
    return list(itertools.islice(it, n))


# %%
take(2, counter)
# %%
take(1, counter), more
