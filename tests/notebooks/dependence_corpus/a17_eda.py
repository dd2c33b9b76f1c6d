import pandas as pd
import matplotlib.pyplot as plt
import seaborn as sns

pd.set_option("display.max_columns", 50)
# %%
people = pd.read_csv("people.csv")
sales = pd.read_csv("sales.csv")
# %%
people.describe(include="all")
# %%
sales["product"].value_counts(normalize=True)
# %%
numeric = people.select_dtypes("number")
# %%
for col in numeric:
    plt.figure()
    sns.histplot(numeric[col])
    plt.title(col)
# %%
people["band"] = pd.cut(people["age"], [0, 30, 50, 100], labels=["young", "mid", "old"])
# %%
table = pd.crosstab(people["band"], people["city"])
table
# %%
merged = sales.merge(people, left_index=True, right_index=True, how="inner")
# %%
merged.assign(total=lambda d: d.units * d.price).groupby("city").total.sum()


# %%
def plot_box(column):
    fig, ax = plt.subplots()
    sns.boxplot(data=merged, x="region", y=column, ax=ax)
    return ax


# %%
plot_box("income")
# %%
plot_box("age")
# %%
outliers = merged.query("income > income.mean()")
# %%
limit = 40
old = people.query("age > @limit")
# %%
len(outliers), len(old)
# %%
sns.pairplot(numeric)
