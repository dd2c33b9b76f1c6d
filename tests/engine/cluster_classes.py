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


class Telling:
    """A class whose errors tell all that it was given."""

    def __init__(self, pin: str = "", options: object = None, port: int = 0, tries: int = 0) -> None:
        try:
            int(pin)
        except ValueError as error:
            said = f"{options} {port} {pin!r} after {tries}"
            raise subprocess.CalledProcessError(1, ["sbatch", "--token=hunter2", said]) from error


class NeedsFile:
    """A class that reads a file that is not there."""

    def __init__(self) -> None:
        with open("config-of-nobody", encoding="utf-8"):
            pass


class NeedsFolder:
    """A class that starts a program that is there, in a folder that is not."""

    def __init__(self, program: str = "true") -> None:
        subprocess.run([program], cwd=program if program != "true" else "folder-of-nobody", check=True)


class Leading:
    """A class that says that what it caught first does not matter."""

    def __init__(self) -> None:
        try:
            subprocess.run(["sinfo-of-nobody"], check=True)
        except FileNotFoundError:
            raise ValueError("no partition is set") from None


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
            subprocess.run(["scancel-of-nobody"], check=True)

    return Unscalable(n_workers=0, processes=False, dashboard_address=None)
