"""The calls that one interface has left today: WeChat's figure, or the usual limit and our own."""

from __future__ import annotations

from broadcast.errors import OutOfReachError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.wechat.api.quotas import Quota, QuotaGet
from entrypoints.cli.run import Run
from producer.wiring.wechat import WeChatRefusedError


@frozen
class CallsLeft:
    """Calls left, and their limit; *known*: WeChat says so."""

    limit: int
    remain: int
    known: bool

    def line(self) -> Message:
        """Say it."""
        known = "left.known" if self.known else "left.usual"
        return Message(known, remain=self.remain, limit=self.limit)


def asked(run: Run, account: Account, path: str) -> Quota | None:
    """Ask WeChat for the calls of *path*; None: it does not count them for this account.

    Raises what :meth:`producer.wiring.wechat.WeChat.ask` does, but for a refusal.
    """
    try:
        return run.wechat.ask(account, QuotaGet(cgi_path=path))
    except WeChatRefusedError:
        return None


def left_of(run: Run, account: Account, path: str, *, most: int, made: int) -> CallsLeft:
    """Return the calls left of *path*: of *most*, with *made* by us, where WeChat does not say.

    WeChat being away stops nobody here: the call itself meets it.
    """
    try:
        quota = asked(run, account, path)
    except OutOfReachError:
        quota = None
    if quota is None:
        return CallsLeft(limit=most, remain=max(0, most - made), known=False)
    return CallsLeft(limit=quota.daily_limit, remain=max(0, quota.remain), known=True)
