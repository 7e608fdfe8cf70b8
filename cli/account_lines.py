"""Which account is sent from, and whether its server is WeChat's own."""

from __future__ import annotations

from collections.abc import Iterator

from broadcast import accounts, settings
from broadcast.accounts import API_BASE, Account
from broadcast.errors import SettingsError
from broadcast.message import Message
from broadcast.redaction import redact


def lines(account: Account) -> Iterator[Message]:
    """Yield the account; where its server is not WeChat's own, whose it is as far as is known."""
    kind = Message(f"account_kind.{account.account_kind}")
    yield Message("confirmation.account", name=account.name, appid=account.appid, kind=kind)
    if account.api_base != API_BASE:
        name = "confirmation.simulator" if _is_simulator(account) else "confirmation.server"
        yield Message(name, base=redact(account.api_base), own=API_BASE)


def _is_simulator(account: Account) -> bool:
    """Return whether `broadcast up --simulator` left this account."""
    try:
        left = accounts.from_file(settings.UP_ACCOUNTS)
    except SettingsError:
        return False
    return any(one.api_base == account.api_base for one in left.values())
