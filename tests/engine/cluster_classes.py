"""Classes that people name as the class of a cluster, each wrong in its own way."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any


class NoCluster:
    """A class of something else."""


class Submitting:
    """A class that submits jobs by a program that is not there."""

    def __init__(self, password: str = "") -> None:
        subprocess.run(["sbatch-of-nobody", "--version"], check=True)


class Wrapping:
    """A class whose own error hides another."""

    def __init__(self) -> None:
        try:
            raise ValueError("no queue is called 'longest'")
        except ValueError as error:
            raise RuntimeError("Cluster failed to start.") from error


class NeedsPackage:
    """A class that imports what it needs when it is made."""

    def __init__(self) -> None:
        import package_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401


class Leaving:
    """A class that ends the program."""

    def __init__(self) -> None:
        sys.exit("no licence")


class Dying:
    """A class that ends its process."""

    def __init__(self) -> None:
        os._exit(3)


def unscalable(**arguments: object) -> Any:
    """Return a cluster that cannot scale itself."""
    from distributed import LocalCluster

    class Unscalable(LocalCluster):  # type: ignore[misc]  # untyped
        def adapt(self, **_: object) -> Any:
            raise FileNotFoundError(2, "No such file or directory", "scancel-of-nobody")

    return Unscalable(n_workers=0, processes=False, dashboard_address=None)
