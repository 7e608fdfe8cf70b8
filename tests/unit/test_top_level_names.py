"""Our top-level names are common words: no installed package may bring the same ones."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OURS = PROJECT["project"]["name"]
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
NAMES = {Path(name).stem for name in WHEEL["only-include"]}
#: Tells where a process that was started elsewhere would import each name from.
WHERE = (
    "import sys; from importlib.util import find_spec;"
    "specs = map(find_spec, sys.argv[1:]);"
    "print(*(s.origin or s.submodule_search_locations[0] for s in specs), sep='\\n')"
)


def test_no_other_distribution_provides_our_names() -> None:
    """Else the one that was installed last would win, file by file and in silence."""
    providers = metadata.packages_distributions()

    foreign = {name: set(providers.get(name, [])) - {OURS} for name in NAMES | {"tests"}}

    assert {name: found for name, found in foreign.items() if found} == {}


def test_a_process_imports_every_name_from_this_checkout(tmp_path: Path) -> None:
    """The processes of a test run these files, and not a copy that was installed elsewhere."""
    done = subprocess.run(
        [sys.executable, "-c", WHERE, *sorted(NAMES)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    places = [Path(line) for line in done.stdout.splitlines()]

    assert len(places) == len(NAMES)
    assert [place for place in places if ROOT not in place.parents] == []
    assert [place for place in places if "site-packages" in place.parts] == []
