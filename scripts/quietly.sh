#!/usr/bin/env bash
# Run a command and show what it printed only when it fails.
set -euo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if "$@" >"$log" 2>&1 </dev/null; then
  exit 0
else
  status=$?
  cat "$log" >&2
  echo "This failed (exit $status): $*" >&2
  exit "$status"
fi
