"""``python -m tools.move PLAN.toml [--dry]``: needs Python 3.12 or later (offsets in f-strings)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.move import references
from tools.move.join import join
from tools.move.plan import ROOT, Plan, load, tracked
from tools.move.rewrite import Rewritten


def main(arguments: list[str]) -> int:
    """Carry out the plan; with ``--dry`` only say what a person has to look at first."""
    if sys.version_info < (3, 12):
        sys.exit("Needs Python 3.12 or later.")
    plan = load(Path(arguments[0]))
    written = {name: Rewritten(plan, module) for name, module in plan.modules.items()}
    texts = {
        new: join(plan, new, [written[old] for old in olds]) for new, olds in plan.sources.items()
    }
    if plan.reports:
        print("\n".join(plan.reports))
    told = len(plan.reports)
    if "--dry" in arguments:
        return 1 if plan.reports else 0
    _write(plan, texts, written)
    print("\n".join(plan.reports[told:]))
    return 0


def _write(plan: Plan, texts: dict[str, str], written: dict[str, Rewritten]) -> None:
    paths = {new: plan.path_of(new) for new in texts}
    kept = {*paths.values()}
    for new, olds in plan.sources.items():
        first = plan.modules[max(olds, key=lambda old: len(plan.modules[old].text))].path
        if first != paths[new] and not (ROOT / paths[new]).exists():
            _git("mv", first, paths[new])
    for old in plan.modules.values():
        if old.path not in kept and (ROOT / old.path).exists():
            _git("rm", "-q", "-f", old.path)
    for before, after in plan.files.items():
        _git("mv", Path(before), Path(after))
    for new, text in texts.items():
        place = ROOT / paths[new]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(references.comments(plan, text), "utf-8")
    for package in _packages(texts):
        place = ROOT / Path(*package.split("."), "__init__.py")
        if not place.exists():
            place.write_text(f'"""{plan.docs[package]}"""\n', "utf-8")
    for patch in plan.patches:
        text = (ROOT / patch["file"]).read_text("utf-8")
        assert patch["old"] in text, patch
        (ROOT / patch["file"]).write_text(text.replace(patch["old"], patch["new"]), "utf-8")
    _write_prose(plan, written)


def _packages(texts: dict[str, str]) -> set[str]:
    """Return the packages of the product that the modules are in."""
    tops = {"broadcast", "models", "producer", "worker", "entrypoints"}
    return {
        ".".join(parts[:length])
        for parts in (name.split(".") for name in texts if name.split(".")[0] in tops)
        for length in range(1, len(parts))
    }


def _write_prose(plan: Plan, written: dict[str, Rewritten]) -> None:
    bugs = ROOT / "tools/mutants.toml"
    bugs.write_text(references.planted(plan, bugs.read_text("utf-8"), written), "utf-8")
    rename = references.renamer(plan)
    for name in tracked("*.md", "Makefile", "Dockerfile", ".dockerignore", "*.yml"):
        text = (ROOT / name).read_text("utf-8")
        if rename(text) != text:
            (ROOT / name).write_text(rename(text), "utf-8")


def _git(*arguments: str | Path) -> None:
    if arguments[0] == "mv":
        (ROOT / arguments[-1]).parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", *map(str, arguments)], cwd=ROOT, check=True)  # noqa: S607


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
