"""What Flower shows of a task: its arguments and its result, in the words of people."""

from __future__ import annotations

import pytest
from celery.events.state import Task

from broadcast import names
from worker import flower


@pytest.fixture(autouse=True)
def _in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "zh")


@pytest.mark.parametrize(
    "args", ["('default', '20261201-zur3yc')", "['default', '20261201-zur3yc']"]
)
@pytest.mark.parametrize("kwargs", ["{}", "{'forward_count': 8}", None])
def test_arguments_are_shown_without_signs_of_python(args: str, kwargs: str | None) -> None:
    task = Task(uuid="1", name=names.SEND_BATCH, args=args, kwargs=kwargs)

    assert flower._shown(task).args == "default, 20261201-zur3yc"


def test_of_another_programs_request_its_outline_is_shown() -> None:
    task = Task(uuid="1", name=names.ENQUEUE, args="()", kwargs="{'key': 'k'}")

    assert flower._shown(task).args == "{'key': 'k'}"


@pytest.mark.parametrize(
    ("name", "result", "said"),
    [
        (names.PLAN, "{'batches': 12, 'fit': 'fits', 'waits': False}", "已分成 12 批"),
        (names.PLAN, "{'batches': 0, 'fit': None, 'waits': True}", "等微信或 Redis 就绪后再排"),
        (
            names.PLAN,
            "{'batches': 3, 'fit': None, 'waits': True, 'errcode': None}",
            "等微信或 Redis 就绪后再排",
        ),
        (
            names.PLAN,
            "{'batches': 3, 'fit': None, 'waits': True, 'errcode': 40164}",
            "微信返回 40164（本机 IP 不在公众号的 IP 白名单中），稍后再排",
        ),
        (names.PLAN, "None", "现在没有可做的"),
        (names.POLL_ACCOUNT, "1", "查询了 1 个批次的结果"),
        (names.POLL_ACCOUNT, "0", "现在没有可做的"),
        (names.HANDLE_PUSHES, "2", "处理了 2 条微信推送"),
        (names.DELIVER_WEBHOOKS, "1", "已开始，1 个线程"),
        (names.SEND_BATCH, "['a 1/2 已受理', 'a 2/2 已受理']", "a 1/2 已受理 | a 2/2 已受理"),
        (names.SEND_BATCH, "[]", "现在没有可做的"),
        (names.SEND_BATCH, None, None),
    ],
)
def test_a_result_is_shown_in_words(name: str, result: str | None, said: str | None) -> None:
    assert flower._shown(Task(uuid="1", name=name, args="()", result=result)).result == said
