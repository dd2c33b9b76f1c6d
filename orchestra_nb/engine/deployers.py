"""What deploys flows of this process: set from above, because the engine does not know the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestra_nb.engine.run_codes import stop_loading
from orchestra_nb.errors import OrchestraError

if TYPE_CHECKING:
    from orchestra_nb.engine.flows import Flow

    #: Deploys (a flow, the options of its ``deploy``).
    Deployer: TypeAlias = Callable[[Flow[Any, Any], Mapping[str, Any]], Any]

_deployer: Deployer | None = None


def set_deployer(deployer: Deployer) -> None:
    """Say what deploys flows; called by the floors above."""
    global _deployer
    _deployer = deployer


def deploy_flow(flow: Flow[Any, Any], options: Mapping[str, Any]) -> Any:
    """Deploy a flow; a script that is read for its flow, by its own run, deploys nothing."""
    stop_loading()
    if _deployer is None:
        raise OrchestraError("Nothing deploys flows here. Import flow from orchestra_nb, not from its parts.")
    return _deployer(flow, options)
