"""What a slice's result says fits into Celery's events, and what monitors show names nobody."""

from __future__ import annotations

from typing import Any

import pytest
from celery.utils.saferepr import saferepr

from broadcast.logs.log_lines import ENGLISH
from broadcast.rules.calls.decide import Verdict
from broadcast.views.texts import Texts
from worker import messages, person_needed

OPENID = "oFafUecNUNZZfk0LqzGhxPgmbqSH"


def call(
    n: int, then: Verdict = Verdict.ACCEPT, code: int | None = 0, **more: Any
) -> dict[str, Any]:
    outcome = more.pop("outcome", "accepted")
    return {
        "broadcast": "20261201-zur3yc",
        "batch": n,
        "of": 1200,
        "then": then.value,
        "outcome": outcome,
        "errcode": code,
        **more,
    }


@pytest.mark.parametrize(
    ("then", "code", "outcome", "said"),
    [
        (Verdict.ACCEPT, 0, "accepted", "已受理"),
        (Verdict.ACCEPT, 45065, "already_accepted", "已受理"),
        (Verdict.REFUSE, 45008, "stop_broadcast", "被拒绝 45008"),
        (Verdict.DOUBT, None, "unknown", "存疑"),
        (Verdict.REPEAT, 45011, "throttled", "调用过快，没有发送 45011"),
        (Verdict.REPEAT, 45009, "quota_today", "今天的调用次数已用完，没有发送 45009"),
        (Verdict.REPEAT, 40001, "token", "access_token 被拒绝，没有发送 40001"),
        (Verdict.REPEAT, 48001, "stop_account", "账号被微信拒绝，没有发送 48001"),
        (Verdict.REPEAT_UNKNOWN, None, "unknown", "回复丢失，将再次核实，粉丝不会收到两次"),
        (Verdict.VERIFY, 45065, "already_accepted", "正在核实微信是否已受理 45065"),
    ],
)
def test_a_call_is_one_short_line_in_the_words_of_people(
    then: Verdict, code: int | None, outcome: str, said: str
) -> None:
    lines = person_needed.result_of([call(3, then, code, outcome=outcome, of=12)], Texts("zh"))

    assert lines == [f"zur3yc 3/12 {said}"]


@pytest.mark.parametrize("texts", [ENGLISH, Texts("zh")])
def test_a_full_slice_has_a_line_a_call_that_celery_does_not_cut(texts: Texts) -> None:
    # 60 calls a minute for ten seconds, and one that was under way.
    lines = person_needed.result_of([call(n) for n in range(1, 12)], texts)

    assert len(lines) == 11
    assert saferepr(lines, 1024) == repr(lines)


@pytest.mark.parametrize("every", [1000, 50, 2, 1])
def test_however_many_calls_a_slice_had_celery_does_not_cut_them(every: int) -> None:
    calls = [call(n, Verdict.REFUSE, 45008) if n % every == 0 else call(n) for n in range(1, 501)]

    lines = person_needed.result_of(calls, ENGLISH)

    assert saferepr(lines, 1024) == repr(lines)
    assert lines[-1].split(maxsplit=1)[1].partition("/")[0].rpartition("-")[2] == "500"


def test_neighbours_that_ended_alike_share_a_line_where_they_do_not_fit() -> None:
    calls = [call(n) for n in range(1, 60)]

    assert person_needed.result_of(calls, ENGLISH) == ["zur3yc 1-59/1200 accepted"]


def test_the_last_number_is_no_smaller_than_that_of_a_half_made_meanwhile() -> None:
    assert person_needed.result_of([call(13, of=12)], ENGLISH) == ["zur3yc 13/13 accepted"]


def test_a_request_is_outlined_without_its_openids_and_its_text() -> None:
    body = {
        "key": f"welcome-{OPENID}",
        "account": "default",
        "bad": OPENID,
        "content": {"msgtype": "text", "text": {"content": "您好"}},
        "audience": {"openids": [OPENID] * 3},
    }

    said = "{'key': 'welcome-(OpenID)', 'account': 'default', 'audience.openids': 3}"
    assert messages.outline(body) == said
    assert messages.without_openids(f"x {OPENID}, y") == "x (OpenID), y"
    key = "order-3f1c2b4a-9d8e-4c7b-a6f5-0123456789ab"
    assert messages.without_openids(key) == key


SAY = Texts("zh")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "第 1 批：\n    broadcast resolve a --sent\n    broadcast resolve a --not-sent",
            "第 1 批 → broadcast resolve a --sent 或 → broadcast resolve a --not-sent",
        ),
        (
            "继续，或取消：\n    broadcast resume a\n    broadcast cancel a",
            "继续，或取消 → broadcast resume a 或 → broadcast cancel a",
        ),
        (
            "请：\n    broadcast recipients a > rest.txt\n    broadcast send --openids rest.txt",
            "请 → broadcast recipients a > rest.txt → broadcast send --openids rest.txt",
        ),
        (
            "请取消：\n    broadcast cancel a\n之后继续：\n    broadcast resume a",
            "请取消 → broadcast cancel a · 之后继续 → broadcast resume a",
        ),
        (
            "Judge: · Resume it:\n    broadcast resume a\n(or wait).",
            "Judge · Resume it → broadcast resume a · (or wait).",
        ),
    ],
)
def test_of_two_commands_a_row_says_whether_both_are_to_be_given(text: str, said: str) -> None:
    assert person_needed._one_line(text, SAY) == said
