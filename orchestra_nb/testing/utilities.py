"""For tests of code that uses flows: Prefect's module name."""

from orchestra_nb.flows import flow as _flow  # noqa: F401  sets what drives flows
from orchestra_nb.operations.temporary_store import temporary_store
from orchestra_nb.operations.temporary_store import temporary_store as prefect_test_harness

__all__ = ["prefect_test_harness", "temporary_store"]
