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

for sender in celery52 celery54 kombu generator; do
  "$python" -m venv --without-pip "$folder/senders/$sender"
  "$folder/bin/python" -m pip --disable-pip-version-check --quiet \
    --python "$folder/senders/$sender/bin/python" install \
    --require-hashes -r "requirements/sender-$sender.txt" ||
    echo "$sender is not installed; its tests are skipped."
done

if command -v npm >/dev/null; then
  mkdir -p "$folder/node"
  cp tests/compat/node/package.json tests/compat/node/package-lock.json "$folder/node"
  (cd "$folder/node" && npm ci --silent --no-audit --no-fund) ||
    echo "The clients in JavaScript are not installed; their tests are skipped."
fi
