stock = {"apples": {"qty": 5, "price": 1.2}, "pears": {"qty": 2, "price": 2.0}}


# %%
def restock(store, item, qty):
    store.setdefault(item, {"qty": 0, "price": 0})["qty"] += qty


# %%
restock(stock, "apples", 10)
# %%
apples = stock["apples"]
# %%
apples["price"] *= 1.1
# %%
value = sum(v["qty"] * v["price"] for v in stock.values())
# %%
names = sorted(stock)
# %%
for name, entry in stock.items():
    entry["total"] = entry["qty"] * entry["price"]
# %%
stock["pears"]["total"]
# %%
snapshot = {k: dict(v) for k, v in stock.items()}
# %%
restock(stock, "plums", 4)
# %%
"plums" in snapshot, len(stock)
# %%
queue = list(names)
# %%
while queue:
    current = queue.pop(0)
    print(current)
# %%
print(current, len(queue))
# %%
import copy

backup = copy.deepcopy(stock)
shallow = copy.copy(stock)
# %%
shallow["apples"]["qty"] = 0
# %%
stock["apples"]["qty"]
# %%
backup["apples"]["qty"]
