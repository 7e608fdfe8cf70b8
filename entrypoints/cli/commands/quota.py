"""``quota``: the calls that an account has left today, and their clearing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Final

import typer

from broadcast.errors import InputError, OutOfReachError, WeChatAwayError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import ALLOWANCES, Account, Allowance
from broadcast.rules.calls.outcomes import Endpoint, Outcome
from broadcast.rules.hand_calls import ByHand, HandCall
from broadcast.views.objects import members
from broadcast.views.words import Moment
from broadcast.wechat.api.quotas import (
    MOST_CLEARS,
    ClearQuota,
    ClearQuotaBySecret,
    Quota,
    QuotaClear,
)
from entrypoints.cli import ledger_facts
from entrypoints.cli.commands.options import AccountName, Why, Yes, alone, new_group
from entrypoints.cli.quotas import asked
from entrypoints.cli.run import Run, who
from entrypoints.cli.terminal import short
from entrypoints.cli.wechat_calls import Called, call, show_called
from models.ledger.steer import recorded_hand_calls
from models.ledger.views import at_wechat

app, quota = new_group("quota")

_BASE: Final = "/cgi-bin/"
_PATH: Final = re.compile(rf"{_BASE}[A-Za-z0-9_/-]+")
_SENDALL: Final = f"{_BASE}message/mass/sendall"
#: Whose calls an operator may run out of, beside those of mass/send.
INTERFACES: Final = tuple(
    f"{_BASE}{name}"
    for name in (
        "message/mass/sendall",
        "message/mass/preview",
        "message/mass/delete",
        "message/mass/get",
        "user/get",
        "user/info/batchget",
        "user/tag/get",
        "tags/members/batchtagging",
        "media/upload",
        "material/add_material",
        "draft/add",
        "draft/batchget",
    )
)


@frozen
class LedgerQuota:
    """Quota facts of our ledger alone."""

    #: Clearings of this month, and WeChat's own sends of this day or month, that were made here.
    clears: int
    #: Of such sends; None: of this kind of account there are none.
    allowance: Allowance | None
    sends: int = 0
    #: Such sends that WeChat may have taken: what nobody knows yet.
    doubts: int = 0


@alone(quota)
def show(run: Run, *, account: AccountName = None) -> None:
    """Ask WeChat for the calls of each interface."""
    chosen = run.account(account)
    answer = run.wechat.quota(chosen)
    each = {path: asked(run, chosen, path) for path in INTERFACES}
    sendall = each[_SENDALL]
    is_shared = chosen.shared_quota and (sendall is None or sendall.remain == answer.remain)
    run.say(
        "quota.line_shared" if is_shared else "quota.line",
        account=chosen.name,
        limit=answer.daily_limit,
        used=answer.used,
        remain=answer.remain,
        followers=answer.remain * run.settings.batch_size,
    )
    run.terminal.say_each(
        _others({p: left for p, left in each.items() if not (is_shared and p == _SENDALL)})
    )
    kept = _ledger_quota(run, chosen)
    run.terminal.say_each(_of_the_ledger(run, chosen, kept))
    run.show_done(
        {
            "account": chosen.name,
            **members(answer, "daily_limit", "used", "remain"),
            **_object(each, kept),
        }
    )


def _others(each: dict[str, Quota | None]) -> Iterator[Message]:
    """Yield a line an interface, and then those that WeChat does not count."""
    for path, left in each.items():
        if left is not None:
            yield Message(
                "quota.interface",
                name=_name(path),
                remain=left.remain,
                limit=left.daily_limit,
                used=left.used,
            )
    if uncounted := [_name(path) for path, left in each.items() if left is None]:
        yield Message("quota.uncounted", names=uncounted)


def _name(path: str) -> str:
    return path.removeprefix(_BASE)


def _ledger_quota(run: Run, account: Account) -> LedgerQuota | None:
    """Return the ledger's facts; None: WeChat is asked without a database too."""
    allowance = ALLOWANCES.get(account.account_kind)
    with suppress(OutOfReachError):
        clears = recorded_hand_calls.this_month(run.engine, account.name, ByHand.CLEAR_QUOTA)
        if allowance is None:
            return LedgerQuota(clears=clears, allowance=None)
        return LedgerQuota(
            clears=clears,
            allowance=allowance,
            sends=at_wechat.sendalls_accepted(run.engine, account.name, allowance),
            doubts=at_wechat.sendalls_in_doubt(run.engine, account.name, allowance),
        )
    return None


