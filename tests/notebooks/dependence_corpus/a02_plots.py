import pandas as pd
import matplotlib.pyplot as plt
import seaborn as sns
# %%
%matplotlib inline
# %%
sns.set_theme(style="whitegrid")
# %%
df = pd.read_csv("people.csv")
# %%
plt.hist(df["age"], bins=20)
plt.title("Age")
plt.show()
# %%
fig, ax = plt.subplots(figsize=(6, 4))
sns.scatterplot(data=df, x="age", y="income", hue="city", ax=ax)
# %%
ax.set_title("Income by age")
fig
# %%
df.plot.scatter(x="age", y="income")
# %%
sns.boxplot(data=df, x="city", y="income")
plt.xticks(rotation=45)
plt.tight_layout()
# %%
corr = df[["age", "income"]].corr()
sns.heatmap(corr, annot=True)
# %%
df.groupby("city")["income"].mean().plot(kind="bar")
# %%
fig.savefig("figure.png")
# %%
axes = df[["age", "income"]].hist()
