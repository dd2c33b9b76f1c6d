"""The engine ``orchestra`` of papermill: ``papermill in.ipynb out.ipynb --engine orchestra``.

papermill loads every registered engine when it is imported, so this module imports nothing: what an engine does is
loaded when it is asked for.
"""

from __future__ import annotations

from typing import Any


class OrchestraEngine:
    """What papermill asks of an engine, which is three class methods."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Run the cells of a notebook and return it with what they showed.

        Raises
        ------
        Exception
            What papermill's own engine raises, for a dead kernel for example. A cell that failed is no exception here:
            papermill finds it in the notebook.
        """
        from orchestra_nb.operations.papermill_run import run_for_papermill

        return run_for_papermill(nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> Any:
        """Return the kernel that is chosen, or the one that the notebook names."""
        from papermill.utils import nb_kernel_name

        return nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> Any:
        """Return the language that is chosen, or the one that the notebook names."""
        from papermill.utils import nb_language

        return nb_language(nb, language)
