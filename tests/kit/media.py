"""Small files of every format that WeChat takes, made here so that each byte is known."""

from __future__ import annotations

import io
import struct

from PIL import Image

AMR_FRAME = bytes([0x3C]) + b"\x00" * 31  # 12.2 kbit/s, 20 ms
MP3_FRAME = b"\xff\xfb\x90\x00" + b"\x00" * 413  # 128 kbit/s, 44.1 kHz, 1152 samples
MP3_FRAME_S = 1152 / 44_100


def picture(kind: str = "JPEG", *, size: tuple[int, int] = (60, 40), seed: int = 0) -> bytes:
    """A picture; another *seed* is another picture."""
    made = io.BytesIO()
    Image.new("RGB", size, (seed % 256, 120, 200)).save(made, kind)
    return made.getvalue()


def amr(seconds: float = 2) -> bytes:
    """A voice message in AMR."""
    return b"#!AMR\n" + AMR_FRAME * round(seconds * 50)


def mp3(seconds: float = 2) -> bytes:
    """A voice message in MP3."""
    return MP3_FRAME * round(seconds / MP3_FRAME_S)


def wav(seconds: float = 2) -> bytes:
    """A voice message in WAV, 8 kHz."""
    data = b"\x00" * round(8000 * seconds)
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    rest = b"WAVE" + head + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(rest)) + rest


def mp4(seconds: int = 3, *, handler: bytes = b"vide", seed: int = 0) -> bytes:
    """A video of one track; another *seed* is another video."""
    mvhd = struct.pack(">IIIIIIH10x36s24xI", 0, 0, 0, 1000, seconds * 1000, 0x10000, 256, b"", 2)
    hdlr = struct.pack(">II4s12x", 0, 0, handler) + b"\x00"
    trak = _box(b"trak", _box(b"mdia", _box(b"hdlr", hdlr)))
    moov = _box(b"moov", _box(b"mvhd", mvhd) + trak)
    return _box(b"ftyp", b"isom\x00\x00\x02\x00isommp41") + moov + _box(b"mdat", bytes([seed]) * 64)


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content
