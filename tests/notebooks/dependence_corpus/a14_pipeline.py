import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler, FunctionTransformer
from sklearn.impute import SimpleImputer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score, GridSearchCV, train_test_split

# %%
df = pd.read_csv("people.csv")
target = "churned"
# %%
num_cols = ["age", "income"]
cat_cols = ["city"]
# %%
features = df[num_cols + cat_cols]
labels = df[target]
# %%
numeric = Pipeline([("impute", SimpleImputer()), ("scale", StandardScaler())])
categorical = OneHotEncoder(handle_unknown="ignore")
pre = ColumnTransformer([("num", numeric, num_cols), ("cat", categorical, cat_cols)])
# %%
clf = Pipeline([("pre", pre), ("rf", RandomForestClassifier(n_estimators=5, random_state=0))])
# %%
Xtr, Xte, ytr, yte = train_test_split(features, labels, random_state=1)
# %%
clf.fit(Xtr, ytr)
# %%
clf.score(Xte, yte)
# %%
scores = cross_val_score(clf, features, labels, cv=2)
scores.mean()
# %%
grid = GridSearchCV(clf, {"rf__max_depth": [2, 3]}, cv=2)
grid.fit(Xtr, ytr)
# %%
grid.best_params_
# %%
importances = pd.Series(clf.named_steps["rf"].feature_importances_)
importances.sort_values().plot.barh()
# %%
df["score"] = clf.predict(features)
# %%
df.groupby("city")["score"].mean()
# %%
labels.value_counts()
