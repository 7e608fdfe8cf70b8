"""``python -m tests.statements [--write]``: count each verb, and hold it against the table."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

from entrypoints.cli.embedded.supervisor import beside_proxies
from tests.kit import warm
from tests.kit.simulator import Simulator
from tests.servers.guards import CONTRACT_NAMES, CONTRACT_PREFIXES
from tests.servers.valkey import Valkey
from tests.statements import table
from tests.statements.counting import Counter
from tests.statements.installation import Installation, Table
from tests.statements.verbs import MANY, STORIES


def main() -> int:
    """Count; write the table or say where it is another one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table anew")
    wanted = parser.parse_args()
    found = _counted()
    if wanted.write:
        table.FILE.write_text(table.text(found), encoding="utf-8")
        return 0
    differences = table.differences(table.read(), found)
    if differences:
        sys.stdout.write("\n".join([*differences, table.ADVICE, ""]))
    return 1 if differences else 0


def _counted() -> Table:
    os.environ.update(beside_proxies(os.environ))
    # One simulator is all that is started: a warm Python would cost more than it saves.
    os.environ[warm.VARIABLE] = "interpreter"
    for name in list(os.environ):
        if name in CONTRACT_NAMES or name.startswith(CONTRACT_PREFIXES):
            del os.environ[name]
    # What the program logs here is nobody's business.
    logging.basicConfig(handlers=[logging.NullHandler()])
    counter, found = Counter(), Table()
    with (
        tempfile.TemporaryDirectory(prefix="statements-") as folder,
        Valkey() as valkey,
        Simulator(followers=MANY) as simulator,
    ):
        for n, story in enumerate(STORIES):
            place = Path(folder) / str(n)
            place.mkdir()
            valkey.flushall()
            story(
                Installation(
                    place, valkey=valkey, simulator=simulator, counter=counter, table=found
                )
            )
    return found


if __name__ == "__main__":
    sys.exit(main())
