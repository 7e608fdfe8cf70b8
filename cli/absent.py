"""Accounts that the ledger has work for and these settings lack: nobody goes on with it."""

from __future__ import annotations

from collections.abc import Iterator

from broadcast.errors import SettingsError
from broadcast.reports import Report
from broadcast.states import BROADCAST_DONE
from broadcast.text import t
from cli.wiring.database import settings


def lines(told: Report) -> Iterator[str]:
    """Yield that the settings lack the broadcast's account, if anything is left to do for it."""
    if told.state in BROADCAST_DONE and not told.results_due:
        return
    try:
        known = settings().accounts()
    except SettingsError as error:
        # The report itself needs no account, so it is told all the same.
        yield t("absent.unreadable", account=told.account, problem=error)
        return
    if told.account not in known:
        yield line(told.account)


def line(account: str) -> str:
    """Return that *account* is missing, from where, and the mend."""
    path = settings().accounts_file
    where = "WECHAT_APPID" if path is None else f"BROADCAST_ACCOUNTS_FILE={path}"
    return t("absent.account", account=account, where=where)
