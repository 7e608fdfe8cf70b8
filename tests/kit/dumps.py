"""What docs/compose.md has somebody type to return to a dump."""

from __future__ import annotations

import re
from typing import Final

from tests.kit.processes import ROOT

PAGES: Final = ("docs/compose.md", "docs/compose.zh.md")
#: How its commands begin; what follows is the script that bash runs in the container.
SHELL: Final = ("bash", "-euo", "pipefail", "-c")
_SCRIPT: Final = re.compile(
    rf"^docker compose exec backup {' '.join(SHELL)} '([^']*)'$", re.MULTILINE
)


def restoring(program: str, dump: str, page: str = PAGES[0]) -> str:
    """Return the script that has *program* restore a dump."""
    found = _SCRIPT.findall((ROOT / page).read_text("utf-8"))
    [script] = [one for one in found if program in one]
    script, count = re.subn(r"/backups/broadcast-\d{8}T\d{6}Z\.\S+", dump, script)
    assert count == 1
    return str(script)
