#!/usr/bin/env bash
# Binder's build without Docker: the steps of binder/ run in a clean copy of what Git tracks, in an environment of their
# own, and the quickstart runs in what they made. Where repo2docker is installed it also shows that it takes these files.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d /tmp/orchestra-binder.XXXXXX)
finish() {
  ORCHESTRA_RUNTIME_DIR="$work/run" "$work/env/bin/orchestra" cluster stop >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

mkdir "$work/repository" "$work/run"
git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do
  [ ! -e "$file" ] || cp --parents "$file" "$work/repository"
done

if command -v jupyter-repo2docker >/dev/null; then
  echo "repo2docker's build file"
  jupyter-repo2docker --no-build --debug "$work/repository" >"$work/dockerfile" 2>&1
  for file in environment.yml postBuild start; do
    grep -q "binder/$file" "$work/dockerfile" || { echo "repo2docker ignores binder/$file" >&2; exit 1; }
  done
fi

echo "binder/environment.yml, with the Python and Node of this machine"
python3 -m venv "$work/env"
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME
export PATH="$work/env/bin:$PATH" ORCHESTRA_RUNTIME_DIR="$work/run" JUPYTER_DATA_DIR="$work/data"
export JUPYTER_CONFIG_DIR="$work/config" IPYTHONDIR="$work/ipython" PIP_QUIET=1
python -c 'import sys; assert sys.version_info >= (3, 11), sys.version'
node --eval 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'

echo "binder/postBuild"
cd "$work/repository"
binder/postBuild

echo "binder/start and the quickstart"
binder/start orchestra run notebooks/quickstart.ipynb "$work/quickstart.ipynb"
echo
echo "Binder's steps work."
