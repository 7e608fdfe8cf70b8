"""The receivers of docs/webhooks.md verify what we sign, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broadcast.webhooks import signature
from tests.kit.receiver import OLDER_SECRET, SECRET

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BODY = json.dumps({"type": "broadcast.completed", "data": {"title": "大促"}}).encode()


def signed(*secrets: str, at: datetime | None = None) -> dict[str, str]:
    known = signature.parse_secrets(",".join(secrets))
    moment = at or datetime.now(UTC)
    return dict(signature.headers("20261127-k3x9qa-12", BODY, at=moment, secrets=known))


@pytest.mark.parametrize("block", [0, 1])
@pytest.mark.parametrize("page", ["webhooks.md", "webhooks.zh.md"])
def test_a_receiver_of_the_page_takes_what_is_signed_and_refuses_the_rest(
    page: str, block: int
) -> None:
    room: dict[str, Any] = {}
    blocks = BLOCK.findall((DOCS / page).read_text("utf-8"))
    exec(compile(blocks[block], page, "exec"), room)
    verified: Callable[[str, dict[str, str], bytes], dict[str, Any]] = room["verified"]

    assert len(blocks) == 2
    for secret in (SECRET, OLDER_SECRET):
        assert verified(secret, signed(SECRET, OLDER_SECRET), BODY)["data"]["title"] == "大促"
    for headers, body in (
        (signed(OLDER_SECRET), BODY), (signed(SECRET), BODY + b" "),
        (signed(SECRET, at=datetime.now(UTC) - timedelta(minutes=6)), BODY),
        ({**signed(SECRET), "webhook-id": "another"}, BODY),
    ):  # fmt: skip
        with pytest.raises(Exception, match=r"signature|old|签名不对|太旧"):
            verified(SECRET, headers, body)
