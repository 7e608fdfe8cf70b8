"""Our top-level names are common words: no installed package may bring the same ones."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OURS = PROJECT["project"]["name"]
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
NAMES = {*WHEEL["packages"], *(Path(name).stem for name in WHEEL["force-include"]), "tests"}


def test_no_other_distribution_provides_our_names() -> None:
    """Else the one that was installed last would win, file by file and in silence."""
    providers = metadata.packages_distributions()

    foreign = {name: set(providers.get(name, [])) - {OURS} for name in NAMES}

    assert {name: found for name, found in foreign.items() if found} == {}


def test_names_are_imported_from_this_checkout() -> None:
    """The tests test these files, and not a copy that was installed elsewhere."""
    for name in WHEEL["packages"]:
        module = __import__(name)

        assert module.__file__ is not None
        assert Path(module.__file__).is_relative_to(ROOT)
