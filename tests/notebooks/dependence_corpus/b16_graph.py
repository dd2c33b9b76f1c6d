graph = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}


# %%
def dfs(node, seen=None, out=None):
    seen = set() if seen is None else seen
    out = [] if out is None else out
    if node in seen:
        return out
    seen.add(node)
    for nxt in graph[node]:
        dfs(nxt, seen, out)
    out.append(node)
    return out


# %%
order = dfs("a")
# %%
graph["d"].append("e")
graph["e"] = []
# %%
order2 = dfs("a")
# %%
visited = set()
# %%
dfs("b", visited)
# %%
len(visited)
# %%
degree = {n: len(e) for n, e in graph.items()}
# %%
memo = {}


def paths(node, goal):
    if node == goal:
        return 1
    key = (node, goal)
    if key not in memo:
        memo[key] = sum(paths(n, goal) for n in graph[node])
    return memo[key]


# %%
paths("a", "d")
# %%
memo


# %%
def sort_inplace(items):
    if len(items) > 1:
        items.sort(key=lambda n: degree.get(n, 0))


# %%
sort_inplace(order)
# %%
order, order2
# %%
tree = {"v": 1, "kids": [{"v": 2, "kids": []}]}


def bump(t):
    t["v"] += 1
    for kid in t["kids"]:
        bump(kid)


# %%
bump(tree)
# %%
tree["kids"][0]["v"]
