#!/bin/sh
# Clients that we did not write, in environments of their own, for tests/compat: `make test` runs it.
# usage: compat.sh PYTHON FOLDER
# Without a package index the tests say what they could not prove, and the others run.
set -e
python=$1 folder=$2
mkdir -p "$folder"

"$python" -m venv "$folder"
"$folder/bin/python" -m pip --disable-pip-version-check --quiet install \
  --require-hashes -r requirements/compat.txt

if command -v npm >/dev/null; then
  mkdir -p "$folder/node"
  cp tests/compat/node/package.json tests/compat/node/package-lock.json "$folder/node"
  (cd "$folder/node" && npm ci --silent --no-audit --no-fund) ||
    echo "co-wechat-api is not installed; its tests are skipped."
fi
