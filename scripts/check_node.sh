#!/usr/bin/env bash
# Say what to do when Node is missing or too old to build the JupyterLab extension. (The wheel needs no Node.)
set -euo pipefail

if ! version=$(node --version 2>/dev/null); then
  echo "Building the JupyterLab extension needs Node 20 or newer, and there is none. Install Node, then run make again." >&2
  exit 1
fi
major=${version#v}
if [ "${major%%.*}" -lt 20 ]; then
  echo "Building the JupyterLab extension needs Node 20 or newer, and this is $version. Install a newer one, then run make again." >&2
  exit 1
fi
