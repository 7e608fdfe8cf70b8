"""OpenIDs, packed and generated, many at a time.

An OpenID is 28 characters of the URL-safe base64 alphabet (section 8), which is exactly 21
bytes. Packed OpenIDs are numpy rows of 21 bytes: a list of 10,000 is handled without a loop
in Python, and a million generated followers need no memory at all.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Rows: TypeAlias = npt.NDArray[np.uint8]
Words: TypeAlias = npt.NDArray[np.uint64]
Numbers: TypeAlias = npt.NDArray[np.int64]

LENGTH = 28
PACKED = 21
CHUNK = 50_000
_PADDED = 24  # three words

_URLSAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")
_SIX_BITS_OF_O = 40

# The finaliser of SplitMix64, a bijection on 64-bit words, and the inverses of its factors.
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_INVERSES = tuple(pow(factor, -1, 2**64) for factor in _FACTORS)


class MalformedOpenIDError(ValueError):
    """At least one string is not 28 characters of `[A-Za-z0-9_-]`."""

    def __init__(self) -> None:
        super().__init__("an OpenID is 28 characters of [A-Za-z0-9_-]")


def pack(openids: Sequence[object]) -> Rows:
    """Return one row of 21 bytes per OpenID, in order.

    Raises:
        MalformedOpenIDError: one of them is not a well-formed OpenID.
    """
    if not openids:
        return np.empty((0, PACKED), np.uint8)
    try:
        joined = "".join(openids).encode("ascii")  # type: ignore[arg-type]
    except (TypeError, UnicodeEncodeError) as error:
        raise MalformedOpenIDError from error
    if set(map(len, openids)) != {LENGTH} or joined.translate(None, _URLSAFE):  # type: ignore[arg-type]
        raise MalformedOpenIDError
    raw = binascii.a2b_base64(joined.translate(_TO_STANDARD))
    return np.frombuffer(raw, np.uint8).reshape(-1, PACKED)


def unpack(rows: Rows) -> npt.NDArray[np.uint8]:
    """Return one row of 28 ASCII codes per packed OpenID."""
    text = binascii.b2a_base64(rows.tobytes(), newline=False).translate(_TO_URLSAFE)
    return np.frombuffer(text, np.uint8).reshape(-1, LENGTH)


def unpack_strings(rows: Rows) -> list[str]:
    """Return the OpenIDs as strings."""
    text = unpack(rows).tobytes().decode("ascii")
    return [text[at : at + LENGTH] for at in range(0, len(text), LENGTH)]


@dataclass(frozen=True, slots=True)
class Generator:
    """The followers of one account as a function of their number.

    Row of number n: 6 characters that are the account's, then a keyed bijection of n, then a
    keyed digest of that. So membership is arithmetic, and an invented OpenID, or one of another
    account, is a member with a chance of 2^-64.
    """

    head: int
    key: int
    digest_key: int

    @classmethod
    def of(cls, appid: str, *, seed: int = 0) -> Generator:
        """The generator of an account; another seed gives other OpenIDs."""
        digest = hashlib.sha256(f"{appid}\0{seed}".encode()).digest()
        words = [int.from_bytes(digest[at : at + 8], "big") for at in (0, 8, 16)]
        prefix = _SIX_BITS_OF_O << 30 | words[0] >> 34
        return cls(prefix << 4, words[1], words[2])

    def rows(self, numbers: Words) -> Rows:
        """Return the packed OpenIDs of these follower numbers."""
        words = _mix(numbers ^ np.uint64(self.key))
        digests = _mix(words ^ np.uint64(self.digest_key))
        rows = np.empty((len(numbers), PACKED), np.uint8)
        rows[:, :5] = np.frombuffer(self.head.to_bytes(5, "big"), np.uint8)
        rows[:, 4] |= (digests & np.uint64(15)).astype(np.uint8)
        rows[:, 5:13] = _big_endian_bytes(words)
        rows[:, 13:] = _big_endian_bytes(digests)
        return rows

    def numbers(self, rows: Rows) -> Numbers:
        """Return each row's follower number, -1 where it is not of this account."""
        words = _big_endian_words(rows[:, 5:13])
        digests = _big_endian_words(rows[:, 13:])
        ours = digests == _mix(words ^ np.uint64(self.digest_key))
        head = np.frombuffer(self.head.to_bytes(5, "big"), np.uint8)
        ours &= (rows[:, :4] == head[:4]).all(axis=1)
        ours &= rows[:, 4] == head[4] | (digests & np.uint64(15)).astype(np.uint8)
        numbers = _unmix(words) ^ np.uint64(self.key)
        ours &= numbers < np.uint64(2**31)
        return np.where(ours, numbers.astype(np.int64), -1)


def digests(rows: Rows) -> Words:
    """Return 64 bits for each packed OpenID, as good as different for different ones."""
    padded = np.zeros((len(rows), _PADDED), np.uint8)
    padded[:, :PACKED] = rows
    first, second, third = padded.view(np.uint64).T
    return _mix(_mix(_mix(first) ^ second) ^ third)


def generated_openids(appid: str, *, count: int, start: int = 0, seed: int = 0) -> list[str]:
    """Return OpenIDs of an account's generated followers, from number `start` on."""
    numbers = np.arange(start, start + count, dtype=np.uint64)
    return unpack_strings(Generator.of(appid, seed=seed).rows(numbers))


def openid_lines(appid: str, *, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield the first `count` generated OpenIDs as text, one a line, in large pieces."""
    generator = Generator.of(appid, seed=seed)
    for start in range(0, count, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, count), dtype=np.uint64)
        lines = np.full((len(numbers), LENGTH + 1), ord("\n"), np.uint8)
        lines[:, :LENGTH] = unpack(generator.rows(numbers))
        yield lines.tobytes()


def _mix(words: Words) -> Words:
    words = (words ^ words >> np.uint64(30)) * np.uint64(_FACTORS[0])
    words = (words ^ words >> np.uint64(27)) * np.uint64(_FACTORS[1])
    return words ^ words >> np.uint64(31)


def _unmix(words: Words) -> Words:
    words = words ^ words >> np.uint64(31) ^ words >> np.uint64(62)
    words *= np.uint64(_INVERSES[1])
    words = words ^ words >> np.uint64(27) ^ words >> np.uint64(54)
    words *= np.uint64(_INVERSES[0])
    mixed: Words = words ^ words >> np.uint64(30) ^ words >> np.uint64(60)
    return mixed


def _big_endian_bytes(words: Words) -> Rows:
    return words.astype(">u8").view(np.uint8).reshape(-1, 8)


def _big_endian_words(rows: Rows) -> Words:
    return np.ascontiguousarray(rows).view(">u8").reshape(-1).astype(np.uint64)
