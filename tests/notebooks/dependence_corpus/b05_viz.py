import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

# %%
mpl.rcParams["axes.titlesize"] = 9
# %%
x = np.linspace(0, 10, 100)


# %%
def show(fn, ax=None):
    ax = ax or plt.gca()
    ax.plot(x, fn(x))
    ax.set_title(fn.__name__)
    return ax


# %%
show(np.sin)
# %%
fig, axes = plt.subplots(2, 2, figsize=(6, 6))
# %%
for ax, fn in zip(axes.flat, [np.sin, np.cos, np.tanh, np.sqrt]):
    show(fn, ax)
# %%
axes[0, 0].legend(["one"])
fig
# %%
plt.figure(figsize=(3, 3))
plt.imshow(np.outer(np.sin(x), np.cos(x)))
plt.colorbar()
# %%
plt.style.use("ggplot")
# %%
plt.bar(["a", "b"], [1, 2])
plt.show()
# %%
with plt.style.context("dark_background"):
    plt.plot(x, x**2)
# %%
plt.pie([1, 2, 3], labels=list("abc"))
# %%
h, edges = np.histogram(np.sin(x), bins=5)
# %%
plt.step(edges[:-1], h)
# %%
x = x * 2
# %%
show(np.cos)
