from math import *
import pandas as pd

# %%
radius = 3
# %%
area = pi * radius**2
# %%
expr = "area / 2"
# %%
half = eval("area / 2")
# %%
exec("volume = 4 / 3 * pi * radius ** 3")
# %%
volume
# %%
df = pd.DataFrame({"a": [1, 2, 3], "b": [4.0, 5.0, 6.0]})
# %%
lim = 1
df.query("a > @lim")
# %%
df.eval("c = a + b", inplace=True)
# %%
df["c"].sum()
# %%
total = globals()["half"] + 1
# %%
globals()["dynamic"] = sqrt(total)
# %%
dynamic
# %%
f"{half:.2f} and {volume:.2f}"
# %%
sin(radius) + floor(total)
