import sqlite3
import pandas as pd

# %%
conn = sqlite3.connect(":memory:")
# %%
people = pd.read_csv("people.csv")
# %%
people.to_sql("people", conn, index=False)
# %%
pd.read_sql("select city, avg(income) as income from people group by city", conn)
# %%
cur = conn.cursor()
cur.execute("create table notes (id integer, body text)")
# %%
cur.executemany("insert into notes values (?, ?)", [(1, "a"), (2, "b")])
conn.commit()
# %%
rows = conn.execute("select * from notes").fetchall()
rows
# %%
young = pd.read_sql_query("select * from people where age < 30", conn)
# %%
young["income"].mean()
# %%
people.shape
