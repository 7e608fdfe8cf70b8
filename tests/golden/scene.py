"""One broadcast or several in a ledger whose clock stands still, and every door to look at them."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from broadcast.outbound.posting import Poster
from broadcast.rules import webhooks as rules_webhooks
from broadcast.rules.calls.waits import Waits
from broadcast.rules.drafts import Marks
from broadcast.rules.plan import submission
from broadcast.rules.plan.audience import Audience
from broadcast.rules.states import WebhookState
from broadcast.rules.webhooks import parse_networks
from entrypoints.cli.main import run
from models.ledger.boxes import webhooks as boxes_webhooks
from models.ledger.submit import submits
from tests.golden.plain import Plain
from tests.golden.still import Still
from tests.integration.models.stage import DAY, Stage
from tests.kit import ledger
from tests.kit.api import Program
from tests.kit.receiver import SECRET, Receiver
from tests.kit.simulator import Simulator
from tests.kit.wait import until
from worker.delivery.webhooks import WebhookDeliverer

#: Each command and request comes so much later than the one before.
TICK: Final = timedelta(seconds=1)
_JSON: Final = frozenset({"application/json", "application/problem+json"})
_NO_LIST: Final = submission.Figures(read=0, planned=None, calls=1, samples={})


class Secrets:
    """What webhooks are signed with."""

    def signing_secrets(self) -> tuple[SecretStr, ...]:
        return rules_webhooks.parse_secrets(SECRET)


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Whom one asks, and who is told."""

    program: Program
    receiver: Receiver
    capsys: pytest.CaptureFixture[str]
    wechat: Simulator | None = None


class Scene(Stage):
    """A stage whose audience keeps notes: `answers` has what every door said."""

    clock: Still  # type: ignore[assignment]

    def __init__(self, engine: Engine, clock: Still, doors: Doors) -> None:
        """Begin with nothing."""
        super().__init__(engine, clock)  # type: ignore[arg-type]
        self.doors = doors
        self.ids: list[str] = []
        self.answers: dict[str, Any] = {}
        self._plain = Plain()

    @property
    def wechat(self) -> Simulator:
        """WeChat's stand-in, where it is there."""
        assert self.doors.wechat is not None, "a situation without WeChat"
        return self.doors.wechat

    # What happens

    def upload(
        self,
        *,
        batches: int = 1,
        at: timedelta | None = None,
        late_by: timedelta = 365 * DAY,
        draft: Marks | None = None,
        size: int = 20,
        to: Audience | None = None,
        **terms: Any,
    ) -> None:
        """Store a broadcast that nobody sees yet; its end and its stops are told to a receiver."""
        key = f"golden-{len(self.ids) + 1}"
        self.body = ledger.body(size=size, key=key, at=self.clock.now + at if at else None)
        if draft is not None:
            self.body = ledger.of_draft(self.body, draft)
        self.terms = replace(
            ledger.terms(size=size, batches=batches),
            late_by=late_by,
            notify_url=self.doors.receiver.url,
            **terms,
        )
        if to is None:
            self.figures = ledger.figures(size=size, batches=batches)
            self.id = ledger.upload(self.engine, self.body, size=size)
        else:
            self.body, self.figures = replace(self.body, audience=to), _NO_LIST
            self.id = submits.begin(self.engine, self.body, who="tests")
        self.ids.append(self.id)

    def begin(self, *, batches: int = 1, **asked: Any) -> None:
        """Do all that comes before the first call."""
        self.upload(batches=batches, **asked)
        self.publish()
        self.plan()

    # What the doors say

    def cli(self, *words: str, status: int | None = 0) -> Any:
        """Keep how `broadcast WORDS --json` ended and its object; return the object."""
        self.clock.pass_(TICK)
        self.doors.capsys.readouterr()
        ended = run([*words, "--json"])
        out = self.doors.capsys.readouterr().out.splitlines()
        told = json.loads(out[-1]) if out else None
        assert status in {None, ended}, f"exit {ended}: {told}"
        self.keep(f"broadcast {' '.join(words)}", {"exit": ended, "object": told})
        return told

    def http(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        program: Program | None = None,
        **options: Any,
    ) -> Any:
        """Keep what a request is answered with; return the answer's body."""
        self.clock.pass_(TICK)
        answer = (program or self.doors.program).ask(method, path, body, headers=headers, **options)
        told: Any = answer.text.splitlines()
        if answer.headers.get("Content-Type", "").partition(";")[0] in _JSON:
            told = json.loads(answer.text)
        said: dict[str, Any] = {"status": answer.status_code}
        if "Location" in answer.headers:
            said["location"] = answer.headers["Location"]
        self.keep(f"{method} {path}", {**said, "body": told})
        return told

    def keep(self, door: str, told: object) -> None:
        """Note what a door said; a door that is asked again is asked a second time."""
        door = self._plain(door)
        times = sum(one.partition(" #")[0] == door for one in self.answers)
        self.answers[door if not times else f"{door} #{times + 1}"] = self._plain(told)

    def look(self, *ids: str) -> None:
        """Look at broadcasts, all if none is named, by each door for one."""
        for broadcast_id in ids or self.ids:
            self.cli("status", broadcast_id, status=None)
            self.http("GET", f"/v1/broadcasts/{broadcast_id}")

    def told(self) -> None:
        """Note what the receiver of webhooks is told."""
        deliverer = WebhookDeliverer(
            self.engine,
            Poster(timeout_s=20, allowed=parse_networks("127.0.0.0/8")),
            Secrets(),
            waits=Waits(),
            longest_s=20,
            stopping=threading.Event(),
        )

        def all_are() -> bool:
            deliverer.start()
            stored = boxes_webhooks.newest(self.engine, states=list(WebhookState))
            return all(one.state is WebhookState.DELIVERED for one in stored)

        until(all_are, 30, "every webhook delivered")
        deliverer.join(60)
        posted = {one.id: one for one in self.doors.receiver.posted}
        for one in sorted(posted.values(), key=self._turn):
            self.keep("webhook", one.event)

    def _turn(self, one: Any) -> tuple[int, int]:
        broadcast_id, _, version = one.id.rpartition("-")
        return (self.ids.index(broadcast_id) if broadcast_id in self.ids else -1, int(version))
