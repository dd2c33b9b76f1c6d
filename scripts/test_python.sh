#!/usr/bin/env bash
# Run the Python tests: those that the arguments name, or all, in two processes side by side. Most of the time tests wait
# for processes to start, to answer and to end; each process has folders, ports and clusters of its own.
set -euo pipefail

if [ $# -gt 0 ]; then
  exec pytest "$@"
fi

engine=(tests/cli tests/contracts tests/engine tests/faults tests/model tests/notebooks tests/operations tests/services tests/store)
others=()
for folder in "${engine[@]}"; do
  others+=("--ignore=$folder")
done
log=$(mktemp)
set -m # else what runs beside would not hear a Ctrl-C, which some tests send
pytest -p no:cacheprovider "${engine[@]}" >"$log" 2>&1 </dev/null &
beside=$!
set +m
trap 'kill "$beside" 2>/dev/null || true; wait "$beside" || true; rm -f "$log"' EXIT

status=0
pytest tests "${others[@]}" || status=$?
wait "$beside" || status=$?
trap 'rm -f "$log"' EXIT
cat "$log"
exit "$status"
