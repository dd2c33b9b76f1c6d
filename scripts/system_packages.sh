#!/usr/bin/env bash
# Make sure that the tests find Chromium (browser tests) and PostgreSQL's server programs (the store's contract tests).
# As root on Debian they are installed. Otherwise this names what is missing and the command; those tests then skip, and
# with CI=true they fail.
set -euo pipefail

here=$(dirname "$0")
packages=()
command -v chromium >/dev/null || packages+=(chromium)
if ! command -v initdb >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  packages+=(postgresql)
fi
# Playwright's own Node needs it, and a minimal Debian has it not.
compgen -G '/usr/lib/*/libatomic.so.1' >/dev/null || packages+=(libatomic1)
command -v git >/dev/null || packages+=(git)
[ ${#packages[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing from Debian: ${packages[*]}"
  # Run level 1 keeps the package from starting a server of its own: the tests start theirs.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  if "$here/quietly.sh" apt-get update && "$here/quietly.sh" apt-get install -y "${packages[@]}"; then
    exit 0
  fi
fi
echo "Some tests need programs that are not here: ${packages[*]}" >&2
echo "Install them with: sudo apt-get install ${packages[*]}" >&2
echo "Without them those tests are skipped (and fail where CI=true)." >&2
