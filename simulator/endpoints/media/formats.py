"""The format of a file, by its first bytes, and the length of a sound (section 7)."""

from __future__ import annotations

from collections.abc import Iterator

JPEG, PNG, GIF, BMP, MP4 = "jpeg", "png", "gif", "bmp", "mp4"
AMR, MP3, WAV, WMA = "amr", "mp3", "wav", "wma"

CONTENT_TYPES = {
    JPEG: "image/jpeg",
    PNG: "image/png",
    GIF: "image/gif",
    BMP: "image/bmp",
    MP4: "video/mp4",
    AMR: "audio/amr",
    MP3: "audio/mpeg",
    WAV: "audio/wav",
    WMA: "audio/x-ms-wma",
}
_STARTS = {
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF8": GIF,
    b"BM": BMP,
    b"#!AMR\n": AMR,
    b"ID3": MP3,
    b"\x30\x26\xb2\x75": WMA,
}
_AMR_HEAD = 6
_AMR_FRAME_S = 0.02
# Bytes of a frame by its mode, without the byte that names the mode.
_AMR_SIZES = (12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, 0, 0, 0, 0)

_ID3_HEAD = 10
# kbit/s of layer III by the index in a frame's head, and Hz: of MPEG 1, and of 2 and 2.5.
_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_HERTZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MPEG_1 = 3
_LAYER_III = 1
_RESERVED = 3


def format_of(content: bytes) -> str | None:
    """Return the format of a file, None for nothing that WeChat takes."""
    for start, name in _STARTS.items():
        if content.startswith(start):
            return name
    if content[4:8] == b"ftyp":
        return MP4
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return WAV
    return MP3 if next(_mp3_frames(content[:4]), None) else None


def seconds_of(content: bytes, format_: str) -> float | None:
    """Return the length of an AMR or MP3, None for other files."""
    if format_ == AMR:
        return _amr_seconds(content)
    return sum(_mp3_frames(content)) if format_ == MP3 else None


def _amr_seconds(content: bytes) -> float:
    at, frames = _AMR_HEAD, 0
    while at < len(content):
        at += 1 + _AMR_SIZES[content[at] >> 3 & 15]
        frames += 1
    return frames * _AMR_FRAME_S


def _mp3_frames(content: bytes) -> Iterator[float]:
    """Yield the seconds of each frame, from the first one until something else comes."""
    at = 0
    if content.startswith(b"ID3") and len(content) >= _ID3_HEAD:
        size = content[6] << 21 | content[7] << 14 | content[8] << 7 | content[9]
        at = _ID3_HEAD + size
    while at + 4 <= len(content) and (frame := _mp3_frame(content[at : at + 4])):
        size, seconds = frame
        yield seconds
        at += size


def _mp3_frame(head: bytes) -> tuple[int, float] | None:
    """Return bytes and seconds of a frame of layer III, by its head."""
    word = int.from_bytes(head, "big")
    version, layer = word >> 19 & 3, word >> 17 & 3
    rate, hertz = word >> 12 & 15, word >> 10 & 3
    rates = _RATES_1 if version == _MPEG_1 else _RATES_2
    legal = (
        version in _HERTZ and layer == _LAYER_III and 0 < rate < len(rates) and hertz < _RESERVED
    )
    if word >> 21 != 2**11 - 1 or not legal:
        return None
    samples, per_second = (1152 if version == _MPEG_1 else 576), _HERTZ[version][hertz]
    size = samples * rates[rate] * 125 // per_second + (word >> 9 & 1)
    return size, samples / per_second
