"""What happens in a run: everything that chance decides, drawn from one seed before the start."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from broadcast.crashpoints import Point
from broadcast.rules.plan.audience import Everyone, Tag
from tests.kit.endpoints import MASS_SEND, MASS_SENDALL

#: Seconds in which faults begin. Lanes are busy for about as long.
SPAN_S = 6.0
BATCHES = 20
ACCOUNTS = ("red", "blue")
#: Tags of each account: which of its followers have them, by number. Some have both.
TAGS = {101: range(300), 102: range(200, 500)}

Database = Literal["sqlite", "postgresql"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, or that a person does: when (seconds from the start) and how."""

    at_s: float
    kind: str
    facts: dict[str, Any]

    def __str__(self) -> str:
        told = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.at_s:5.2f} s  {self.kind} {told}".rstrip()


@dataclass(frozen=True, slots=True)
class Submission:
    """A broadcast to come: to so many OpenIDs, or to a list that is WeChat's own."""

    at_s: float
    account: str
    priority: int
    size: int = 0
    batch_size: int = 0
    to: Tag | Everyone | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run."""

    seed: int
    database: Database
    workers: int
    beats: int
    latency_ms: int
    wait_scale: float
    submissions: tuple[Submission, ...]
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        head = (
            f"seed {self.seed}: {self.database}, {self.workers} workers, {self.beats} beats, "
            f"{self.latency_ms} ms a call, waits × {self.wait_scale}"
        )
        broadcasts = (f"{one.at_s:5.2f} s  submit {one}" for one in self.submissions)
        return "\n".join([head, *broadcasts, *map(str, self.faults)])


def draw(seed: int) -> Schedule:
    """Draw the run of *seed*; the same seed gives the same run in every copy of this file."""
    chance = random.Random(seed)
    workers = chance.choice([1, 2, 2, 3])
    submissions = _submissions(chance)
    kinds = chance.choices(list(_KINDS), weights=[w for w, _ in _KINDS.values()], k=_count(chance))
    faults = [
        Fault(round(chance.uniform(0.1, SPAN_S), 2), kind, _KINDS[kind][1](chance, workers))
        for kind in kinds
    ]
    return Schedule(
        seed=seed,
        database=chance.choice(["sqlite", "sqlite", "postgresql"]),
        workers=workers,
        beats=chance.choice([1, 1, 2]),
        latency_ms=chance.choice([50, 150, 300]),
        # A minute of WeChat's is a second; or the day and the window of 23 h are 40 s.
        wait_scale=chance.choice([1 / 60, 1 / 60, 0.0005]),
        submissions=submissions,
        faults=tuple(sorted(faults, key=lambda fault: fault.at_s)),
    )


def _count(chance: random.Random) -> int:
    return chance.randint(4, 10)


def _submissions(chance: random.Random) -> tuple[Submission, ...]:
    made = [*_lists(chance), *_own_lists(chance)]
    return tuple(sorted(made, key=lambda one: one.at_s))


#: WeChat takes four sends to everybody in a month: were each of these doubled, it would be seen.
_TO: list[Tag | Everyone] = [*(Tag(tag_id=tag_id) for tag_id in TAGS), Everyone(), Everyone()]
_OWN_LISTS = [(account, to) for account in ACCOUNTS for to in _TO]


def _own_lists(chance: random.Random) -> list[Submission]:
    # Over the whole time: each is one call, which most faults would find long made.
    return [
        Submission(
            at_s=round(chance.uniform(0, SPAN_S), 2),
            account=account,
            priority=chance.choice([0, 0, 5]),
            to=to,
        )
        for account, to in chance.sample(_OWN_LISTS, chance.choice([0, 1, 2, 2, 3, 4]))
    ]


def _lists(chance: random.Random) -> list[Submission]:
    left, made = BATCHES, []
    while left > 0:
        batches = min(left, chance.randint(2, 8))
        batch_size = chance.randint(2, 12)
        # Not always a whole number of batches.
        size = max(2, batches * batch_size - chance.randint(0, batch_size - 1))
        made.append(
            Submission(
                at_s=round(chance.uniform(0, SPAN_S / 3), 2),
                account=chance.choice(ACCOUNTS),
                size=size,
                batch_size=batch_size,
                priority=chance.choice([0, 0, 5]),
            )
        )
        left -= batches
    return made


def _path(chance: random.Random) -> str:
    return chance.choice([MASS_SEND, MASS_SENDALL])


def _reply(chance: random.Random, _workers: int) -> dict[str, Any]:
    """Draw a reply that is lost or spoilt, before WeChat took the batch or after."""
    kind = chance.choice(
        [
            "drop",
            "drop",
            "drop_unread",
            "twice",
            "late",
            "html",
            "garbage",
            "truncated",
            "slow",
            "drip",
        ]
    )
    facts: dict[str, Any] = {
        "kind": kind,
        "path": _path(chance),
        "count": chance.randint(1, 4),
    }
    if kind in {"twice", "late"}:
        # A gateway brings the request again, or for the first time, while its repeat is on the way
        # or long after.
        facts["seconds"] = chance.choice([0.2, 1, 4])
    elif kind != "drop_unread":
        facts["when"] = chance.choice(["before", "after", "after"])
    if kind == "slow":
        facts["seconds"] = chance.choice([1, 3, 8])
    if kind == "drip":
        facts["seconds"] = chance.choice([0.02, 0.1])
    return facts


def _errcode(chance: random.Random, _workers: int) -> dict[str, Any]:
    """Draw an errcode that is no verdict, or a lie.

    None is a 45065 for a batch that WeChat does not have: after a lost reply nobody can tell that
    from the truth.
    """
    errcode, when = chance.choice(
        [
            (-1, "before"),
            (-1, "after"),
            (45066, "before"),
            (45066, "after"),
            (45011, "before"),
            (42010, "before"),
            (50003, "before"),
            (50003, "after"),
            (40001, "before"),
            (65400, "after"),
        ]
    )
    return {
        "kind": "errcode",
        "path": _path(chance),
        "errcode": errcode,
        "when": when,
        "count": chance.randint(1, 3),
    }


def _stop(chance: random.Random, _workers: int) -> dict[str, Any]:
    """Draw an errcode that stops the account, or its day."""
    errcode = chance.choice([48001, 48003, 50002, 40164])
    return {
        "kind": "errcode",
        "path": _path(chance),
        "errcode": errcode,
        "when": "before",
        "count": 1,
    }


def _lose_then_stop(chance: random.Random, _workers: int) -> dict[str, Any]:
    """Draw a lost reply after which WeChat stops the account: nobody but a person can settle it."""
    return {
        "account": chance.choice(ACCOUNTS),
        "path": _path(chance),
        "when": chance.choice(["before", "after"]),
        "errcode": chance.choice([48001, 50002]),
    }


def _process(chance: random.Random, workers: int) -> dict[str, Any]:
    return {"worker": chance.randrange(workers), "down_s": round(chance.uniform(0, 3), 1)}


def _frozen(chance: random.Random, workers: int) -> dict[str, Any]:
    # Longer than a lease (6 s) in half of the cases.
    return {"worker": chance.randrange(workers), "for_s": chance.choice([1, 3, 8])}


def _crash(chance: random.Random, workers: int) -> dict[str, Any]:
    point = chance.choice([p for p in Point if not p.value.startswith(("submit.", "settle."))])
    return {
        "worker": chance.randrange(workers),
        "point": point.value,
        "nth": chance.randint(1, 4),
    }


def _broadcast(chance: random.Random, _workers: int) -> dict[str, Any]:
    return {"broadcast": chance.randrange(6), "for_s": round(chance.uniform(0.2, 2), 1)}


def _account(chance: random.Random, _workers: int) -> dict[str, Any]:
    return {"account": chance.choice(ACCOUNTS), "for_s": round(chance.uniform(0.2, 2), 1)}


def _halt(chance: random.Random, _workers: int) -> dict[str, Any]:
    # None: every account.
    account = chance.choice([*ACCOUNTS, None])
    return {"account": account, "for_s": round(chance.uniform(0.2, 2), 1)}


def _push(kind: str) -> Any:
    """Draw how many of WeChat's finish events are lost, doubled or late."""

    def draw_push(chance: random.Random, _workers: int) -> dict[str, Any]:
        facts: dict[str, Any] = {"kind": kind, "count": chance.randint(1, 6)}
        return facts | ({"seconds": chance.choice([1, 4])} if kind == "push_late" else {})

    return draw_push


