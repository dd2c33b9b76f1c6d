"""What `%load_ext orchestra_nb` costs in a fresh kernel, beside the import that raw Dask asks for there."""

from __future__ import annotations

from tests.benchmarks.kernel import Kernel
from tests.benchmarks.measurement import Measurement, alternate, summarise

_TIMED = """
import time as _time
_before = _time.perf_counter()
{statement}
print((_time.perf_counter() - _before) * 1000)
"""


def measure(environ: dict[str, str], repeats: int) -> list[Measurement]:
    """Return one row; each repetition starts a kernel of its own."""

    def in_fresh_kernel(statement: str) -> float:
        with Kernel(environ) as kernel:
            return float(kernel.run(_TIMED.format(statement=statement)))

    ours, peer = alternate(
        lambda: in_fresh_kernel("get_ipython().run_line_magic('load_ext', 'orchestra_nb')"),
        lambda: in_fresh_kernel("from distributed import Client"),
        repeats,
    )
    return [summarise("%load_ext orchestra_nb", "import distributed", ours, peer, bound="at most 150 ms")]
