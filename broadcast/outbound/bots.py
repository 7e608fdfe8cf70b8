"""One text to one bot: only the bot's own word in its answer says that it is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from broadcast.outbound import mail
from broadcast.outbound.posting import Poster, PostResult
from broadcast.rules import notices
from broadcast.rules.notices import Bot, Receiver


def say(poster: Poster, receiver: Receiver, text: str) -> PostResult:
    """Post *text* to *receiver* once, signed where it asks for that. Never raises."""
    if receiver.bot is Bot.MAIL:
        return mail.send(poster, receiver, text)
    url, body = notices.request_of(receiver, text, at=datetime.now(UTC))
    result = poster.post(url, body, signature={})
    if result.problem is not None:
        return result
    # A bot or a proxy may answer with what was posted to it.
    answer = receiver.masked(result.answer)
    return replace(result, problem=notices.refusal(receiver.bot, answer), answer=answer)
