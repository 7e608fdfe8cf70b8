"""What kinds of account cannot send: it is refused before anything is stored."""

from __future__ import annotations

from broadcast.accounts import Account, AccountKind
from broadcast.call.path import SendPath
from broadcast.errors import PlanError


def refuse_what_its_kind_cannot(account: Account, path: SendPath) -> None:
    """Raise PlanError where WeChat does not let accounts of this kind send so.

    A subscription account has no mass/send; a test account, no mass/sendall (WeChat page
    Batch_Sends, and what test accounts were seen to be answered).
    """
    if account.account_kind is AccountKind.SUBSCRIPTION and path is SendPath.MASS_SEND:
        raise PlanError("error.plan.account_kind", account=account.name)
    if account.account_kind is AccountKind.TEST and path is SendPath.SENDALL:
        raise PlanError("error.plan.test_account", account=account.name)
