"""The Dask clusters of the work pools that this process serves.

Each is made when the first run of its pool needs it, shared by all, and closed when none has for a while.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Final

import msgspec

from orchestra_nb.engine.pool_cluster_host import ClusterAnswer, ClusterOrder
from orchestra_nb.engine.sentinel import describe_exit
from orchestra_nb.errors import ClusterUnavailable
from orchestra_nb.model.work_pools import DaskPlace

#: What a cluster gets to end.
_CLOSE_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


class PoolClusters:
    """Keeps clusters. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clusters: dict[tuple[str, bytes], _SharedCluster] = {}

    @contextlib.contextmanager
    def using(self, pool: str, place: DaskPlace) -> Iterator[str]:
        """Give the address of the cluster of a pool, which lives as long as the block, and its idle time longer.

        Raises
        ------
        ClusterUnavailable
            It cannot be made.
        """
        if "://" in place.cluster:
            yield place.cluster
            return
        # what the pool says otherwise since then is another cluster
        key = (pool, msgspec.json.encode(place))
        with self._lock:
            shared = self._clusters.get(key)
            if shared is None:
                shared = self._clusters[key] = _SharedCluster(pool, place)
        address = shared.take()
        try:
            yield address
        finally:
            shared.give_back()

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            clusters = list(self._clusters.values())
            self._clusters.clear()
        for one in clusters:
            one.close()


class _SharedCluster:
    def __init__(self, pool: str, place: DaskPlace) -> None:
        self._pool = pool
        self._place = place
        self._lock = threading.Lock()
        self._users = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""
        self._timer: threading.Timer | None = None

    def take(self) -> str:
        """Return its address; made now where there is none. Those who ask meanwhile wait for it."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            self._users += 1
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return self._address

    def give_back(self) -> None:
        """Close it later, where nobody uses it by then."""
        with self._lock:
            self._users -= 1
            if not self._users and self._process is not None:
                self._timer = threading.Timer(self._place.idle_seconds, self._close_if_unused)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Close it, used or not."""
        with self._lock:
            self._stop()

    def _close_if_unused(self) -> None:
        with self._lock:
            if not self._users and self._process is not None:
                _log.info("The cluster of pool %s was idle for %g s.", self._pool, self._place.idle_seconds)
                self._stop()

    def _start(self) -> None:
        _log.info("The cluster of pool %s is being made: %s.", self._pool, self._place.cluster)
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestra_nb.engine.pool_cluster_host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        place = self._place
        order = ClusterOrder(
            path=place.cluster, arguments=place.arguments, minimum=place.minimum, maximum=place.maximum
        )
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(msgspec.json.encode(order) + b"\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if line:
            answer = msgspec.json.decode(line, type=ClusterAnswer)
        else:
            code = process.wait()
            end = describe_exit(*((code, None) if code >= 0 else (None, -code)))
            answer = ClusterAnswer(error=f"{place.cluster} ended its own process before it was there ({end}).")
        if answer.error:
            self._stop()
            raise ClusterUnavailable(
                f"The cluster of pool {self._pool} cannot be made: {answer.error} "
                f"`orchestra pools update {self._pool}` changes what the pool says."
            )
        self._address = answer.address

    def _stop(self) -> None:
        process, self._process = self._process, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if process is None:
            return
        try:
            process.communicate(b"close\n", timeout=_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            _log.warning("The cluster of pool %s did not close in %g s, and is killed.", self._pool, _CLOSE_SECONDS)
            process.kill()
            process.communicate()
