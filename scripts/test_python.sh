#!/usr/bin/env bash
# Run the Python tests: those that the arguments name, or all.
set -euo pipefail

if [ $# -gt 0 ]; then
  exec pytest "$@"
fi
exec python "$(dirname "$0")/side_by_side.py" python
