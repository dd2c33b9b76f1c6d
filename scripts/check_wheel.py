"""Check that a wheel can be released: the front end is in it, built for production, and one version is everywhere.

``python scripts/check_wheel.py dist/orchestra_nb-*.whl``; exits 1 and says what is wrong.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from zipfile import ZipFile

EXTENSION = "share/jupyter/labextensions/orchestra-nb"
SERVER_CONFIG = "etc/jupyter/jupyter_server_config.d/orchestra_nb.json"


def problems(wheel: Path) -> list[str]:
    """Return what is wrong with the wheel, one sentence each; empty when it is fit for release."""
    found: list[str] = []
    version = wheel.name.split("-")[1]
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        data = f"{wheel.name.split('-')[0]}-{version}.data/data"
        npm_package = f"{data}/{EXTENSION}/package.json"
        required = [
            "orchestra_nb/static/widget.js",
            "orchestra_nb/static/pages.js",
            "orchestra_nb/static/pages.css",
            "orchestra_nb/locale/de_DE/LC_MESSAGES/orchestra_nb.json",
            f"{data}/{EXTENSION}/install.json",
            npm_package,
            f"{data}/{SERVER_CONFIG}",
        ]
        found += [f"{name} is missing." for name in required if name not in names]
        found += [f"{name} is a source map: build from clean assets." for name in names if name.endswith(".map")]
        found += [
            f"{name} does not belong into a wheel." for name in names if name.startswith(("tests/", "labextension/"))
        ]
        if not any(name.startswith(f"{data}/{EXTENSION}/static/remoteEntry.") for name in names):
            found.append("The extension's entry point (static/remoteEntry.*.js) is missing.")
        if npm_package in names:
            npm = json.loads(archive.read(npm_package))["version"]
            if npm != version:
                found.append(f"The Python package is {version} and the npm package {npm}.")
    return found


if __name__ == "__main__":
    wrong = [f"{path}: {problem}" for path in sys.argv[1:] for problem in problems(Path(path))]
    print("\n".join(wrong) or f"{' '.join(sys.argv[1:])}: fit for release")
    sys.exit(bool(wrong))
