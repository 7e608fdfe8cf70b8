"""Bodies of uploads: multipart/form-data (section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

from simulator.core.errors import RefusalError

_HEADERS = BytesHeaderParser()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One field of a form; a file has a name."""

    name: str
    filename: str | None
    content: bytes


def form_of(content_type: str, body: bytes) -> dict[str, Part]:
    """Return the fields of a form by their names.

    Raises:
        RefusalError: 41005, it is no form.
    """
    boundary = _parameter(content_type, "boundary")
    if boundary is None:
        raise RefusalError(41005)
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    parts = [_part(piece[2:]) for piece in pieces[1:] if not piece.startswith(b"--")]
    return {part.name: part for part in parts}


def _part(piece: bytes) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    disposition = _HEADERS.parsebytes(head + b"\r\n\r\n")["content-disposition"] or ""
    name = _parameter(disposition, "name") or ""
    return Part(name=name, filename=_parameter(disposition, "filename"), content=content)


def _parameter(header: str, name: str) -> str | None:
    message = Message()
    message["x"] = header
    value = message.get_param(name, header="x")
    if isinstance(value, tuple):  # as RFC 2231 writes what is not ASCII
        charset, _, encoded = value
        return encoded.encode("latin-1").decode(charset or "utf-8", errors="replace")
    return value
