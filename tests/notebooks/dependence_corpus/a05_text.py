import re
from collections import Counter, defaultdict

# %%
text = """The quick brown fox jumps over the lazy dog. The dog sleeps; the fox does not."""


# %%
def tokenize(s):
    return re.findall(r"[a-z]+", s.lower())


# %%
tokens = tokenize(text)
# %%
counts = Counter(tokens)
counts.most_common(3)
# %%
stop = {"the", "over"}


# %%
def clean(words):
    return [w for w in words if w not in stop]


# %%
kept = clean(tokens)
len(kept)
# %%
stop.add("not")
# %%
kept2 = clean(tokens)
# %%
index = defaultdict(list)
for i, t in enumerate(tokens):
    index[t].append(i)
# %%
index["fox"]
# %%
counts.update(["fox", "fox"])
# %%
counts["fox"]
# %%
longest = max(kept2, key=len)
print(f"{longest!r} is {len(longest)} long")
# %%
sentences = [s.strip() for s in text.split(".") if s]
sentences
