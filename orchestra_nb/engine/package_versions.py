"""The versions of installed packages by what they are imported as."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping


class PackageVersions:
    """Looks up versions; what was found once is not looked for again. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._owners: Mapping[str, list[str]] | None = None

    def __call__(self, package: str) -> str:
        """Return the version of a package by its import name; "" for what is no package."""
        if package not in self._known:
            self._known[package] = self._look(package)
        return self._known[package]

    def _look(self, package: str) -> str:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            if self._owners is None:
                self._owners = importlib.metadata.packages_distributions()
            owners = sorted(set(self._owners.get(package, [])))
            return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in owners)
