"""Flows: Prefect's module name. Importing it says what drives flows in this process."""

from orchestra_nb.engine.drivers import Driver as _Driver
from orchestra_nb.engine.drivers import set_driver_factory as _set_driver_factory
from orchestra_nb.engine.flows import Flow, flow


def _make_driver() -> _Driver:
    from orchestra_nb.operations.script_driver import ScriptDriver

    return ScriptDriver()


_set_driver_factory(_make_driver)

__all__ = ["Flow", "flow"]
