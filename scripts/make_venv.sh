#!/usr/bin/env bash
# Make the virtual environment $1 with the first Python >= 3.11 that is found. Debian splits venv off into a package of
# its own: as root it is installed, else its name and the command are said.
set -euo pipefail

target=$1
python=""
for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
  if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "Orchestra NB needs Python 3.11 or newer, and none was found. Install it, or name it: make PYTHON=/path/to/python3" >&2
  exit 1
fi

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  package="$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "$python cannot make virtual environments: the package $package is missing. Run: sudo apt-get install $package" >&2
    exit 1
  fi
  echo "Installing $package"
  "$(dirname "$0")/quietly.sh" apt-get update
  DEBIAN_FRONTEND=noninteractive "$(dirname "$0")/quietly.sh" apt-get install -y --no-install-recommends "$package"
fi

echo "Making .venv with $("$python" --version)"
"$python" -m venv --clear "$target"
