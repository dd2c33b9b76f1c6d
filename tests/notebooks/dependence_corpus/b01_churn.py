import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split, KFold
from sklearn.metrics import roc_auc_score, classification_report

# %%
SEED = 13
np.random.seed(SEED)
# %%
df = pd.read_csv("people.csv", index_col="id")
df.sample(3)
# %%
df["income_log"] = np.log1p(df["income"])
df["is_old"] = (df["age"] > 50).astype(int)
# %%
dummies = pd.get_dummies(df["city"], prefix="city")
df = pd.concat([df, dummies], axis=1)
# %%
drop = ["name", "city"]
model_df = df.drop(columns=drop)
# %%
y = model_df.pop("churned")
X = model_df
# %%
X_tr, X_te, y_tr, y_te = train_test_split(X, y, stratify=y)
# %%
rf = RandomForestClassifier(n_estimators=10)
rf.fit(X_tr, y_tr)
# %%
proba = rf.predict_proba(X_te)[:, 1]
auc = roc_auc_score(y_te, proba)
auc
# %%
print(classification_report(y_te, rf.predict(X_te)))
# %%
folds = KFold(3, shuffle=True, random_state=0)
oof = np.zeros(len(X))
for tr, va in folds.split(X):
    m = RandomForestClassifier(n_estimators=5, random_state=0).fit(X.iloc[tr], y.iloc[tr])
    oof[va] = m.predict(X.iloc[va])
# %%
(oof == y).mean()
# %%
imp = pd.Series(rf.feature_importances_, index=X.columns).sort_values()
# %%
imp.plot.barh(title=f"AUC {auc:.2f}")
# %%
summary = {"auc": auc, "n": len(X_te)}
summary["features"] = list(X.columns)
# %%
pd.DataFrame([{"auc": summary["auc"], "n": summary["n"]}])
