"""A broadcast's content in a few words; and the state of its draft."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from broadcast.message import Message
from broadcast.rules import media
from broadcast.rules.content import MSGTYPES, Content, preview, shortened
from broadcast.rules.drafts import Change, Marks, Part, changes
from broadcast.rules.reports import DraftView, Report
from broadcast.views.objects import members, utc_if_any
from broadcast.views.texts import Texts
from broadcast.views.words import Joined, Shortened, printable


def name(report: Report) -> str:
    """Return the title that a person gave, or else the first words of the content."""
    return printable(report.title or _first_words(report))


def in_a_list(report: Report, texts: Texts) -> str:
    """Return the kind as well, where there is room for it."""
    return texts("list.kind", msgtype=kind(report.msgtype), name=name(report))


def line(report: Report) -> Message:
    """Return title, kind, first words and account as a line of a report."""
    facts = {"msgtype": kind(report.msgtype), "words": _words(report), "account": report.account}
    if report.title:
        return Message("report.content_titled", title=printable(report.title), **facts)
    return Message("report.content", **facts)


def _words(report: Report) -> str | Message:
    """Return the first words, or what the articles are called where that is known."""
    if marks := _articles(report):
        return titles(marks)
    return printable(_first_words(report))


def _articles(report: Report) -> Marks | None:
    return (report.draft.seen or report.draft.approved) if report.draft else None


def _first_words(report: Report) -> str:
    """Return the names of articles or files where they are known, else the first words."""
    if marks := _articles(report):
        return shortened(marks[0].title)
    if report.files:
        return shortened(", ".join(report.files))
    return preview(json.loads(report.content))


def kind(msgtype: str) -> Message:
    """Return the kind of content: a text, pictures, an article."""
    # A newer release may know more kinds than this one.
    return Message(f"msgtype.{msgtype}") if msgtype in MSGTYPES else _newer(msgtype)


def _newer(word: str) -> Message:
    return Message("word.newer", word=word)


def written(content: Content, names: Mapping[str, str]) -> Iterator[Message | str]:
    """Yield the parts of a content, a line each; a person's own words as they were written.

    *names* are what people call its media_ids.
    """
    value = content.value
    part = value["images" if content.msgtype == "image" else content.msgtype]
    if content.msgtype == "text":
        yield from part["content"].splitlines()
        return
    for media_id, _ in media.used(value):
        yield names.get(media_id) or Message("confirmation.part.media_id", media_id=media_id)
    for name in _MEMBERS:
        if part.get(name):
            yield Message(f"confirmation.part.{name}", text=printable(part[name]))
    yield from _switches(value, part)


def _switches(value: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Message]:
    if part.get("need_open_comment"):
        who = "followers" if part.get("only_fans_can_comment") else "all"
        yield Message("confirmation.part.comments", who=Message(f"draft.comments.{who}"))
    if value.get("send_ignore_reprint"):
        yield Message("confirmation.part.reprint")


#: Of a part, what a person is shown beside its media.
_MEMBERS = ("title", "description", "recommend", "card_id")


def titles(marks: Marks) -> str | Message:
    """Return the title of the first article, and how many others there are."""
    first = printable(marks[0].title)
    if len(marks) == 1:
        return first
    return Message("draft.titles", first=first, n=len(marks))


def changed(draft: DraftView | None) -> Message:
    """Return the changes of an edit in words."""
    found = [] if draft is None else edits(draft)
    if not found:
        return Message("draft.changed_unknown")
    return Message("draft.changed", changes=Shortened([_change(one) for one in found]))


def edits(draft: DraftView) -> Sequence[Change]:
    """Return the differences between the draft that was to go out and the one seen last."""
    if draft.approved is None or draft.seen is None:
        return ()
    return list(changes(draft.approved, draft.seen))


def _change(one: Change) -> Message:
    facts = {"before": printable(one.before), "now": printable(one.now)}
    parts = [Message(f"draft.part.{part}", **facts) for part in one.parts]
    return Message("draft.change", n=one.article, parts=Joined(parts, "comma"))


def drafts_json(draft: DraftView | None) -> dict[str, Any]:
    """Return a broadcast's draft for ``--json``; nothing where it sends none."""
    if draft is None:
        return {}
    known = draft.approved if draft.seen is None else draft.seen
    return {
        "draft": {
            "media_id": draft.media_id,
            "titles": None if known is None else [mark.title for mark in known],
            "looked_at": utc_if_any(draft.looked_at),
            "changes": [
                {
                    "article": one.article,
                    "parts": [Part(part).value for part in one.parts],
                    **members(one, "before", "now"),
                }
                for one in edits(draft)
            ],
        }
    }
