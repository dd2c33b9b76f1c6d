#!/usr/bin/env bash
# Run notebooks/quickstart.ipynb as a flow, on a local Dask cluster of its own that is stopped at the end. The run is
# recorded in the default store, so JupyterLab's side bar shows it afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

ORCHESTRA_RUNTIME_DIR=$(mktemp -d /tmp/orchestra-quickstart.XXXXXX)
export ORCHESTRA_RUNTIME_DIR
export ORCHESTRA_CLUSTER=local ORCHESTRA_CLUSTER_IDLE_SECONDS=60
finish() {
  orchestra cluster stop >/dev/null || true
  rm -rf "$ORCHESTRA_RUNTIME_DIR"
}
trap finish EXIT

mkdir -p notebooks/runs
output=notebooks/runs/quickstart.ipynb
status=0
result=$(orchestra run notebooks/quickstart.ipynb "$output" -p test_share 0.3 --json) || status=$?
run_id=$(python -c 'import json, sys; print(json.loads(sys.argv[1]).get("run_id", ""))' "$result")
[ -z "$run_id" ] || orchestra runs show "$run_id"

if [ "$status" -ne 0 ]; then
  echo "The quickstart did not complete (exit $status)." >&2
  exit "$status"
fi
echo
echo "The executed notebook: $output"
echo "To see it all in JupyterLab, with the run in the side bar: make lab"
