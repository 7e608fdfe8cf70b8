"""The story: what happens to each version, in the same order, step by step.

Nothing here is a race. Every step waits for what the one before it led to; where something must
come in the middle of a broadcast, the worker has died at a crash point, or the account is halted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.shadow.side import BATCH_SIZE, Side

HOUR_S = 3_600


def late_and_killed(side: Side) -> None:
    """One starts too late; of another the worker dies twice, then a person cancels it."""
    side.submit("late", 2 * BATCH_SIZE, late_by="15m")
    side.pass_time(HOUR_S)
    side.submit("killed")
    side.dies_at("claim.committed")
    side.dies_at("call.ended", 2)
    side.does("killed", "cancel")


def steered(side: Side) -> None:
    """What a person does between the submit and the first call."""
    side.submit("paused", 2 * BATCH_SIZE)
    side.does("paused", "pause")
    side.submit("cancelled", 2 * BATCH_SIZE)
    side.does("cancelled", "cancel")
    side.account("halt")
    side.submit("suppressed", 2 * BATCH_SIZE)
    side.worker()
    side.until_report("suppressed", "both batches", "batches", "total", value=2)
    side.command("suppress", "add", side.openids["suppressed"][1], answers="suppress")
    side.account("unhalt")
    side.until_told("suppressed", "completed")
    side.does("paused", "resume")
    side.until_told("paused", "completed")
    side.until_told("late", "held")
    side.does("late", "resume")
    side.until_told("late", "completed")
    side.until_report("killed", "the doubt", "batches", "in_doubt", value=1)
    side.does("killed", "resolve", {"batch": 2, "sent": True})


def submitted_in_every_way(side: Side) -> None:
    """A list, a list with slips and the same key again, a long one, the queue, a tag."""
    plain = side.submit("plain")
    side.until_told("plain", "completed")
    people = side.people("slips", 6)
    slips = {"openids": [*people, people[0], "nobody"]}
    for _ in range(2):
        side.submit("slips", slips)
    side.submit(
        "excluded",
        {"openids": [*side.people("excluded", 5), *side.openids["plain"][:4]]},
        exclude=[f"broadcast:{plain}"],
    )
    awaited = side.submit("upload", {"upload": True})
    lines = "\n".join(side.people("upload", 9)).encode()
    answer = side.ask(
        "PUT", f"broadcasts/{awaited}/audience", data=lines, headers={"Content-Type": "text/plain"}
    )
    side.found.answers["upload"] = answer.status_code
    side.enqueue("queue", 5)
    appid = side.simulator.account.appid
    side.simulator.admin("POST", f"accounts/{appid}/tags/2", lines=side.people("tag", 7))
    side.submit("tag", {"tag_id": 2}, ignore_suppression=True)
    for label in ("slips", "excluded", "upload", "queue", "tag"):
        side.until_told(label, "completed")


def answered_badly(side: Side) -> None:
    """Replies that are lost or garbled, or say that something is wrong."""
    _each(
        side,
        {
            "lost": {"kind": "drop", "when": "after"},
            "never arrived": {"kind": "drop", "when": "before"},
            "garbage": {"kind": "garbage", "when": "after"},
            "-1": {"kind": "errcode", "errcode": -1, "when": "before"},
            "45066": {"kind": "errcode", "errcode": 45066, "when": "before"},
            "40001": {"kind": "invalidate_token"},
        },
    )


def answered_badly_in_other_ways(side: Side) -> None:
    """The same once more, for who has more time."""
    _each(
        side,
        {
            "truncated": {"kind": "truncated", "when": "after"},
            "html": {"kind": "html", "when": "before"},
            "-1, sent": {"kind": "errcode", "errcode": -1, "when": "after"},
            "split": {"kind": "errcode", "errcode": 40003, "when": "before"},
        },
    )


def _each(side: Side, faults: Mapping[str, Mapping[str, Any]]) -> None:
    for label, fault in faults.items():
        side.fault(**fault)
        side.submit(label, 2 * BATCH_SIZE)
        side.until_told(label, "completed")


def left_to_a_person(side: Side) -> None:
    """A day without calls, a refusal, and a batch that WeChat says it knows."""
    side.fault("errcode", errcode=45009, when="before")
    side.submit("full", 2 * BATCH_SIZE)
    side.until_report(
        "full", "the wait for the next day", "blockers", 0, "cause", value="account_waits"
    )
    side.account("unhalt")
    side.until_told("full", "completed")
    side.fault("errcode", errcode=45002, when="before")
    side.submit("refused", 2 * BATCH_SIZE)
    side.until_report("refused", "the refusal", "batches", "refused", value=1)
    side.does("refused", "retry")
    side.does("refused", "resume")
    side.until_told("refused", "partial")
    side.fault("errcode", errcode=45065, when="before")
    side.submit("known", 2 * BATCH_SIZE)
    side.until_report("known", "the doubt", "batches", "in_doubt", value=1)
    side.does("known", "resolve", {"batch": 1, "sent": False})
    side.does("known", "retry")
    side.until_told("known", "completed")


def to_all(side: Side) -> None:
    """Last, since it reaches everybody."""
    everybody = {"to_all": True, "confirm_to_all": "default"}
    side.submit("all", everybody, ignore_suppression=True)
    side.until_told("all", "completed")


def killed_everywhere(side: Side) -> None:
    """A worker dies at every point of its way, and so does the next one over what it left."""
    fates: Sequence[tuple[str, Callable[[], None]]] = (
        ("", lambda: None),
        (", the reply lost", lambda: side.fault("drop", when="after")),
        (", the call lost", lambda: side.fault("drop", when="before")),
    )
    labels = []
    for point in POINTS:
        for fate, order in fates if point in AROUND_A_CALL else fates[:1]:
            labels.append(f"{point}{fate}")
            order()
            side.submit(labels[-1], 2 * BATCH_SIZE)
            side.dies_at(point)
    # With the messages, the token is lost.
    side.valkey.flushall()
    worker = side.worker()
    for label in labels:
        side.until_told(label, "completed")
    worker.stop(timeout_s=60)


def stopped_in_the_middle(side: Side) -> None:
    """One batch is accepted when a person stops the others."""
    for act in ("pause", "cancel"):
        side.submit(f"{act} in the middle")
        side.dies_at("record.committed")
        side.does(f"{act} in the middle", act)
    side.submit("halt in the middle")
    side.dies_at("record.committed")
    side.account("halt")
    worker = side.worker()
    side.account("unhalt")
    side.until_told("halt in the middle", "completed")
    side.does("pause in the middle", "resume")
    side.until_told("pause in the middle", "completed")
    worker.stop(timeout_s=60)


def commands_killed(side: Side) -> None:
    """A command dies over a submit, and is typed again."""
    for point in ("submit.publishing", "submit.published", "submit.woken"):
        for crash in ({"BROADCAST_CRASH_AT": point}, {}):
            side.send(point, 2 * BATCH_SIZE, **crash)
        side.until_told(point, "completed")


def reviewed(side: Side) -> None:
    """WeChat's review refuses one of two jobs after it was accepted."""
    appid = side.simulator.account.appid
    side.simulator.admin("POST", f"accounts/{appid}/next-jobs", {"event_status": "err(20001)"})
    side.submit("reviewed", 2 * BATCH_SIZE)
    side.until_told("reviewed", "partial")


#: By the names that crash points are stored under, in the order of a worker's way. Those of the
#: token are not among them: the API may fetch one before the worker does.
POINTS = (
    "sweep.marked",
    "sweep.woken",
    "plan.written",
    "plan.stored",
    "plan.opening",
    "plan.opened",
    "lane.leased",
    "pace.taken",
    "claim.written",
    "claim.committed",
    "call.ended",
    "record.written",
    "record.committed",
    "slice.ended",
    "task.ended",
)
#: Where it matters what became of the call.
AROUND_A_CALL = frozenset(POINTS[POINTS.index("claim.written") : POINTS.index("slice.ended")])
SHORT: Sequence[Callable[[Side], None]] = (
    late_and_killed,
    steered,
    submitted_in_every_way,
    answered_badly,
    left_to_a_person,
    to_all,
)
LONG: Sequence[Callable[[Side], None]] = (
    late_and_killed,
    killed_everywhere,
    stopped_in_the_middle,
    steered,
    commands_killed,
    reviewed,
    answered_badly_in_other_ways,
    *SHORT[2:],
)
