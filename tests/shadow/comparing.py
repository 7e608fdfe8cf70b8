"""What a version did, collected at the end of the story, and where two versions differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from tests.kit.wait import until
from tests.shadow.side import ENDS, TIMEOUT_S, Found, Side

#: A person's word without a msg_id may or may not meet the event of its job in time.
_MET_BY_CHANCE = frozenset({"killed"})
_NOTHING = "nothing"
_LONGEST = 400


def collected(side: Side) -> Found:
    """Return what a version did, once everything is at rest."""
    found = side.found
    for label in side.ids:
        ends = side.hears_wechat and label not in _MET_BY_CHANCE
        report = _at_rest(side, label) if ends else side.report(label)
        found.states[label] = {
            "broadcast": report["state"],
            "figures": {name: report[name] for name in ("audience", "recipients")},
            "batches": [
                [one["n"], one["size"], one["state"] if ends else _before_its_end(one["state"])]
                for one in report["batch_list"]
            ],
        }
        if None not in report["recipients"].values():
            found.sets[label] = _sets(side, label, report["recipients"])
        if report["state"] in ENDS:
            found.webhooks[label] = _told(side, label, report)
    _of_wechat(side)
    return found


def _at_rest(side: Side, label: str) -> dict[str, Any]:
    def rests() -> dict[str, Any]:
        report = side.report(label)
        batches = report["batches"]
        assert batches["finished"] == batches["accepted"], f"{label}: {batches}"
        return report

    return until(rests, TIMEOUT_S, f"the end of {label} of {side.version.name}")


def _before_its_end(state: str) -> str:
    """Return the state of a batch whose job's end nobody waits for."""
    return "accepted" if state == "finished" else state


def _sets(side: Side, label: str, figures: Mapping[str, int]) -> dict[str, list[str]]:
    path = f"broadcasts/{side.ids[label]}/recipients"
    sets = {}
    for name in filter(figures.get, figures):
        lines = side.ask("GET", path, params={"set": name}).text.splitlines()
        sets[name] = sorted(json.loads(line)["openid"] for line in lines)
    return sets


def _told(side: Side, label: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last webhook of an end, once it says how the broadcast stands."""

    def last() -> dict[str, Any]:
        newest = side.newest_event(label)
        assert newest, "no webhook came"
        assert newest["data"]["recipients"] == report["recipients"], newest
        return {"type": newest["type"], "recipients": newest["data"]["recipients"]}

    return until(last, TIMEOUT_S, f"the last webhook of {label} of {side.version.name}")


def _of_wechat(side: Side) -> None:
    found, wechat = side.found, side.simulator
    for summary in wechat.jobs():
        job = wechat.job(summary["msg_id"])
        label = job["content"]["text"]["content"].removeprefix("shadow: ")
        to = sorted(job["body"].get("touser") or [json.dumps(job["body"].get("filter"))])
        found.clientmsgids.setdefault(label, {})[job["clientmsgid"]] = to
        found.people[label] = wechat.ledger(content=job["content_digest"])
    found.clientmsgids["in any call"] = sorted(
        {call["clientmsgid"] for call in wechat.mass_calls() if call["clientmsgid"]}
    )
    found.people["each follower"] = wechat.ledger_dump()


def differences(old: Found, new: Found, *, names: tuple[str, str]) -> list[str]:
    """Return a line for each member that the two versions do not have alike."""
    return list(_different(asdict(old), asdict(new), path=(), names=names))


def _different(
    old: Any, new: Any, *, path: tuple[str, ...], names: tuple[str, str]
) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _different(
                old.get(name, _NOTHING), new.get(name, _NOTHING), path=(*path, name), names=names
            )
    elif old != new:
        if isinstance(old, list) and isinstance(new, list):
            # Of long lists what both have says nothing.
            old, new = (
                [one for one in mine if one not in other]
                for mine, other in ((old, new), (new, old))
            )
        yield f"{': '.join(path)}: {_shown(old)} in {names[0]}, {_shown(new)} in {names[1]}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
