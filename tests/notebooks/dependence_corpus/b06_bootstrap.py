import numpy as np
import pandas as pd
from numpy.random import seed, randint

# %%
rng = np.random.RandomState(3)
# %%
sample = rng.exponential(2.0, size=60)


# %%
def bootstrap(data, func, n=50, rng=rng):
    return np.array([func(rng.choice(data, len(data))) for _ in range(n)])


# %%
means = bootstrap(sample, np.mean)
# %%
medians = bootstrap(sample, np.median)
# %%
lo, hi = np.percentile(means, [2.5, 97.5])
print(lo, hi)
# %%
seed(10)
# %%
draws = randint(0, 6, 100)
# %%
counts = pd.Series(draws).value_counts().sort_index()
counts
# %%
more = np.random.choice(draws, 5)
# %%
freq = counts / counts.sum()
# %%
np.random.shuffle(draws)
# %%
draws[:5]
# %%
perm = np.random.permutation(5)
# %%
medians.std()
# %%
state = np.random.get_state()
# %%
again = np.random.rand()
np.random.set_state(state)
# %%
np.random.rand() == again
