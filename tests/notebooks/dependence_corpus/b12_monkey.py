import pandas as pd
import numpy as np


# %%
def double(self):
    return self * 2


# %%
pd.DataFrame.double = double
# %%
df = pd.DataFrame({"a": [1, 2]})
# %%
df.double()


# %%
class Config:
    pass


# %%
cfg = Config()
cfg.paths = ["a"]
# %%
setattr(cfg, "level", 3)
# %%
cfg.paths.append("b")
# %%
vars(cfg)["extra"] = 1
# %%
cfg.level, cfg.extra, len(cfg.paths)
# %%
from types import SimpleNamespace

ns = SimpleNamespace(a=1, items=[])
# %%
ns.items.append(cfg)
# %%
ns.items[0].level = 4
# %%
cfg.level
# %%
ns.a += 1
# %%
ns.a
# %%
getattr(cfg, "paths").clear()
# %%
cfg.__dict__["level"] = 9
# %%
print(cfg.level, cfg.paths)
