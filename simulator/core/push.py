"""WeChat's pushes to an account's own server (sections 6.1 to 6.3)."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from simulator.core.accounts import Account, Callback, PushFormat, PushMode
from simulator.core.cipher import signature
from simulator.core.envelope import CONTENT_TYPES, Envelope, opened_reply, sealed
from simulator.core.poster import Outcome, Post, Poster
from simulator.core.switches import Switches
from simulator.core.xml import Value

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
    reply: Mapping[str, Any] | None = None
    """The message in the answer, decrypted."""
    error: str | None = None


@dataclass(slots=True, kw_only=True)
class Push:
    """One push with its history. `due` is a time of the shifted clock, Unix seconds."""

    number: int
    appid: str
    event: str
    sender: str
    envelope: Envelope
    due: float
    callback: Callback
    fault: str | None = None
    state: State = "waiting"
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlCheck:
    """The server's answer to the check of its URL."""

    echoed: bool
    status: int | None
    answer: str
    error: str | None


class PushBook:
    """Every push since the start or the last reset."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._poster = Poster()
        self._pushes: list[Push] = []

    def __iter__(self) -> Iterator[Push]:
        return iter(self._pushes)

    def __len__(self) -> int:
        return len(self._pushes)

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
        how = _mode_and_format(world.switches, account.callback)
        random = world.random.randbytes(16)
        envelope = sealed(account, fields, random=random, how=how)
        for _ in range(2 if kind == "push_twice" else 1):
            push = Push(
                number=len(self._pushes) + 1,
                appid=account.appid,
                event=event,
                sender=str(fields["FromUserName"]),
                envelope=envelope,
                due=moment + world.switches.push_delay_s + late_s,
                callback=account.callback,
                fault=fault.label if fault else None,
            )
            self._keep(push)

    def again(self, push: Push) -> Push:
        """Push the same once more, now, as a push of its own."""
        again = replace(
            push,
            number=len(self._pushes) + 1,
            due=self._world.now(),
            fault="again",
            state="waiting",
            attempts=[],
        )
        self._keep(again)
        return again

    async def check_url(self, callback: Callback) -> UrlCheck:
        """Ask the server for the echo of a word, as WeChat does when its URL is saved (6.1)."""
        timestamp, nonce = self._stamp(self._world.now())
        word = str(self._world.random.randrange(10**18))
        query = {
            "signature": signature(callback.token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "echostr": word,
        }
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        timeout_s = self._world.switches.push_timeout_s
        post = Post(method="GET", url=callback.url, query=query, timeout_s=timeout_s)
        self._poster.post(post, done.set_result)
        outcome = await done
        answer = outcome.answer.decode(errors="replace")
        echoed = outcome.status == OK and answer == word
        return UrlCheck(echoed=echoed, status=outcome.status, answer=answer, error=outcome.error)

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
            body=push.envelope.body.encode(),
            content_type=CONTENT_TYPES[push.envelope.format],
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
        timestamp, nonce = self._stamp(moment)
        query = push.envelope.query(push.callback, timestamp=timestamp, nonce=nonce)
        return {**query, "openid": push.sender}

    def _stamp(self, moment: float) -> tuple[str, str]:
        return str(int(moment)), str(self._world.random.randrange(10**9))

    def _keep(self, push: Push) -> None:
        self._pushes.append(push)
        if push.fault == "push_lost":
            push.state = "lost"
        else:
            self._world.scheduler.at(push.due, partial(self._post, push))

    def _answered(self, push: Push, attempt: Attempt, outcome: Outcome) -> None:
        world, switches = self._world, self._world.switches
        attempt.end = time.time()
        attempt.status, attempt.error = outcome.status, outcome.error
        if outcome.status is not None:
            attempt.answer = outcome.answer.decode(errors="replace")
        if self._handled(push, attempt, outcome=outcome):
            push.state = "handled"
        elif len(push.attempts) >= switches.push_tries:
            push.state = "given up"
        else:
            push.state = "waiting"
            again_at = world.now() + switches.push_repeat_after_s
            world.scheduler.at(again_at, partial(self._post, push))

    def _handled(self, push: Push, attempt: Attempt, *, outcome: Outcome) -> bool:
        """Section 6.3: `success`, nothing at all, or a message in reply."""
        if outcome.status != OK:
            return False
        account = self._world.accounts[push.appid]
        envelope, callback = push.envelope, push.callback
        reply = opened_reply(account, outcome.answer, envelope=envelope, callback=callback)
        attempt.reply, attempt.error = reply.fields, reply.error
        understood = reply.fields is not None or reply.error is None
        return understood or not self._world.switches.push_repeats_after_nonsense


def _mode_and_format(switches: Switches, callback: Callback) -> tuple[PushMode, PushFormat]:
    mode = switches.push_mode or callback.mode
    if callback.aes_key is None:
        mode = "plain"
    return mode, switches.push_format or callback.format
