"""The examination: all probes at once, each in a thread of its own, with one end for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from time import monotonic
from typing import Final

from broadcast.message import Message
from broadcast.rules import findings
from broadcast.rules.accounts import Account
from broadcast.rules.findings import Facts, Fault, Finding, Part
from broadcast.settings.program_settings import Settings
from entrypoints.cli.probes import (
    database_probe,
    disk_probe,
    redis_probe,
    settings_probe,
    wechat_probe,
    worker_probe,
)
from entrypoints.cli.probes.shell_words import as_typed, celery
from producer.waking import CeleryWaker
from producer.wiring.store_parts import StoreParts
from producer.wiring.wechat import WeChat

#: The whole of it ends within ten seconds, with the start of the program.
WITHIN_S: Final = 8.5
#: Accounts that are asked about side by side.
_AT_ONCE: Final = 16
#: What is not looked at without an account.
_OF_ACCOUNTS: Final = (Part.STORED, Part.WECHAT, Part.CALLS, Part.TOKEN)
#: What a part that stays silent is taken for.
_SILENT: Final = {
    Part.DATABASE: Fault.DATABASE_AWAY,
    Part.REDIS: Fault.REDIS_AWAY,
    Part.WORKERS: Fault.BROKER_AWAY,
    Part.WECHAT: Fault.WECHAT_AWAY,
    Part.DISK: Fault.DISK,
}


class _Probe(threading.Thread):
    """A look at one part. A daemon: a part that does not answer holds up no end."""

    def __init__(self, part: Part, look: Callable[[], Iterator[Finding]]) -> None:
        super().__init__(daemon=True)
        self.part, self._look = part, look
        self.found: list[Finding] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for finding in self._look():
                self.found.append(finding)
        except Exception as error:  # noqa: BLE001 - reported beside what the others found
            self.error = error


def examine() -> tuple[list[Finding], list[Part], dict[Part, Exception]]:
    """Return what is wrong, what was not looked at because of it, and what probes died of."""
    found: list[Finding] = []
    facts = Facts()
    died: dict[Part, Exception] = {}
    hidden: Collection[Part] = list(Part)
    settings = settings_probe.read(found)
    if settings is not None:
        accounts = settings_probe.accounts_of(settings, found)
        hidden = () if accounts else _OF_ACCOUNTS
        probes = list(_probes(settings, accounts, facts))
        silent = _run(probes)
        for probe in probes:
            found += [one for one in probe.found if one not in found]
            if probe.error is not None:
                died[probe.part] = probe.error
        found += map(_unanswered, {*silent})
    left, behind = findings.judge(found, facts, celery=celery())
    return [*map(as_typed, left)], [part for part in Part if part in {*behind, *hidden}], died


def _probes(settings: Settings, accounts: Mapping[str, Account], facts: Facts) -> Iterator[_Probe]:
    parts, broker = StoreParts(), settings.celery_broker_url
    wechat = WeChat(settings, on_drift=lambda _: None, timeouts=wechat_probe.TIMEOUTS)
    yield _Probe(Part.DATABASE, lambda: database_probe.probe(parts, accounts, facts))
    yield _Probe(Part.REDIS, lambda: redis_probe.probe(wechat, settings, accounts))
    yield _Probe(Part.WORKERS, lambda: worker_probe.probe(CeleryWaker(broker), broker, facts))
    yield _Probe(Part.DISK, lambda: disk_probe.probe(settings))
    turn = threading.BoundedSemaphore(_AT_ONCE)
    addresses = {one.api_base: wechat_probe.Address(wechat, one) for one in accounts.values()}
    for account in accounts.values():

        def probe(account: Account = account) -> Iterator[Finding]:
            address = addresses[account.api_base]
            with turn:
                yield from wechat_probe.probe(
                    wechat, settings, account, address=address, facts=facts
                )

        yield _Probe(Part.WECHAT, probe)


def _run(probes: Iterable[_Probe]) -> list[Part]:
    """Run all; return the parts that gave no answer in time."""
    end = monotonic() + WITHIN_S
    for probe in probes:
        probe.start()
    for probe in probes:
        probe.join(max(0.0, end - monotonic()))
    return [probe.part for probe in probes if probe.is_alive()]


def _unanswered(part: Part) -> Finding:
    return Finding(
        fault=_SILENT[part],
        what=Message("doctor.silent", part=Message(f"doctor.part.{part}"), seconds=WITHIN_S),
    )
