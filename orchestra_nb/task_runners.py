"""Task runners: Prefect's module name."""

from orchestra_nb.engine.task_runners import ConcurrentTaskRunner, DaskTaskRunner, TaskRunner, ThreadPoolTaskRunner

__all__ = ["ConcurrentTaskRunner", "DaskTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]
