import numpy as np
import pandas as pd

# %%
base = np.arange(24)
# %%
cube = base.reshape(2, 3, 4)
# %%
cube[0] = 0
# %%
base[:5]
# %%
view = cube.T
# %%
view += 1
# %%
base.sum()
# %%
parts = np.array_split(base, 3)
# %%
parts[1][:] = -1
# %%
cube.min()
# %%
copy = base[base > 0]
copy[:] = 99
# %%
base.max()
# %%
df = pd.DataFrame(cube.reshape(6, 4), columns=list("abcd"))
# %%
df["e"] = df["a"] + df["b"]
# %%
s = df["a"]
# %%
df.loc[0, "a"] = 1000
# %%
s.max()
# %%
t = df.T
# %%
df.rename(columns={"a": "first"}, inplace=True)
# %%
t.shape
# %%
sub = df[["b", "c"]]
# %%
sub.insert(0, "z", 1)
# %%
df.shape, sub.shape
# %%
df.drop(columns="d", inplace=True)
df.sort_values("b", inplace=True)
# %%
df.columns.tolist()
