"""Results: Prefect's module name."""

from orchestra_nb.engine.results import ResultStore, default_results_url
from orchestra_nb.model.result_reference import ResultReference

__all__ = ["ResultReference", "ResultStore", "default_results_url"]
