import json
import os
from pathlib import Path
import pandas as pd

# %%
config = {"threshold": 50, "columns": ["region", "units"]}
# %%
with open("config.json", "w") as f:
    json.dump(config, f)
# %%
loaded = json.load(open("config.json"))
loaded["threshold"]
# %%
OUT = Path("out")
OUT.mkdir(exist_ok=True)
# %%
df = pd.read_csv("sales.csv")
# %%
df[df["units"] > loaded["threshold"]].to_csv(OUT / "big.csv", index=False)
# %%
big = pd.read_csv("out/big.csv")
len(big)
# %%
os.listdir("out")
# %%
log = open("log.txt", "a")
# %%
log.write("started\n")
# %%
log.close()
# %%
Path("log.txt").read_text()
# %%
df.describe()
# %%
for region, part in df.groupby("region"):
    part.to_csv(f"out/{region}.csv")
# %%
north = pd.read_csv("out/north.csv")
