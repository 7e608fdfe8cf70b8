"""From what the client says to what the ledger stores: each reply and failure is one outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from broadcast.rules.calls.attempts import CallResult, NoAnswer
from broadcast.rules.calls.outcomes import ENDPOINTS, Endpoint, Outcome, Scope, meaning, of_send
from broadcast.rules.drafts import Mark, Marks, content_digest
from broadcast.tokens.token_store import TokenFetchError, TokenRefusedError, TokenWaitError
from broadcast.wechat.api.drafts import Article
from broadcast.wechat.api.mass import MassReply, MassSend, MassSendAll
from broadcast.wechat.call_errors import APIError, TransportError, TransportKind

#: Why a question may have no answer; Redis being away is none of WeChat's.
NO_ANSWER: Final = (APIError, TransportError, TokenFetchError, TokenWaitError, TokenRefusedError)
NoAnswerError: TypeAlias = (
    APIError | TransportError | TokenFetchError | TokenWaitError | TokenRefusedError
)

#: `force_refresh` is allowed every 30 s; a longer wait is the limit of the day.
SHORT_WAIT_S: Final = 60


def of_reply(request: MassSend | MassSendAll, reply: MassReply) -> CallResult:
    """Return the result of a JSON reply."""
    return CallResult(
        outcome=of_send(ENDPOINTS[request.path], reply.errcode, msg_id=reply.msg_id),
        errcode=reply.errcode,
        errmsg=reply.errmsg or None,
        rid=reply.rid,
        msg_id=reply.msg_id,
        msg_data_id=reply.msg_data_id,
        http_status=reply.http_status,
        elapsed_ms=reply.elapsed_ms,
    )


def of_failure(error: TransportError) -> CallResult:
    """Return the result of a mass send without an answer of WeChat's own.

    Before the body left nothing was sent and the call waits; after it the outcome is unknown. One
    that came too late to leave may be made at once, after a new claim.
    """
    late = error.kind is TransportKind.TOO_LATE
    unsent = Outcome.NOT_CALLED if late else Outcome.WAIT
    return CallResult(
        outcome=Outcome.UNKNOWN if error.sent else unsent,
        errmsg=str(error),
        transport=error.kind.value,
        http_status=error.http_status,
        elapsed_ms=error.elapsed_ms,
    )


def no_answer(error: NoAnswerError) -> NoAnswer:
    """Return why a question, or its token, got no answer."""
    match error:
        case APIError():
            means = meaning(ENDPOINTS[error.path], error.errcode)
            return NoAnswer(
                outcome=means.outcome,
                scope=means.scope,
                errcode=error.errcode,
                errmsg=error.errmsg or None,
                rid=error.rid,
            )
        case TransportError():
            return _unheard(error)
        case TokenFetchError(errcode=int(errcode)):
            means = meaning(Endpoint.TOKEN, errcode)
            # WeChat's own words went to the process that asked.
            return NoAnswer(outcome=means.outcome, scope=means.scope, errcode=errcode)
        case TokenRefusedError() if error.retry_after_s > SHORT_WAIT_S:
            outcome = Outcome.STOP_ACCOUNT
        case _:
            outcome = Outcome.WAIT
    return NoAnswer(outcome=outcome, scope=Scope.ACCOUNT, errmsg=str(error))


def marks(articles: Sequence[Article]) -> Marks:
    """Return by what an edit of these articles is noticed."""
    return tuple(
        Mark(
            title=one.title,
            author=one.author,
            digest=one.digest,
            cover=one.thumb_media_id,
            content=content_digest(one.content, one.images),
            source_url=one.content_source_url,
            comments=f"{one.need_open_comment}{one.only_fans_can_comment}",
        )
        for one in articles
    )


def _unheard(error: TransportError) -> NoAnswer:
    # Where nothing leaves for WeChat, no send would; what comes back wrong is of this question.
    own = error.sent and ENDPOINTS[error.path] is not Endpoint.TOKEN
    return NoAnswer(
        outcome=Outcome.WAIT,
        scope=Scope.PATH if own else Scope.ACCOUNT,
        errmsg=str(error),
        transport=error.kind.value,
        http_status=error.http_status,
        elapsed_ms=error.elapsed_ms,
    )
