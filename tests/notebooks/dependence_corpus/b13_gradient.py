import numpy as np

# %%
rng = np.random.default_rng(1)
X = rng.normal(size=(50, 3))
true_w = np.array([1.0, -2.0, 0.5])
y = X @ true_w + rng.normal(scale=0.1, size=50)
# %%
w = np.zeros(3)
losses = []
lr = 0.1


# %%
def loss(w):
    return ((X @ w - y) ** 2).mean()


# %%
def step():
    global w
    grad = 2 * X.T @ (X @ w - y) / len(y)
    w = w - lr * grad
    losses.append(loss(w))


# %%
for _ in range(10):
    step()
# %%
losses[-1]
# %%
lr = 0.01
# %%
for _ in range(5):
    step()
# %%
print(w)
# %%
len(losses)


# %%
class Model:
    def __init__(self, dim):
        self.w = np.zeros(dim)

    def fit(self, X, y, epochs=20):
        for _ in range(epochs):
            self.w -= 0.1 * 2 * X.T @ (X @ self.w - y) / len(y)
        return self

    def predict(self, X):
        return X @ self.w


# %%
model = Model(3)
# %%
model.fit(X, y)
# %%
np.abs(model.predict(X) - y).mean()
# %%
snapshots = [model.w.copy()]
# %%
model.fit(X, y, epochs=5)
snapshots.append(model.w)
# %%
np.allclose(snapshots[0], snapshots[1])
# %%
model.w[0] = 0
# %%
snapshots[-1]
