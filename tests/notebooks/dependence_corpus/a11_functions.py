import numpy as np
import pandas as pd

# %%
RATE = 0.2
cache = {}
calls = 0


# %%
def tax(amount):
    return amount * RATE


# %%
def remember(key, value):
    global calls
    calls += 1
    cache[key] = value
    return value


# %%
def process(frame):
    frame = frame.copy()
    frame["tax"] = frame["price"].apply(tax)
    remember(len(cache), frame["tax"].sum())
    return frame


# %%
df = pd.read_csv("sales.csv")
# %%
out = process(df)
# %%
cache
# %%
RATE = 0.3
# %%
out2 = process(df)
# %%
calls


# %%
def make_counter():
    n = 0

    def inc():
        nonlocal n
        n += 1
        return n

    return inc


# %%
c = make_counter()
# %%
c()
# %%
v = c()
# %%
print(v, tax(100))


# %%
def add_column(frame, name):
    frame[name] = 1


# %%
add_column(df, "flag")
# %%
df.columns
