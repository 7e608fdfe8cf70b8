"""The receivers of docs/webhooks.md verify what we sign, and nothing else."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from broadcast.rules import webhooks
from tests.kit.processes import RunningProcess
from tests.kit.receiver import OLDER_SECRET, SECRET
from tests.kit.wait import until
from tests.servers.ports import free_port

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BODY = json.dumps({"type": "broadcast.completed", "data": {"title": "大促"}}).encode()


def signed(*secrets: str, at: datetime | None = None) -> dict[str, str]:
    known = webhooks.parse_secrets(",".join(secrets))
    moment = at or datetime.now(UTC)
    return dict(webhooks.signed_headers("20261127-k3x9qa-12", BODY, at=moment, secrets=known))


@pytest.mark.parametrize("block", [0, 1])
@pytest.mark.parametrize("page", ["webhooks.md", "webhooks.zh.md"])
def test_a_receiver_of_the_page_takes_what_is_signed_and_refuses_the_rest(
    page: str, block: int
) -> None:
    room: dict[str, Any] = {}
    blocks = BLOCK.findall((DOCS / page).read_text("utf-8"))
    exec(compile(blocks[block], page, "exec"), room)
    verified: Callable[[str, dict[str, str], bytes], dict[str, Any]] = room["verified"]

    assert len(blocks) == 3
    for secret in (SECRET, OLDER_SECRET):
        assert verified(secret, signed(SECRET, OLDER_SECRET), BODY)["data"]["title"] == "大促"
    for headers, body in (
        (signed(OLDER_SECRET), BODY),
        (signed(SECRET), BODY + b" "),
        (signed(SECRET, at=datetime.now(UTC) - timedelta(minutes=6)), BODY),
        ({**signed(SECRET), "webhook-id": "another"}, BODY),
    ):
        with pytest.raises(Exception, match=r"signature|old|签名不对|太旧"):
            verified(SECRET, headers, body)


@pytest.mark.parametrize("page", ["webhooks.md", "webhooks.zh.md"])
def test_the_whole_receiver_of_the_page_handles_each_event_once(tmp_path: Path, page: str) -> None:
    _, verify, receiver = BLOCK.findall((DOCS / page).read_text("utf-8"))
    port, program = free_port(), tmp_path / "receiver.py"
    assert receiver.count("8000") == 1
    program.write_text(verify + receiver.replace("8000", str(port)), "utf-8")
    env = {"WEBHOOK_SECRET": SECRET}
    body = json.dumps({"type": "broadcast.completed", "data": {"id": "20261127-k3x9qa"}}).encode()
    known = webhooks.parse_secrets(SECRET)
    good = dict(
        webhooks.signed_headers("20261127-k3x9qa-12", body, at=datetime.now(UTC), secrets=known)
    )

    def post(headers: dict[str, str]) -> int:
        url = f"http://127.0.0.1:{port}/"
        return requests.post(url, data=body, headers=headers, timeout=30).status_code

    command = [sys.executable, str(program)]
    with RunningProcess(command, log=tmp_path / "log", env=env, cwd=tmp_path) as process:
        until(lambda: is_open(port), 30, "the receiver to listen")
        answers = [post(one) for one in (good, good, {**good, "webhook-id": "x"}, {})]
        process.wait_for_line("broadcast.completed 20261127-k3x9qa", timeout_s=30)

    assert answers == [204, 204, 400, 400]
    assert process.output.count("broadcast.completed") == 1


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
