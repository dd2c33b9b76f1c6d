import pandas as pd
import numpy as np

# %%
raw = pd.read_csv("sales.csv")
raw.head()
# %%
raw.info()
# %%
raw.isna().sum()
# %%
df = raw.copy()
df["date"] = pd.to_datetime(df["date"])
df = df.dropna(subset=["units"])
# %%
df["revenue"] = df["units"] * df["price"]
# %%
df.columns = [c.strip().lower() for c in df.columns]
# %%
monthly = df.groupby(df["date"].dt.to_period("M"))["revenue"].sum()
monthly
# %%
top = df.sort_values("revenue", ascending=False).head(5)
top
# %%
df.loc[df["units"] > 90, "units"] = 90
# %%
df["units"].max(), raw["units"].max()
# %%
by_region = df.pivot_table(index="region", columns="product", values="revenue", aggfunc="mean")
by_region.fillna(0, inplace=True)
# %%
by_region.index.names = ["area"]
by_region
# %%
raw.shape
