import pandas as pd
import os
# %%
data_dir = "data"
os.makedirs(data_dir, exist_ok=True)
# %%
pd.DataFrame({"a": [1, 2]}).to_csv(os.path.join(data_dir, "a.csv"), index=False)
# %%
!ls {data_dir}
# %%
listing = !cat data/a.csv
# %%
first = listing[0]
# %%
a = pd.read_csv(f"{data_dir}/a.csv")
# %%
a["b"] = a["a"] * 2
a.to_pickle("data/a.pkl")
# %%
back = pd.read_pickle("data/a.pkl")
# %%
%%bash
echo "x,y" > data/b.csv
echo "1,2" >> data/b.csv
# %%
b = pd.read_csv("data/b.csv")
# %%
joined = a.merge(b, left_on="a", right_on="x")
# %%
import json
json.dump(joined.to_dict("records"), open("result.json", "w"))
# %%
json.loads(open("result.json").read())
# %%
os.remove("result.json")
# %%
os.path.exists("result.json")
# %%
!echo $first
