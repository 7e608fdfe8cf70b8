"""The verdict on sends to a list that is WeChat's own: a tag's followers, or everybody.

The ledger knows nobody of such a list. So each call is held by its clientmsgid against the jobs of
WeChat's stand-in, and what those jobs brought is taken off before lists of OpenIDs are judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.verdict import DELIVERIES, Finding, Leaf, of_doubt


@dataclass(frozen=True, slots=True)
class Job:
    """A job of WeChat's stand-in: under which key it was asked for, and how many it reached."""

    account: str
    clientmsgid: str | None
    reached: int


def jobs_of(listed: Iterable[Mapping[str, Any]], appids: Mapping[str, str]) -> list[Job]:
    """Return the jobs of WeChat's own lists among those that the simulator lists."""
    names = {appid: name for name, appid in appids.items()}
    return [
        Job(names[one["appid"]], one["clientmsgid"], one["eligible"] - one["errors"])
        for one in listed
        if one["kind"] != "send"
    ]


def judge(
    batches: Sequence[Leaf], jobs: Sequence[Job], members: Mapping[str, Collection[str]]
) -> list[Finding]:
    """Hold each broadcast's only call against the *jobs*; *members* are whom it must reach."""
    calls = [leaf for leaf in batches if leaf.clientmsgid is not None]
    findings = [
        found for leaf in calls for found in _of_call(leaf, jobs, members[leaf.broadcast_id])
    ]
    count = Counter(leaf.broadcast_id for leaf in calls)
    findings += [
        Finding(f"{count[one]} calls to a list of WeChat's own", one)
        for one in members
        if count[one] != 1
    ]
    known = {(leaf.account, leaf.clientmsgid) for leaf in calls}
    return findings + [
        Finding(f"a job that no batch has asked for: {job}", None)
        for job in jobs
        if (job.account, job.clientmsgid) not in known
    ]


def _of_call(leaf: Leaf, jobs: Iterable[Job], members: Collection[str]) -> list[Finding]:
    if leaf.state not in DELIVERIES:
        return [Finding(f"still {leaf.state}", leaf.broadcast_id, leaf.n)]
    least, most = DELIVERIES[leaf.state]
    its_own = _under_its_key(leaf, jobs)
    wrong = {
        "LOST": len(its_own) < least,
        "DOUBLED" if most else "SENT, BUT CALLED " + leaf.state: len(its_own) > most,
        "REACHED OTHERS": any(job.reached != len(members) for job in its_own),
    }
    return [
        Finding(f"{word} ({leaf.state})", leaf.broadcast_id, leaf.n)
        for word, is_so in wrong.items()
        if is_so
    ] + of_doubt(leaf)


def taken_off(
    delivered: Mapping[str, Mapping[str, int]],
    batches: Iterable[Leaf],
    jobs: Sequence[Job],
    *,
    members: Mapping[str, Collection[str]],
) -> dict[str, Counter[str]]:
    """Return what each account's followers got beside the jobs of WeChat's own lists.

    A count below 0: the job is there, and a follower of its list got nothing.
    """
    left = {account: Counter(got) for account, got in delivered.items()}
    for leaf in batches:
        if leaf.clientmsgid is not None:
            for _ in _under_its_key(leaf, jobs):
                left[leaf.account].subtract(members[leaf.broadcast_id])
    return left


def _under_its_key(leaf: Leaf, jobs: Iterable[Job]) -> list[Job]:
    return [
        job for job in jobs if (job.account, job.clientmsgid) == (leaf.account, leaf.clientmsgid)
    ]
