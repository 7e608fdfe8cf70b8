"""What WeChat pushes to an account's own server, in plain mode (sections 6.1 to 6.3)."""

from __future__ import annotations

import hashlib
import queue
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from simulator.core.accounts import Account, Callback
from simulator.core.poster import Outcome, Post, Poster
from simulator.core.xml import Value, xml_of

if TYPE_CHECKING:
    from simulator.core.world import World

State = Literal["waiting", "under way", "handled", "given up", "lost"]
OK = 200


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One POST of a push. `start` and `end` are real Unix seconds."""

    start: float
    query: Mapping[str, str]
    end: float | None = None
    status: int | None = None
    answer: str | None = None
    error: str | None = None


@dataclass(slots=True, kw_only=True)
class Push:
    """One push with its history. `due` is a time of the shifted clock, Unix seconds."""

    number: int
    appid: str
    event: str
    sender: str
    body: str
    due: float
    callback: Callback
    fault: str | None = None
    state: State = "waiting"
    attempts: list[Attempt] = field(default_factory=list)


def signature(token: str, timestamp: str, nonce: str) -> str:
    """Return the signature of a request (section 6.1)."""
    return hashlib.sha1("".join(sorted((token, timestamp, nonce))).encode()).hexdigest()  # noqa: S324 - WeChat's choice


class PushBook:
    """Every push since the start or the last reset."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._poster = Poster()
        self._pushes: list[Push] = []

    def __iter__(self) -> Iterator[Push]:
        return iter(self._pushes)

    def send(self, account: Account, fields: Mapping[str, Value], *, moment: float) -> None:
        """Push an event or a message at `moment`; an account without a callback gets nothing.

        Faults of the kinds `push_lost`, `push_twice` and `push_late` hit it here.
        """
        if account.callback is None:
            return
        world, event = self._world, str(fields.get("Event", fields["MsgType"]))
        fault = world.faults.strike(when="push", appid=account.appid, path=event)
        kind = fault.order.kind if fault else None
        late_s = fault.order.seconds if fault and kind == "push_late" else 0
        for _ in range(2 if kind == "push_twice" else 1):
            push = Push(
                number=len(self._pushes) + 1,
                appid=account.appid,
                event=event,
                sender=str(fields["FromUserName"]),
                body=xml_of(fields),
                due=moment + world.switches.push_delay_s + late_s,
                callback=account.callback,
                fault=fault.label if fault else None,
            )
            self._pushes.append(push)
            if kind == "push_lost":
                push.state = "lost"
            else:
                world.scheduler.at(push.due, partial(self._post, push))

    def stop(self) -> None:
        """Push nothing any more."""
        self._poster.stop()

    def _post(self, push: Push, moment: float) -> None:
        attempt = Attempt(start=time.time(), query=self._query(push, moment=moment))
        push.attempts.append(attempt)
        push.state = "under way"
        post = Post(
            url=push.callback.url,
            query=attempt.query,
            body=push.body.encode(),
            timeout_s=self._world.switches.push_timeout_s,
        )
        try:
            self._poster.post(post, partial(self._answered, push, attempt))
        except queue.Full:
            self._answered(push, attempt, Outcome(error="too many pushes wait"))

    def _query(self, push: Push, *, moment: float) -> Mapping[str, str]:
        """Section 6.1; what a repeat carries nobody confirmed."""
        if push.attempts and self._world.switches.push_repeat_signature == "same":
            return push.attempts[0].query
        timestamp, nonce = str(int(moment)), str(self._world.random.randrange(10**9))
        signed = signature(push.callback.token, timestamp, nonce)
        return {"signature": signed, "timestamp": timestamp, "nonce": nonce, "openid": push.sender}

    def _answered(self, push: Push, attempt: Attempt, outcome: Outcome) -> None:
        world, switches = self._world, self._world.switches
        attempt.end = time.time()
        attempt.status, attempt.error = outcome.status, outcome.error
        if outcome.status is not None:
            attempt.answer = outcome.answer.decode(errors="replace")
        if self._handled(outcome):
            push.state = "handled"
        elif len(push.attempts) >= switches.push_tries:
            push.state = "given up"
        else:
            push.state = "waiting"
            again_at = world.now() + switches.push_repeat_after_s
            world.scheduler.at(again_at, partial(self._post, push))

    def _handled(self, outcome: Outcome) -> bool:
        """Section 6.3: `success`, nothing at all, or a message in reply."""
        if outcome.status != OK:
            return False
        answer = outcome.answer.strip()
        understood = answer in {b"", b"success"} or answer.startswith(b"<xml")
        return understood or not self._world.switches.push_repeats_after_nonsense
