import numpy as np
import matplotlib.pyplot as plt
from sklearn.datasets import make_blobs
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

# %%
X, labels = make_blobs(n_samples=60, centers=3, n_features=4, random_state=0)
# %%
Xs = StandardScaler().fit_transform(X)
# %%
inertias = []
for k in range(1, 5):
    km = KMeans(n_clusters=k, n_init=2, random_state=0)
    km.fit(Xs)
    inertias.append(km.inertia_)
# %%
plt.plot(range(1, 5), inertias, marker="o")
plt.xlabel("k")
# %%
final = KMeans(n_clusters=3, n_init=2, random_state=0)
assigned = final.fit_predict(Xs)
# %%
pca = PCA(n_components=2)
coords = pca.fit_transform(Xs)
# %%
fig, ax = plt.subplots()
ax.scatter(coords[:, 0], coords[:, 1], c=assigned)
ax.set_title("clusters")
# %%
pca.explained_variance_ratio_
# %%
np.bincount(assigned)
# %%
centers = pca.transform(final.cluster_centers_)
# %%
ax.plot(centers[:, 0], centers[:, 1], "kx")
fig
# %%
new = np.array([[0.0, 0.0, 0.0, 0.0]])
final.predict(new)
# %%
final.set_params(n_clusters=4)
# %%
final.get_params()["n_clusters"]
