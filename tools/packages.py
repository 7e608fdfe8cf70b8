"""The packages of the product: what pyproject.toml puts into the wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
#: Everything that is installed, migrations and celeryconfig.py among it.
INSTALLED: tuple[str, ...] = tuple(_BUILD["targets"]["wheel"]["only-include"])
PACKAGES = tuple(name for name in INSTALLED if (ROOT / name / "__init__.py").is_file())
#: Without the simulator, which is another process and shares no code with us.
OURS = tuple(name for name in PACKAGES if name != "simulator")
