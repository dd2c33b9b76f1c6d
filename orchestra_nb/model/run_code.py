"""What a run executes and with which parameters, so that it can be run again in another process."""

from __future__ import annotations

from datetime import datetime

import msgspec

from orchestra_nb.model.result_reference import ResultReference


class RunCode(msgspec.Struct, frozen=True, kw_only=True):
    """The code of a run.

    Parameters
    ----------
    entrypoint
        ``"module:flow"`` or ``"/folder/file.py:flow"``; None where the flow itself is in the pickle.
    parameters_json
        Parameter name to value, where JSON gives them back exactly; None where they are in the pickle.
    pickle
        A signed pickle of (flow or None, parameters or None): what the two fields above do not have.
    working_folder, import_folder
        The current folder when the run began, and the first folder where modules were looked for (None: not known).
    missing
        Why it cannot be run again; empty where it can.
    call
        How a task was called: ``"call"``, ``"submit"`` or ``"map"``; its parameters are then ``args`` and ``kwargs``.
        Empty for a flow.
    suspended_until
        Until when a suspended run may be resumed; None for one that is not suspended.
    """

    run_id: str
    entrypoint: str | None = None
    parameters_json: str | None = None
    pickle: ResultReference | None = None
    working_folder: str = ""
    import_folder: str | None = None
    missing: str = ""
    call: str = ""
    suspended_until: datetime | None = None
