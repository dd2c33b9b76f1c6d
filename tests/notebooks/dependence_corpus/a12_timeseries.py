import numpy as np, pandas as pd
import matplotlib.pyplot as plt

plt.rcParams["figure.figsize"] = (8, 3)
# %%
rng = np.random.default_rng(7)
idx = pd.date_range("2024-01-01", periods=200, freq="D")
ts = pd.Series(rng.normal(size=200).cumsum(), index=idx, name="value")
# %%
ts.plot(title="raw")
# %%
roll = ts.rolling(7).mean()
# %%
plt.plot(ts, alpha=0.4)
plt.plot(roll)
plt.legend(["raw", "rolling"])
plt.show()
# %%
weekly = ts.resample("W").agg(["mean", "std"])
weekly.head()
# %%
frame = ts.to_frame()
frame["diff"] = frame["value"].diff()
frame["lag"] = frame["value"].shift(1)
# %%
frame = frame.dropna()
# %%
split = int(len(frame) * 0.8)
train, test = frame.iloc[:split], frame.iloc[split:]
# %%
coef = np.polyfit(train["lag"], train["value"], 1)
# %%
pred = np.polyval(coef, test["lag"])
mae = np.abs(pred - test["value"]).mean()
print(f"MAE {mae:.3f}")
# %%
fig, (ax1, ax2) = plt.subplots(2, 1)
ax1.plot(test["value"])
ax2.hist(frame["diff"], bins=30)
# %%
ax1.set_ylabel("value")
fig.suptitle("Evaluation")
fig
