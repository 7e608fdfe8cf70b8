"""Notices in words, as a list of them shows them."""

from __future__ import annotations

from broadcast.message import Message
from broadcast.rules.notices import Notice
from broadcast.rules.states import NoticeState
from broadcast.views import notices
from tests.unit.views.reports import NOW, ZH


def test_in_a_list_a_notice_of_several_lines_takes_one() -> None:
    held = Message(
        "notice.launch_held",
        account="shop",
        subject="weekly",
        due=NOW,
        command="broadcast a",
        reason=Message("launch.missed"),
        look="broadcast b",
    )
    one = Notice(
        id=1,
        key="k",
        message=held,
        receiver="wecom:host:1",
        tries=0,
        problem=None,
        state=NoticeState.SENT,
        due_at=None,
        posted_at=None,
        since=NOW,
    )

    [line] = ZH(notices.in_a_list(one, ZH, now=NOW)).splitlines()

    assert line.endswith("活动“weekly”2026-11-27 14:00 的群发没有进行，发往 wecom:host:1：已送达")
