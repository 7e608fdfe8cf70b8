#!/bin/sh
# Makes .venv with the first of the named Pythons that is 3.11 to 3.14 and can make one.
# Usage: sh tools/make-venv.sh python3 python3.14 ...
set -eu

lame=
for name in "$@"; do
    "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null || continue
    # Debian ships Python without the module that puts pip into an environment.
    if ! "$name" -c 'import ensurepip, venv' 2>/dev/null; then
        lame=$name
        continue
    fi
    echo "Making .venv with $("$name" -c 'import sys; print(sys.executable, sys.version.split()[0])')"
    exec "$name" -m venv --clear .venv
done

if [ -n "$lame" ]; then
    echo "$lame cannot make environments (no venv/ensurepip). Debian, Ubuntu: install python3-venv;" \
        "else use a Python from python.org, Homebrew, pyenv or uv: make PYTHON=/path/to/python3" >&2
else
    echo "No Python 3.11 to 3.14 found (tried: $*). Install one, from your system, python.org, Homebrew," \
        "pyenv or uv, or name it: make PYTHON=/path/to/python3" >&2
fi
exit 1