def _early(chance: random.Random, _workers: int) -> dict[str, Any]:
    """Draw how many jobs end, and are pushed, while the reply to their call is on its way."""
    return {
        "account": chance.choice(ACCOUNTS),
        "count": chance.randint(1, 4),
        "seconds": chance.choice([0.5, 2]),
    }


def _callback(chance: random.Random, _workers: int) -> dict[str, Any]:
    return {"down_s": round(chance.uniform(0, 3), 1)}


def _for(*seconds: float) -> Any:
    return lambda chance, _workers: {"for_s": chance.choice(seconds)}


def _nothing(_chance: random.Random, _workers: int) -> dict[str, Any]:
    return {}


#: Kind: how often it is drawn, and what else it needs.
_KINDS: dict[str, tuple[int, Any]] = {
    "reply": (8, _reply),
    "errcode": (5, _errcode),
    "stop_account": (1, _stop),
    "lose_then_stop": (1, _lose_then_stop),
    "invalidate_tokens": (2, _account),
    "kill_worker": (5, _process),
    "stop_worker": (2, _process),
    "freeze_worker": (3, _frozen),
    "crash_worker": (5, _crash),
    "kill_beat": (1, _nothing),
    "push_lost": (1, _push("push_lost")),
    "push_twice": (2, _push("push_twice")),
    "push_late": (2, _push("push_late")),
    "push_early": (2, _early),
    "kill_callback": (2, _callback),
    "kill_valkey": (1, _for(0.0, 1.0, 3.0)),
    "flush_valkey": (2, _nothing),
    "freeze_valkey": (1, _for(1.0, 4.0)),
    "lock_database": (1, _for(0.5, 3.0)),
    "cut_database": (2, _nothing),
    "freeze_wechat": (1, _for(1.0, 3.0)),
    "pause": (2, _broadcast),
    "cancel": (2, _broadcast),
    "halt": (2, _halt),
}
