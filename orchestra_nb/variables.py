"""Variables and secrets: ``from orchestra_nb.variables import Variable``.

Names only, and who answers outside of runs.
"""

from __future__ import annotations

from orchestra_nb.engine.variable_access import Variable, aget_secret, aset_secret, get_secret, set_secret
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.operations.run_services import answer_from_configured_store

answer_from_configured_store()

__all__ = ["Secret", "Variable", "aget_secret", "aset_secret", "get_secret", "set_secret"]
