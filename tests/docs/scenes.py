"""What has happened before a page's next command."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from broadcast import day
from broadcast.rules.states import BroadcastState
from tests.compat import clients
from tests.docs.stage import ACCOUNTS, Stage

MASS_SEND = "/cgi-bin/message/mass/send"
#: Who asked the old script for no more messages; nobody of the lists.
OPTED_OUT = [f"oOptedOut{number:019}" for number in range(12)]


def quiet(stage: Stage) -> None:
    """Nothing is open."""


def under_way(stage: Stage) -> None:
    """A quarter of the list has it; the rest waits a minute, for WeChat asked for patience."""
    _refuse(stage, 45011, "api minute-quota reach limit", skip=1)
    _send(stage)
    stage.until_calls(2)


def article_sent(stage: Stage) -> None:
    """An article went to the whole list, and WeChat has delivered it."""
    stage.wechat.set_switches(media_must_exist=False)
    file = stage.folder / "article.json"
    file.write_text('{"msgtype": "mpnews", "mpnews": {"media_id": "the-article-1"}}', "utf-8")
    stage.send("--content", "article.json")
    stage.until_state(BroadcastState.COMPLETED)
    stage.wechat.shift_clock(3600)


def no_worker(stage: Stage) -> None:
    """Stored minutes ago, and no worker runs."""
    stage.rest()
    _send(stage)
    stage.pass_time(timedelta(minutes=5))


def stopped(stage: Stage) -> None:
    """WeChat has taken the account's permission away in the middle."""
    _refuse(stage, 48001, "api unauthorized", skip=1, count=1)
    _send(stage)
    stage.until_calls(2)


def calls_used_up(stage: Stage) -> None:
    """Somebody else has used the calls of the day up."""
    stage.leave_midnight()
    _refuse(stage, 45009, "reach max api daily quota limit", skip=1)
    _send(stage)
    stage.until_calls(2)
    stage.wechat.change_account(used=100)


def doubt(stage: Stage) -> None:
    """WeChat took a batch, its reply was lost, and the repeat was refused."""
    stage.wechat.fault("drop", when="after", path=MASS_SEND, skip=1, count=1)
    _refuse(stage, 40003, "invalid openid", skip=2, count=1)
    _send(stage)
    stage.until_calls(5)


def doubt_not_sent(stage: Stage) -> None:
    """The request for a batch was lost on its way, and so was what WeChat would have said."""
    stage.wechat.fault("drop", when="before", path=MASS_SEND, skip=1, count=1)
    _refuse(stage, 40003, "invalid openid", skip=1, count=1)
    _send(stage)
    stage.until_calls(5)


def refused_in_the_middle(stage: Stage) -> None:
    """WeChat refuses a link in the text, after half of the list has it."""
    _refuse(stage, 45064, "no permission to use weapp in message", skip=2, count=1)
    _send(stage)
    stage.until_calls(3)


def ended(stage: Stage) -> None:
    """WeChat has reported the end of each job, and of one that is none of ours."""
    _send(stage)
    stage.until_state(BroadcastState.COMPLETED)
    stage.push_ends(console=4_000_000_001)


def everything_stopped(stage: Stage) -> None:
    """`broadcast up` was ended."""
    stage.end_everything()


def late(stage: Stage) -> None:
    """Its time passed while no worker and no beat ran; now they do."""
    stage.rest()
    _send(stage, "--at", f"{day_ahead()} 20:00")
    stage.pass_time(timedelta(days=5))
    stage.work()
    stage.until_state(BroadcastState.HELD)


def two_calls_left(stage: Stage) -> None:
    """The account has two calls left today."""
    stage.leave_midnight()
    stage.wechat.change_account(used=98)


def several_accounts(stage: Stage) -> None:
    """Three accounts, and a list of one of them."""
    stage.all_accounts()
    lines = stage.wechat.openids(6, appid=ACCOUNTS[1].appid)
    (stage.folder / "shop.csv").write_text("\n".join(["openid", *lines]), "utf-8")


def two_people(stage: Stage) -> None:
    """A list of two colleagues' phones."""
    lines = ["openid", *stage.wechat.openids(2)]
    (stage.folder / "two.csv").write_text("\n".join(lines), "utf-8")
    # A worker that has just started may not have fetched the token yet.
    stage.type("broadcast token refresh")


def old_script(stage: Stage) -> None:
    """Beside the list lies an environment with wechatpy, whose 15th call will be lost."""
    people = stage.wechat.openids(30_000)
    (stage.folder / "list.txt").write_text("\n".join(people) + "\n", "utf-8")
    (stage.folder / "opted-out.txt").write_text("\n".join(OPTED_OUT) + "\n", "utf-8")
    python = stage.folder / "old" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    words = clients.driver("redirected.py", stage.wechat.url)
    account = stage.wechat.account
    settings = f"APPID={account.appid} APPSECRET={account.secret}"
    python.write_text(f'#!/bin/sh\n{settings} exec {shlex.join(words)} "$@"\n', "utf-8")
    python.chmod(0o755)
    stage.wechat.fault("drop", when="before", path=MASS_SEND, skip=14, count=1)
    # A worker that has just started may not have fetched the token yet.
    stage.type("broadcast token refresh")


def _refuse(stage: Stage, errcode: int, errmsg: str, **limits: int) -> None:
    limits = {"errcode": errcode, **limits}
    stage.wechat.fault("errcode", errmsg=errmsg, path=MASS_SEND, when="before", **limits)


def day_ahead() -> str:
    """Return the day that is four days ahead in Beijing."""
    return f"{datetime.now(day.SHANGHAI) + timedelta(days=4):%F}"


def _send(stage: Stage, *words: str) -> str:
    text = {"en": "Live on Friday, 20:00", "zh": "周五 20:00 直播"}[stage.lang]
    return stage.send("--text", text, *words)


SCENES: Final[Mapping[str, Callable[[Stage], None]]] = {
    "quiet": quiet,
    "under way": under_way,
    "article sent": article_sent,
    "no worker": no_worker,
    "stopped": stopped,
    "calls used up": calls_used_up,
    "doubt": doubt,
    "doubt, not sent": doubt_not_sent,
    "refused in the middle": refused_in_the_middle,
    "ended": ended,
    "everything stopped": everything_stopped,
    "late": late,
    "two calls left": two_calls_left,
    "several accounts": several_accounts,
    "two people": two_people,
    "old script": old_script,
}
