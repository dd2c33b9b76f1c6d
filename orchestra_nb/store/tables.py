"""All tables of the store, for who looks at the whole of it."""

from __future__ import annotations

from orchestra_nb.store import code_tables, run_tables, service_tables
from orchestra_nb.store.table_basics import metadata

__all__ = ["code_tables", "metadata", "run_tables", "service_tables"]
