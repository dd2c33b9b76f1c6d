"""What the analysis of a notebook of 100 cells costs, beside parsing the same cells."""

from __future__ import annotations

from tests.benchmarks.measurement import Measurement, alternate, run_python, summarise

_CELLS = """
pieces = [
    "import pandas as pd, numpy as np\\nimport matplotlib.pyplot as plt\\nfrom sklearn.linear_model import Ridge",
    "df = pd.read_csv('a.csv')\\ndf['x'] = df.a * 2\\ndf = df.dropna()",
    "def clean(d, k=3):\\n    d = d.copy()\\n    for c in ['a', 'b']:\\n        d[c] = d[c].fillna(d[c].mean()) * k\\n    return d",
    "clean_df = clean(df)\\nclean_df.describe()",
    "fig, ax = plt.subplots(1, 2)\\nax[0].plot(df.x)\\nax[1].hist(df.a, bins=20)\\nax[0].set_title('t')\\nplt.show()",
    "results = []\\nfor alpha in [0.1, 1.0, 10.0]:\\n    m = Ridge(alpha=alpha)\\n    m.fit(df[['a', 'b']], df['x'])\\n"
    "    results.append((alpha, m.score(df[['a', 'b']], df['x'])))",
    "best = max(results, key=lambda r: r[1])\\nprint(f'best {best[0]:.2f}')",
    "g = df.groupby('k').agg({'a': 'mean', 'b': ['min', 'max']}).reset_index()\\ng.columns = ['k', 'm', 'lo', 'hi']\\ng.head()",
]
cells = [pieces[i % len(pieces)] + f"\\nn{i} = {i}" for i in range(100)]
import time
"""
_OURS = (
    "from orchestra_nb.notebooks.dataflow import analyse_notebook\n"
    + _CELLS
    + "notebook = {'cells': [{'cell_type': 'code', 'id': str(i), 'source': s} for i, s in enumerate(cells)]}\n"
    "start = time.process_time(); analyse_notebook(notebook); print((time.process_time() - start) * 1000)"
)
_PARSING = (
    "import ast\n" + _CELLS + "start = time.process_time(); [ast.parse(s) for s in cells]\n"
    "print((time.process_time() - start) * 1000)"
)


def measure(environ: dict[str, str], repeats: int) -> list[Measurement]:
    """Return one row: the first analysis in a process (CPU time), nothing of it known before, and ``ast.parse``."""
    ours, parsing = alternate(
        lambda: float(run_python(_OURS, environ)), lambda: float(run_python(_PARSING, environ)), repeats
    )
    bound = "at most 100 ms"
    return [summarise("analyse 100 cells (CPU)", "ast.parse of them", ours, parsing, compare="added", bound=bound)]
