"""WeChat, for each account: its address, the AppSecret, the whitelist, today's calls.

The access_token is the question's own, so that nothing that other programs use is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from broadcast.built_once import built_once
from broadcast.errors import BroadcastError
from broadcast.rules import readiness
from broadcast.rules.accounts import Account
from broadcast.rules.findings import Facts, Finding, of_check
from broadcast.rules.plan.proof import Quota
from broadcast.rules.readiness import AddressFacts, Check, Problem
from broadcast.settings.program_settings import Settings
from broadcast.wechat.deadline import Timeouts
from entrypoints.cli import readiness_checks
from producer.wiring.wechat import OF_TOKENS, WeChat

#: Two calls, one after the other, must end before the report.
TIMEOUTS = Timeouts(connect_s=2, read_s=3, total_s=4)


class Address:
    """The address of accounts, which is asked once for all of them."""

    def __init__(self, wechat: WeChat, account: Account) -> None:
        self._wechat, self._account = wechat, account

    @built_once
    def answer(self) -> tuple[AddressFacts, timedelta | None]:
        """What is heard from it, and how far our clock is ahead of its."""
        return readiness_checks.address_of(self._wechat, self._account)


def probe(
    wechat: WeChat, settings: Settings, account: Account, *, address: Address, facts: Facts
) -> Iterator[Finding]:
    """Yield what WeChat has against *account*; note the clock, and the calls that it counts."""
    said, ahead = address.answer
    if ahead is not None:
        facts.ahead = ahead
    yield from of_check(readiness.of_address(said))
    if said.problem is None:
        for check in _checks(wechat, settings, account, facts=facts):
            yield from of_check(check)


def _checks(
    wechat: WeChat, settings: Settings, account: Account, *, facts: Facts
) -> Iterator[Check]:
    token_problem: Problem | None = None
    calls: Quota | Problem
    try:
        quotas = wechat.quotas_by_own_token(account)
    except BroadcastError as error:
        calls = problem = readiness_checks.problem_of(error)
        if str(error.facts.get("endpoint")).endswith(OF_TOKENS):
            token_problem = problem
    else:
        calls = next(iter(quotas.values()))
        # Before the count, which may be judged at once.
        if account.shared_quota:
            facts.sharing.add(account.name)
        facts.used[account.name] = {p: one.used for p, one in quotas.items()}
    answers = readiness_checks.facts_of(settings, account, token_problem=token_problem, calls=calls)
    yield from readiness.of_account(answers)
