"""The parts of the API, built by the process that starts it."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from broadcast.errors import BroadcastError
from broadcast.frozen import frozen
from broadcast.settings.program_settings import Settings
from entrypoints.http.keyring import KeyRing
from entrypoints.http.threads import Threads
from producer.submit.prepare import QuotaSource
from producer.waking import RestingWaker
from producer.wiring.metrics import PartsMetrics
from producer.wiring.wechat import WeChat


@frozen
class APIParts:
    """One API process's."""

    settings: Settings
    engine: Engine
    wechat: WeChat
    quota: QuotaSource
    waker: RestingWaker
    outside: PartsMetrics
    keys: KeyRing
    threads: Threads
    #: Returns what is wrong with Redis, or with a broker beside it.
    redis_problem: Callable[[], BroadcastError | None]
    #: Whether the process is about to end: whoever streams for ever must not.
    is_ending: Callable[[], bool]
