"""Pushes: what is stored of one, to handle it and to know it again; and keywords of followers.

Of a follower's message nothing is kept but who wrote, when, and which keyword it was; of an event
who caused it and when. The end of a job alone is kept as WeChat wrote it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from broadcast import openid
from broadcast.digests import sha256
from broadcast.frozen import frozen
from broadcast.rules import finish_events
from broadcast.rules.calls.attempts import LARGEST_MSG_ID
from broadcast.rules.finish_events import UnreadableFinishError, moment, number

#: WeChat's name of a message that is an event.
EVENT: Final = "event"
SUBSCRIBE: Final = "subscribe"
UNSUBSCRIBE: Final = "unsubscribe"
#: Every other event is kept and ignored.
HANDLED: Final = frozenset({finish_events.EVENT, SUBSCRIBE, UNSUBSCRIBE})
#: WeChat's own names are half as long.
_LONGEST_KIND: Final = 64


@frozen
class Push:
    """One push of WeChat to one account's server."""

    account: str
    #: The event's name, or ``message.`` and the message's type.
    kind: str
    #: The same for every repeat of this push, and for no other push of the account.
    dedup: str
    #: Who followed, left or wrote; of a finished job it is WeChat's own helper.
    openid: str | None
    msg_id: int | None
    #: WeChat's CreateTime.
    happened_at: datetime | None
    action: Action | None = None
    #: The end of a job as WeChat wrote it (XML or JSON); of all else, a place say, nothing is kept.
    body: str = field(default="", repr=False)

    @property
    def needs_handling(self) -> bool:
        """True if there is anything to do beside keeping it."""
        return self.action is not None or self.kind in HANDLED


def push_of(
    account: str, fields: Mapping[str, Any], *, text: str, action: Action | None = None
) -> Push:
    """Return what is stored of a push with these fields; *text* is how WeChat wrote them."""
    is_event = fields.get("MsgType") == EVENT
    name = str(fields.get("Event" if is_event else "MsgType", ""))
    kind = name if is_event else f"message.{name}"
    sender = str(fields.get("FromUserName", ""))
    return Push(
        account=account,
        kind=kind[:_LONGEST_KIND],
        dedup=_dedup(kind, sender, fields),
        openid=sender if openid.is_openid(sender.encode()) else None,
        # WeChat writes MsgID in the end of a job and MsgId in a message.
        msg_id=number(fields.get("MsgID" if is_event else "MsgId"), most=LARGEST_MSG_ID),
        # Up to the year 2286; a time of the database's begins in year 1 and ends in 9999.
        happened_at=moment(number(fields.get("CreateTime"), most=10**10 - 1)),
        action=action,
        body=text if is_event and name == finish_events.EVENT else "",
    )


def _dedup(kind: str, sender: str, fields: Mapping[str, Any]) -> str:
    """Return a digest of what makes a push itself.

    The end of a job comes from one sender whatever the job, so two that end in the same second
    differ in their MsgID alone. Of one job everything counts that is said of it: other counts, or
    the same ones said later, are another push, and what they mean is the ledger's to decide.
    """
    said = _said_of_job(fields) if kind == finish_events.EVENT else None
    if said is not None:
        parts = [kind, said]
    elif fields.get("MsgId"):
        parts = [kind, sender, str(fields["MsgId"])]
    else:
        names = ("CreateTime", "EventKey", "MsgID", "Status")
        parts = [kind, sender, *(str(fields.get(name, "")) for name in names)]
    return sha256("\0".join(parts))


def _said_of_job(fields: Mapping[str, Any]) -> str | None:
    """Return all that the end of a job says, the same in either form; None: of no job."""
    try:
        event = finish_events.read_finish(fields)
    except UnreadableFinishError:
        return None
    return json.dumps(asdict(event), default=str)


#: What undoes an unsubscription where no other word is set.
RESUBSCRIBE: Final = ("订阅",)
_LONGEST_WORD: Final = 32
#: WeChat cuts what is longer; found by test, its page names no limit.
_MOST_REPLY_BYTES: Final = 2048


class Action(StrEnum):
    """Action of a keyword."""

    UNSUBSCRIBE = "unsubscribe"
    RESUBSCRIBE = "resubscribe"


def folded(text: str) -> str:
    """Return what is compared of a message or a keyword."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _words(value: object) -> object:
    """Take a list, or words with commas between them as the environment has them."""
    if isinstance(value, str):
        written, value = value, value.replace("，", ",").split(",")
        if written.strip() and not any(word.strip() for word in value):
            raise ValueError("commas alone are no keyword")
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return tuple(word for word in map(str.strip, value) if word)
    return value


def _checked(words: tuple[str, ...]) -> tuple[str, ...]:
    if not all(0 < len(folded(word)) <= _LONGEST_WORD for word in words):
        raise ValueError("a keyword has 1 to 32 characters")
    return words


def _answer(text: str) -> str:
    if not text.strip() or len(text.encode()) > _MOST_REPLY_BYTES:
        raise ValueError("a reply has 1 to 2048 bytes")
    return text


def _pairs(value: object) -> Any:  # noqa: ANN401 - pydantic checks what comes out
    """Take a table, or the JSON object that the environment has."""
    if isinstance(value, str):
        value = json.loads(value)
    return tuple(value.items()) if isinstance(value, dict) else value


def _checked_pairs(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    _checked(tuple(word for word, _ in pairs))
    for _, text in pairs:
        _answer(text)
    return pairs


Words: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_checked)]
Answer: TypeAlias = Annotated[str, AfterValidator(_answer)]
#: Keyword and text, in order.
Replies: TypeAlias = Annotated[
    tuple[tuple[str, str], ...], BeforeValidator(_pairs), AfterValidator(_checked_pairs)
]


@frozen
class MessageMeaning:
    """Action of a follower's message, and the immediate answer; most have neither."""

    action: Action | None = None
    reply: str | None = None


_NOTHING: Final = MessageMeaning()


@frozen
class Keywords:
    """The keywords of one account. Without a word to unsubscribe there is none to undo it."""

    by_word: Mapping[str, MessageMeaning]

    @classmethod
    def from_settings(
        cls,
        *,
        unsubscribe: tuple[str, ...],
        resubscribe: tuple[str, ...],
        replies: tuple[tuple[str, str], ...],
        answers: Mapping[Action, str],
    ) -> Keywords:
        """Build them from what is set. Raises KeyError with a word that has two meanings."""
        found: dict[str, MessageMeaning] = {}
        rules = {Action.UNSUBSCRIBE: unsubscribe}
        if unsubscribe:
            rules[Action.RESUBSCRIBE] = resubscribe
        meanings = [
            (word, MessageMeaning(action=action, reply=answers[action]))
            for action, words in rules.items()
            for word in words
        ]
        meanings += [(word, MessageMeaning(reply=text)) for word, text in replies]
        for word, heard in meanings:
            if found.setdefault(folded(word), heard) != heard:
                raise KeyError(word)
        return cls(by_word=found)

    def meaning_of(self, text: str) -> MessageMeaning:
        """Return what a message asks for."""
        # Before it is folded: a long text costs time, and is no keyword.
        if len(text) > 4 * _LONGEST_WORD:
            return _NOTHING
        return self.by_word.get(folded(text), _NOTHING)
