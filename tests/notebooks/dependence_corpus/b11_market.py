import pandas as pd
import numpy as np
import matplotlib.pyplot as plt


# %%
def load(path, **kw):
    data = pd.read_csv(path, parse_dates=["date"], **kw)
    return data.set_index("date").sort_index()


# %%
sales = load("sales.csv")


# %%
def add_features(d):
    d = d.assign(rev=d["units"] * d["price"])
    d["month"] = d.index.month
    return d


# %%
feat = add_features(sales)
# %%
feat.head()
# %%
agg = feat.groupby(["region", "month"]).agg(rev=("rev", "sum"), n=("rev", "size")).reset_index()
# %%
wide = agg.pivot(index="month", columns="region", values="rev")
# %%
wide.plot(figsize=(7, 3))
# %%
wide.cumsum().plot.area()
# %%
growth = wide.pct_change()
growth.replace([np.inf, -np.inf], np.nan, inplace=True)
# %%
growth.style.format("{:.1%}")
# %%
best = wide.mean().idxmax()
best
# %%
for region in wide.columns:
    print(region, wide[region].max())
# %%
regions = {r: g for r, g in feat.groupby("region")}
# %%
regions["north"]["units"].mean()
# %%
regions["north"]["flag"] = True
# %%
"flag" in feat.columns


# %%
def report(name):
    d = regions[name]
    return d["rev"].sum()


# %%
report("south")
# %%
wide["total"] = wide.sum(axis=1)
# %%
ax = wide["total"].plot()
ax.axhline(wide["total"].mean())
# %%
sales.isna().sum().to_frame("missing")