def _of_the_ledger(run: Run, account: Account, kept: LedgerQuota | None) -> Iterator[Message]:
    if kept is None:
        return
    yield from ledger_facts.lanes(run.engine).waits(account.name)
    if kept.allowance is not None:
        period = "quota.messages_month" if kept.allowance.a_month else "quota.messages_day"
        yield Message(period, n=kept.sends, most=kept.allowance.most)
        if kept.doubts:
            yield Message("quota.messages_in_doubt", n=kept.doubts)
    if kept.clears:
        yield Message("quota.clears", n=kept.clears, most=MOST_CLEARS)


def _object(each: dict[str, Quota | None], kept: LedgerQuota | None) -> dict[str, Any]:
    messages = None
    if kept is not None and kept.allowance is not None:
        messages = {
            "period": "month" if kept.allowance.a_month else "day",
            "sent_here": kept.sends,
            "in_doubt": kept.doubts,
            "limit": kept.allowance.most,
        }
    return {
        "interfaces": [
            {"path": path, **members(left, "daily_limit", "used", "remain")}
            for path, left in each.items()
        ],
        "messages": messages,
        "clears_this_month": kept and kept.clears,
    }


@quota.command(help="help.quota.clear")
def clear(
    run: Run,
    *,
    interface: Annotated[
        str | None, typer.Option("--interface", metavar="PATH", help="help.quota.interface")
    ] = None,
    account: AccountName = None,
    yes: Yes = False,
    why: Why = None,
) -> int:
    """Ask WeChat to reset the count of today's calls to zero."""
    path = None if interface is None else path_of(interface)
    chosen = run.account(account)
    used = recorded_hand_calls.this_month(run.engine, chosen.name, ByHand.CLEAR_QUOTA)
    if used >= MOST_CLEARS:
        raise InputError("error.quota.month", account=chosen.name, n=used, most=MOST_CLEARS)
    run.terminal.note_each(["quota.clear_means", Message("quota.clears", n=used, most=MOST_CLEARS)])
    for one in recorded_hand_calls.unanswered(run.engine, chosen.name, ByHand.CLEAR_QUOTA):
        moment = ledger_facts.lanes(run.engine).now
        run.warn("quota.unanswered", at=Moment(one.at, moment), who=one.who)
    question = "quota.question" if path is None else "quota.question_interface"
    run.confirm(question, "quota.declined", yes=yes, account=chosen.name, path=path)
    order = HandCall(kind=ByHand.CLEAR_QUOTA, who=who(), why=why, target=path)
    row = recorded_hand_calls.begin(run.engine, chosen, order)
    called = _cleared(run, chosen, path)
    recorded_hand_calls.end(run.engine, row, called.result)
    _say(run, chosen, called, path=path)
    if run.as_json:
        show_called(run, _clear_object(run, chosen, called, path=path), [called])
    return called.status


def path_of(text: str) -> str:
    """Return the path of an interface, also of one that is named without its beginning."""
    written = text.strip()
    path = written if written.startswith("/") else f"{_BASE}{written}"
    if not _PATH.fullmatch(path):
        raise InputError("error.quota.interface", text=short(text, 60))
    return path


def _cleared(run: Run, account: Account, path: str | None) -> Called:
    """Clear once; without a token where no token can be had, since that may be what is used up."""
    if path is not None:
        return call(run, account, QuotaClear(cgi_path=path), at=Endpoint.CLEAR_QUOTA)
    called = call(run, account, ClearQuota(appid=account.appid), at=Endpoint.CLEAR_QUOTA)
    tokenless = called.result.outcome is Outcome.NOT_CALLED
    if not tokenless or isinstance(called.problem, WeChatAwayError):
        return called
    request = ClearQuotaBySecret(appid=account.appid, secret=account.appsecret)
    return call(run, account, request, at=Endpoint.CLEAR_QUOTA)


def _say(run: Run, account: Account, called: Called, *, path: str | None) -> None:
    end = called.end("cleared" if path is None else "cleared_interface")
    run.say(Message(f"quota.{end}", account=account.name, path=path, why=called.why()))
    # What waits for tomorrow's calls goes on now.
    if called.result.done and list(ledger_facts.lanes(run.engine).waits(account.name)):
        run.say("quota.unhalt", account=account.name)


def _clear_object(
    run: Run, account: Account, called: Called, *, path: str | None
) -> dict[str, Any]:
    return {
        "account": account.name,
        "interface": path,
        "result": called.word("cleared"),
        **members(called.result, "errcode", "errmsg"),
        "clears_this_month": recorded_hand_calls.this_month(
            run.engine, account.name, ByHand.CLEAR_QUOTA
        ),
    }
