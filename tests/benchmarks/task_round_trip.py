"""One task cell there and back: `%%task --wait` and the value in hand, beside `client.submit(f).result()`.

Both are timed inside the same kernel, against the same local cluster, and take turns. Ours includes what a user sees:
the line under the cell, painted and updated.
"""

from __future__ import annotations

import json

from tests.benchmarks.kernel import Kernel
from tests.benchmarks.measurement import Measurement, summarise

#: The first task cell starts the cluster; raw Dask then connects to it.
_PREPARE = """
import json, time
get_ipython().run_line_magic("load_ext", "orchestra_nb")
get_ipython().run_cell("%%task first --wait\\nanswer = 0").raise_error()
from distributed import Client, Security
from orchestra_nb.engine.local_cluster import local_cluster_status
cluster = local_cluster_status()
identity = dict(tls_ca_file=cluster.certificate, tls_client_cert=cluster.certificate, tls_client_key=cluster.key)
client = Client(cluster.address, security=Security(require_encryption=True, **identity))
def ours():
    before = time.perf_counter()
    get_ipython().run_cell("%%task answer --wait\\nanswer = 1 + 1").raise_error()
    get_ipython().run_cell("assert answer == 2").raise_error()
    return (time.perf_counter() - before) * 1000
def raw():
    before = time.perf_counter()
    assert client.submit(lambda: 1 + 1, pure=False).result() == 2
    return (time.perf_counter() - before) * 1000
"""

_MEASURE = """
for _ in range(3):
    ours(), raw()
pairs = [(ours(), raw()) for _ in range({repeats})]
client.close()
print("PAIRS", json.dumps(pairs))
"""


def measure(environ: dict[str, str], repeats: int) -> list[Measurement]:
    """Return one row."""
    with Kernel(environ) as kernel:
        kernel.run(_PREPARE)
        printed = kernel.run(_MEASURE.format(repeats=repeats * 4))
    pairs = json.loads(next(line for line in printed.splitlines() if line.startswith("PAIRS")).removeprefix("PAIRS"))
    ours, raw = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return [summarise("a task cell's round trip", "raw Dask: submit(f).result()", ours, raw)]
