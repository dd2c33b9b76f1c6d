from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.metrics import accuracy_score, confusion_matrix

# %%
data = load_iris(as_frame=True)
X, y = data.data, data.target
# %%
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
# %%
scaler = StandardScaler()
X_train_s = scaler.fit_transform(X_train)
# %%
X_test_s = scaler.transform(X_test)
# %%
model = LogisticRegression(max_iter=200)
# %%
model.fit(X_train_s, y_train)
# %%
pred = model.predict(X_test_s)
print(accuracy_score(y_test, pred))
# %%
confusion_matrix(y_test, pred)
# %%
model.coef_
# %%
results = {}
for c in [0.1, 1, 10]:
    m = LogisticRegression(C=c, max_iter=500).fit(X_train_s, y_train)
    results[c] = m.score(X_test_s, y_test)
# %%
best = max(results, key=results.get)
best
# %%
X_train["area"] = X_train.iloc[:, 0] * X_train.iloc[:, 1]
# %%
X_test.describe()
# %%
X_train.describe()
