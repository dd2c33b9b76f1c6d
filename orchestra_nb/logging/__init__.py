"""Loggers of runs: Prefect's module name."""

from orchestra_nb.engine.run_logging import disable_run_logger, get_logger, get_run_logger

__all__ = ["disable_run_logger", "get_logger", "get_run_logger"]
