"""What is said of the trials: a line for each, rates, and the table of the survivors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tools.random_mutants.trial import Outcome


def line(one: Outcome) -> str:
    """Say what became of a mutant."""
    told = f"killed by {one.killer}" if one.killer else "SURVIVED"
    cut = ", at the limit" if one.cut else ""
    return (
        f"{one.mutant.where} {one.mutant.kind}: {one.mutant.told}\n"
        f"    {told} ({one.ran} of {one.of} tests, {one.cpu_s:.0f} s of processors, "
        f"{one.clock_s:.0f} s{cut})"
    )


def row(one: Outcome) -> dict[str, Any]:
    """Return a trial as values for JSON."""
    return {
        "where": one.mutant.where,
        "kind": one.mutant.kind,
        "change": one.mutant.told,
        "new": one.mutant.new,
        "killer": one.killer,
        "said": one.said,
        "at_the_limit": one.cut,
        "ran": one.ran,
        "of": one.of,
        "cpu_s": round(one.cpu_s, 1),
        "clock_s": round(one.clock_s, 1),
    }


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the rates and the survivors, as Markdown."""
    rooms: dict[str, list[Outcome]] = defaultdict(list)
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        rooms[one.mutant.file.rpartition("/")[0]].append(one)
        kinds[one.mutant.kind].append(one)
    parts = [
        _rates("Where", rooms, outcomes),
        _rates("Change", kinds, outcomes),
        "| Survivor | Change | Tests that ran |\n| --- | --- | --- |",
    ]
    for one in outcomes:
        if not one.killer:
            change = one.mutant.told.replace("|", "\\|")
            ran = f"{one.ran} of {one.of}{', at the limit' if one.cut else ''}"
            parts[-1] += f"\n| `{one.mutant.where}` | {one.mutant.kind}: `{change}` | {ran} |"
    return "\n\n".join(parts)


def _rates(what: str, groups: dict[str, list[Outcome]], outcomes: Sequence[Outcome]) -> str:
    table = [f"| {what} | mutants | killed | % |", "| --- | --- | --- | --- |"]
    for name, some in [*sorted(groups.items()), ("all", list(outcomes))]:
        killed = sum(bool(one.killer) for one in some)
        table.append(f"| {name} | {len(some)} | {killed} | {100 * killed / len(some):.1f} |")
    return "\n".join(table)
