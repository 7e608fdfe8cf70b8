"""The form of an OpenID, and the packing of many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.openid import ERASED, LENGTH, PACKED_LENGTH, is_openid, pack, unpack
from tests.kit.openids import split

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
OPENIDS = st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH)


@given(openids=st.lists(OPENIDS, max_size=50))
def test_what_was_packed_comes_back(openids: list[str]) -> None:
    packed = pack("".join(openids).encode())

    assert len(packed) == PACKED_LENGTH * len(openids)
    assert list(split(unpack(packed))) == openids


@given(packed=st.binary(max_size=10).map(lambda some: some * PACKED_LENGTH))
def test_packed_bytes_have_one_reading_only(packed: bytes) -> None:
    """Two OpenIDs that differ can never be packed alike."""
    assert pack(unpack(packed)) == packed


@given(one=OPENIDS, other=OPENIDS)
def test_packing_keeps_apart_what_differs_in_case_only(one: str, other: str) -> None:
    assert (pack(one.encode()) == pack(other.encode())) == (one == other)
    assert (pack(one.encode()) == pack(one.swapcase().encode())) == (one == one.swapcase())


@given(openid=OPENIDS)
def test_every_openid_has_the_form(openid: str) -> None:
    assert is_openid(openid.encode())


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"o" * 27,
        b"o" * 29,
        b"o" * 28 + b"\n",
        b" " + b"o" * 27,
        b"o" * 27 + b"+",
        b"o" * 27 + b"/",
        b"o" * 27 + b"=",
        b"o" * 27 + b"\x00",
        "微".encode() * 9 + b"o",
        ERASED,
    ],
)
def test_anything_else_is_no_openid(value: bytes) -> None:
    assert not is_openid(value)
