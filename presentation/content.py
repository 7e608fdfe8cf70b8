"""What a broadcast says, in a few words, so that broadcasts can be told apart."""

from __future__ import annotations

import json

from broadcast.content import MSGTYPES, preview
from broadcast.message import Message
from broadcast.reports import Report


def as_json(canonical: str | None) -> dict[str, str] | None:
    """Return ``msgtype`` and ``preview`` of WeChat's content object as JSON; None for None."""
    if canonical is None:
        return None
    value = json.loads(canonical)
    return {"msgtype": value["msgtype"], "preview": preview(value)}


def name(report: Report) -> str:
    """Return the title that a person gave, or else the first words of the content."""
    return _in_one_line(report.title or preview(json.loads(report.content)))


def line(report: Report) -> Message:
    """Return title, kind and first words as a line of a report."""
    value = json.loads(report.content)
    kind = value["msgtype"]
    # A newer release may know more kinds than this one.
    msgtype = Message(f"msgtype.{kind}") if kind in MSGTYPES else Message("word.newer", word=kind)
    facts = {"msgtype": msgtype, "words": _in_one_line(preview(value))}
    if report.title:
        return Message("report.content_titled", title=_in_one_line(report.title), **facts)
    return Message("report.content", **facts)


def _in_one_line(text: str) -> str:
    """Return *text* without what would move the cursor of a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
