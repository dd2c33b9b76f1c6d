3 + 4
# %%
_ * 2
# %%
x = _ + 1
# %%
Out[1]
# %%
values = [1, 2]
# %%
values
# %%
values.append(3)
# %%
Out[6]
# %%
_
# %%
x
