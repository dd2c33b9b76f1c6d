import numpy as np
import heapq
from bisect import insort

# %%
m = np.zeros((4, 4))
# %%
m[1, :] = 5
# %%
row = m[2]
# %%
row += 1
# %%
m.sum()
# %%
flat = m.ravel()
# %%
mask = m > 2
m[mask] = 0
# %%
np.fill_diagonal(m, 9)
# %%
out = np.empty(4)
np.add(m[0], m[1], out=out)
# %%
out
# %%
np.set_printoptions(precision=2)
# %%
inv = np.linalg.inv(m + np.eye(4))
inv
# %%
heap = [5, 2, 8]
heapq.heapify(heap)
# %%
heapq.heappush(heap, 1)
# %%
heap[0]
# %%
ordered = [1, 4]
insort(ordered, 3)
# %%
ordered
# %%
u, s, vt = np.linalg.svd(m)
# %%
s[0] = 0
# %%
u.shape, vt.shape
