import numpy as np
import pandas as pd
from scipy import stats

pd.options.display.float_format = "{:.2f}".format
# %%
np.random.seed(0)
a = np.random.normal(0, 1, 40)
b = np.random.normal(0.5, 1, 40)
# %%
t, p = stats.ttest_ind(a, b)
p
# %%
df = pd.DataFrame({"a": a, "b": b}).melt(var_name="group")
# %%
df.groupby("group")["value"].describe()
# %%
summary = df.groupby("group").value.agg(["mean", "sem"])
# %%
summary["lo"] = summary["mean"] - 1.96 * summary["sem"]
summary["hi"] = summary["mean"] + 1.96 * summary["sem"]
# %%
summary


# %%
def permute(n):
    pooled = np.concatenate([a, b])
    diffs = np.empty(n)
    for i in range(n):
        np.random.shuffle(pooled)
        diffs[i] = pooled[:40].mean() - pooled[40:].mean()
    return diffs


# %%
null = permute(100)
# %%
observed = a.mean() - b.mean()
# %%
(np.abs(null) >= abs(observed)).mean()
# %%
kde = stats.gaussian_kde(a)
grid = np.linspace(-3, 3, 20)
dens = kde(grid)
# %%
dens.max()
# %%
fit = stats.linregress(a, b)
fit.slope
# %%
z = (a - a.mean()) / a.std()
stats.shapiro(z)
# %%
a.sort()
# %%
a[0], b[0]
