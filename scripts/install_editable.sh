#!/usr/bin/env bash
# Install Orchestra NB with the extras $1 into .venv, editable. The link to the built extension is taken away meanwhile:
# pip would write install.json through it into the build, and the next installation would find that file twice.
set -euo pipefail
cd "$(dirname "$0")/.."

extension=.venv/share/jupyter/labextensions/orchestra-nb
rm -rf "$extension" orchestra_nb/labextension/install.json
HATCH_JUPYTER_BUILDER_SKIP_NPM=1 .venv/bin/python -m pip --disable-pip-version-check install --quiet --editable ".[$1]"
rm -rf "$extension"
if [ -e orchestra_nb/labextension/package.json ]; then
  ln -s "$PWD/orchestra_nb/labextension" "$extension"
fi
