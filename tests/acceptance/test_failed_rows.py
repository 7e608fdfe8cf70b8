"""What a failed task says in Flower: which broadcast, why by its code, and what to type."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.kit.clock import Clock
from tests.kit.endpoints import MASS_GET, MASS_SEND, STABLE_TOKEN
from tests.kit.listeners import EventListener
from tests.kit.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.valkey import Valkey

LOST: Final = {"kind": "drop", "when": "before"}

HALTED: Final = "account8"
#: By account: what WeChat does to it, and what its row says.
FAILURES: Final[dict[str, tuple[list[dict[str, Any]], tuple[str, ...]]]] = {
    "account1": (
        [{"kind": "errcode", "errcode": 40125, "path": STABLE_TOKEN, "count": 50}],
        (
            "已停用：账号 account1",
            "原因：AppSecret 错误或已被重置（40125",
            "请重新复制 AppSecret",
            "systemctl restart broadcast-worker",
            "docker compose up -d --force-recreate worker",
            "处理后恢复 → broadcast unhalt --account account1",
        ),
    ),
    "account2": (
        [{"kind": "errcode", "errcode": 48001, "path": MASS_SEND, "count": 1}],
        (
            "1/3 账号被微信拒绝，没有发送 48001 · 已停用：账号 account2",
            "原因：公众号没有该接口权限：未认证、认证过期或类型不符（48001",
            "→ broadcast unhalt --account account2",
        ),
    ),
    "account3": (
        [{"kind": "errcode", "errcode": 45008, "path": MASS_SEND, "count": 1}],
        (
            "1/3 被拒绝 45008 · 图文消息的文章篇数过多 · 已自动暂停：微信拒绝了群发内容",
            "→ broadcast cancel {id}",
        ),
    ),
    "account4": (
        [{"kind": "errcode", "errcode": 45009, "path": MASS_SEND, "count": 1}],
        (
            "1/3 今天的调用次数已用完，没有发送 45009 · 等待中：账号 account4",
            "自动继续。查看剩余次数 → broadcast quota --account account4 · 如果",
            "额度，立即继续 → broadcast unhalt --account account4",
        ),
    ),
    "account5": (
        [
            {**LOST, "path": MASS_SEND, "count": 1},
            {"kind": "errcode", "errcode": 40130, "path": MASS_SEND, "count": 1},
        ],
        (
            "1/3 回复丢失，将再次核实，粉丝不会收到两次, ",
            "1/3 存疑 40130",
            "· 之前的一次调用可能已发送；再次调用被微信拒绝，无法判断是否已发送 · 存疑：1 个批次",
            (
                "→ broadcast resolve {id} --batch 1 --sent"
                " 或 → broadcast resolve {id} --batch 1 --not-"
            ),
        ),
    ),
    "account6": (
        [
            {
                "kind": "errcode",
                "errcode": 45065,
                "path": MASS_SEND,
                "count": 1,
                "when": "before",
                "name_job": False,
            }
        ],
        ("1/3 存疑 45065 · 首次调用时微信就返回“已受理过”，且无法证实 · 存疑：1 个批次",),
    ),
    # The call is verified for minutes, and the doubt is made without another one.
    "account7": (
        [
            {"kind": "errcode", "errcode": 45065, "path": MASS_SEND, "count": 1, "when": "after"},
            {"kind": "errcode", "errcode": 40059, "path": MASS_GET, "count": 1000},
        ],
        (
            "{short} · 首次调用时微信就返回“已受理过”，且无法证实 · 存疑：1 个批次",
            "→ broadcast resolve {id} --batch 1 --sent",
        ),
    ),
    # A person halted it before.
    HALTED: (
        [],
        ("{short} · 已停用：账号 account8，操作者 ", "恢复 → broadcast unhalt --account account8"),
    ),
}


def plant(system: System) -> dict[str, str]:
    """Send by each account to which WeChat does something; return the broadcasts."""
    sent = {}
    system.broadcast("halt", "--account", HALTED)
    for one in system.simulator.accounts:
        for fault in FAILURES[one.name][0]:
            system.simulator.fault(appid=one.appid, **fault)
        people = system.simulator.openids(6, appid=one.appid)
        sent[one.name] = system.send(people, "--account", one.name)["id"]
    return sent


def test_each_failure_says_which_broadcast_why_and_what_to_type(
    start_system: StartSystem, valkey: Valkey, tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    settings: dict[str, Any] = clock.settings
    system = start_system(
        followers=6,
        accounts=8,
        BROADCAST_BATCH_SIZE="2",
        BROADCAST_LANG="zh",
        BROADCAST_WAIT_SCALE="0.02",
        **settings,
    )
    clock.follow(system)
    clock.leave_midnight(system)
    with EventListener(valkey.url) as listener:
        sent = plant(system)
        system.worker()
        system.beat()

        def rows() -> list[str]:
            return [one["exception"] for one in listener.events if one["type"] == "task-failed"]

        def rows_of(name: str) -> list[str]:
            short = sent[name].rpartition("-")[2]
            return [row for row in rows() if row.startswith(f"{short} ")]

        def row_with(name: str) -> str:
            # A plan that ends beside the first call may say the same in fewer words.
            facts = {"id": sent[name], "short": sent[name].rpartition("-")[2]}
            words = [word.format(**facts) for word in FAILURES[name][1]]
            return next(one for one in rows_of(name) if all(word in one for word in words))

        for name in FAILURES:
            row = until(partial(row_with, name), 60, f"the row of {name}")
            assert "： →" not in row
            assert "： ·" not in row
        assert len(rows_of(HALTED)) == 1
