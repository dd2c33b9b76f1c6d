values = [5, 3, 8, 1]
verbose = True
# %%
if verbose:
    label = "verbose"
else:
    label = "quiet"
# %%
try:
    ratio = values[0] / 0
except ZeroDivisionError as error:
    ratio = None
    message = str(error)
# %%
print(message, ratio)
# %%
i = 0
while i < len(values):
    i += 1
# %%
for v in values:
    pass
print(v)
# %%
v, i
# %%
match values:
    case [first, *others]:
        head = first
# %%
head + len(others)
# %%
total = sum(n for n in values if (half := n / 2) > 1)
# %%
half
# %%
first, *rest = sorted(values)
# %%
rest.sort(reverse=True)
# %%
values += [7]
# %%
rest, values
# %%
del rest
# %%
with open("tmp.txt", "w") as handle:
    handle.write(label)
# %%
assert len(values) == 5, message
