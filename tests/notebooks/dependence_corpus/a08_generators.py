def count(n):
    for i in range(n):
        yield i


# %%
g = count(10)
# %%
next(g)
# %%
rest = [v for v in g if v < 5]
# %%
list(g)
# %%
squares = (v * v for v in rest)
# %%
total = sum(squares)
# %%
list(squares)
# %%
it = iter(["a", "b", "c"])
# %%
first = next(it)
# %%
second = next(it)
# %%
pairs = zip([1, 2, 3], "xyz")
# %%
dict(pairs)
# %%
list(pairs)
# %%
lines = map(str.upper, ["q", "r"])
# %%
for line in lines:
    print(line)
# %%
print(first, second, total)
