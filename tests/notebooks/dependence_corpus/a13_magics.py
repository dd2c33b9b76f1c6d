import numpy as np
import time
# %%
def slow(x):
    return (x ** 2).sum()
# %%
x = np.arange(1000)
# %%
%time r = slow(x)
# %%
%timeit -n 2 -r 1 slow(x)
# %%
%%time
y = x * 2
z = y.sum()
# %%
z + r
# %%
%%capture captured
print("hello", z)
# %%
captured.stdout
# %%
%%writefile helper.txt
some text
# %%
content = open("helper.txt").read()
# %%
files = !ls
# %%
len(files) > 0
# %%
%env GREETING=hi
# %%
import os
os.environ["GREETING"]
# %%
y[:3]
