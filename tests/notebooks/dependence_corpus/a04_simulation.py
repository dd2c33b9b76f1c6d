import numpy as np
import random

# %%
np.random.seed(42)
# %%
n = 1000
steps = np.random.normal(size=n)
# %%
walk = np.cumsum(steps)
# %%
walk[-1]


# %%
def simulate(k):
    total = 0.0
    for _ in range(k):
        total += np.random.uniform()
    return total


# %%
a = simulate(10)
# %%
b = simulate(20)
# %%
random.seed(1)
# %%
names = ["a", "b", "c", "d"]
random.shuffle(names)
# %%
pick = random.choice(names)
# %%
rng = np.random.default_rng(0)
# %%
first = rng.integers(0, 10, size=5)
# %%
second = rng.random(3)
# %%
np.mean(first), a + b
# %%
print(pick, walk.shape)
