"""The parts of the API, built by the process that starts it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine

from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns.campaign import Campaign
from broadcast.rules.metrics import Samples
from broadcast.settings.program_settings import Settings
from entrypoints.http.keyring import KeyRing
from entrypoints.http.threads import Threads
from producer.request.door import SubmitService, WeChatChecks
from producer.steer import LaneWaker
from producer.submit.prepare import QuotaSource


class RemoteParts(Protocol):
    """Questions for WeChat and for the workers' own code."""

    def status_of_job(self, account: Account, msg_id: int) -> str | None:
        """Return WeChat's status of a job; None: it has none. Raises BroadcastError."""

    def apply_pending_follower_events(self, account: str) -> None:
        """Apply pending opt-outs, so that no such follower is called again."""

    def rehearsed(self, campaign: Campaign, due: datetime, door: SubmitService) -> list[Message]:
        """Return what would keep a run from going as it is meant. Raises DatabaseAwayError."""

    def missing(self) -> list[str]:
        """Return which parts are away of those that only delay: ``broker``, ``redis``."""


class Waker(LaneWaker, Protocol):
    """Wakes a worker for stored work, and for webhooks and launches."""

    def wake_for(self, task: str) -> None:
        """Ask a worker to look at what waits for *task*. Raises BrokerAwayError."""


class PartsSamples(Protocol):
    """Figures of what is beside the ledger."""

    def samples(self) -> Samples:
        """Return them."""


@frozen
class APIParts:
    """One API process's."""

    settings: Settings
    engine: Engine
    quota: QuotaSource
    waker: Waker
    looks: WeChatChecks
    remote: RemoteParts
    outside: PartsSamples
    keys: KeyRing
    threads: Threads
    #: Whether the process is about to end: whoever streams for ever must not.
    is_ending: Callable[[], bool]
