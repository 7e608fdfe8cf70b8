"""Previews: a content to named people, one call each, with what each call ended as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import Endpoint, Outcome
from broadcast.rules.content import Content
from broadcast.rules.hand_calls import ByHand, HandCall, HandResult
from broadcast.rules.media import NO_SUCH_MEDIA
from broadcast.wechat.api.mass import MassPreview, of_preview
from entrypoints.cli.run import Run, who
from entrypoints.cli.wechat_calls import Called, by_hand, uploaded
from models.ledger.lists import media

#: After these nobody else would get it either.
_ENDS: Final = frozenset(
    {
        Outcome.NOT_CALLED,
        Outcome.QUOTA_TODAY,
        Outcome.QUOTA_MONTH,
        Outcome.STOP_ACCOUNT,
        Outcome.STOP_BROADCAST,
        Outcome.TOKEN,
    }
)


@frozen
class PreviewResult:
    """The result of the preview to one receiver; who was not tried has none."""

    receiver: str
    called: Called
    #: Calls that were taken: of several images one each.
    sent: int = 0


def calls_of(run: Run, account: Account, content: Content) -> Sequence[Mapping[str, Any]]:
    """Return the content of each call, with its files uploaded; a later send finds them there."""
    return of_preview(uploaded(run, account, content).value)


def sent(
    run: Run, account: Account, each: Sequence[Mapping[str, Any]], *, receivers: Sequence[str]
) -> Iterator[PreviewResult]:
    """Send it to one after the other, a line each, until nobody else would get it either."""
    untried, over = Called(HandResult(outcome=Outcome.NOT_CALLED)), False
    for receiver in receivers:
        if over:
            run.say("preview.not_tried", receiver=receiver)
            yield PreviewResult(receiver=receiver, called=untried)
            continue
        shown = _to_one(run, account, each, receiver=receiver)
        _say(run, shown)
        yield shown
        over = shown.called.result.outcome in _ENDS


def _to_one(
    run: Run, account: Account, each: Sequence[Mapping[str, Any]], *, receiver: str
) -> PreviewResult:
    """Make the calls for one receiver, of several images one each; return the last one's end."""
    called = Called(HandResult(outcome=Outcome.NOT_CALLED))
    for sent, content in enumerate(each):
        order = HandCall(kind=ByHand.PREVIEW, who=who(), target=receiver)
        request = MassPreview(receiver=receiver, content=content)
        called = by_hand(run, account, order, request=request, at=Endpoint.PREVIEW)
        if called.result.errcode == NO_SUCH_MEDIA and "media_id" in content[content["msgtype"]]:
            # Whoever runs the command again has the file uploaded again.
            media.mark_lost(run.engine, account, [content[content["msgtype"]]["media_id"]])
        if not called.result.done:
            return PreviewResult(receiver=receiver, called=called, sent=sent)
    return PreviewResult(receiver=receiver, called=called, sent=len(each))


def _say(run: Run, shown: PreviewResult) -> None:
    receiver, called = shown.receiver, shown.called
    if shown.sent and not called.result.done:
        run.say("preview.partly", receiver=receiver, n=shown.sent)
    end = called.end("sent")
    run.say(Message(f"preview.{end}", receiver=receiver, why=called.why()))
