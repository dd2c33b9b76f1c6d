x = [1, 2, 3]
# %%
y = x
# %%
y.append(4)
# %%
print(x)
# %%
d = {"k": x, "other": []}
# %%
d["k"].append(5)
# %%
sum(x)
# %%
import numpy as np

a = np.arange(10)
# %%
b = a[:5]
# %%
b[0] = 100
# %%
a.sum()
# %%
c = a.copy()
c[1] = -1
# %%
a[1]
# %%
push = x.append
# %%
push(6)
# %%
len(x)
# %%
t = (x, "label")
t[0].clear()
# %%
x, y
