"""WeChat's idempotency key."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.rules.calls.clientmsgid import clientmsgid_of

PARTS = {"appid": "wx0123456789abcdef", "key": "spring", "content": '{"a":1}', "packed": b"x" * 42}


@given(appid=st.text(), key=st.text(), content=st.text(), packed=st.binary())
def test_clientmsgid_is_25_ascii_characters(
    appid: str, key: str, content: str, packed: bytes
) -> None:
    made = clientmsgid_of(appid=appid, key=key, content=content, packed=packed)

    assert re.fullmatch(r"[a-z2-7]{25}", made)


def test_clientmsgid_never_changes() -> None:
    """Written down: a new version that makes another key would send twice after an update."""
    assert clientmsgid_of(**PARTS) == "ecfqtfwyxyuscmsyou736td3h"  # type: ignore[arg-type]


def test_clientmsgid_is_base32_of_the_sha_256_of_its_parts() -> None:
    parts = [b"wx0123456789abcdef", b"spring", b'{"a":1}', b"x" * 42]
    joined = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    digest = base64.b32encode(hashlib.sha256(joined).digest()).decode().lower()

    assert clientmsgid_of(**PARTS) == digest[:25]  # type: ignore[arg-type]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_makes_another_key(part: str) -> None:
    other = PARTS | {part: PARTS[part] + PARTS[part][:1]}  # type: ignore[operator]

    assert clientmsgid_of(**other) != clientmsgid_of(**PARTS)  # type: ignore[arg-type]


def test_parts_do_not_run_into_each_other() -> None:
    moved = PARTS | {"appid": "wx0123456789abcde", "key": "fspring"}

    assert clientmsgid_of(**moved) != clientmsgid_of(**PARTS)  # type: ignore[arg-type]
