import numpy as np
import pandas as pd
import random
import os

# %%
history = []


# %%
class Tracker:
    count = 0

    def __init__(self, name, store):
        self.name = name
        self.store = store
        Tracker.count += 1

    def log(self, item):
        self.store.append((self.name, item))


# %%
t1 = Tracker("one", history)
t2 = Tracker("two", history)
# %%
t1.log("start")
# %%
history
# %%
Tracker.count
# %%
t2.log("stop")
# %%
handlers = {"one": t1.log, "len": lambda: len(history)}
# %%
handlers["one"]("again")
# %%
handlers["len"]()


# %%
def apply_all(funcs, value):
    for f in funcs:
        f(value)


# %%
apply_all([t1.log, t2.log], "x")
# %%
len(history)
# %%
os.environ["MODE"] = "fast"
# %%
os.getenv("MODE")
# %%
defaults = lambda item, acc=[]: acc.append(item) or acc
# %%
defaults(1)
# %%
print(defaults(2))
