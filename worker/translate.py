"""From what the client says to what the ledger stores: each reply and failure is one outcome."""

from __future__ import annotations

from broadcast.call.outcomes import Endpoint, Outcome, Scope, meaning, of_send
from broadcast.call.result import CallResult, NoAnswer
from wechat.errors import APIError, InvalidRequestError, TransportError, TransportKind
from wechat.values import MassReply


def of_reply(endpoint: Endpoint, reply: MassReply) -> CallResult:
    """Return the result of a JSON reply."""
    return CallResult(
        outcome=of_send(endpoint, reply.errcode, msg_id=reply.msg_id),
        errcode=reply.errcode,
        errmsg=reply.errmsg or None,
        rid=reply.rid,
        msg_id=reply.msg_id,
        msg_data_id=reply.msg_data_id,
        http_status=reply.http_status,
        elapsed_ms=reply.elapsed_ms,
    )


def of_failure(error: TransportError) -> CallResult:
    """Return the fact of a call without an answer of WeChat's own.

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


def no_answer(endpoint: Endpoint, error: APIError | TransportError) -> NoAnswer:
    """Return why a question to *endpoint* got no answer."""
    if isinstance(error, APIError):
        means = meaning(endpoint, error.errcode)
        return NoAnswer(
            outcome=means.outcome, scope=means.scope, errcode=error.errcode,
            errmsg=error.errmsg or None, rid=error.rid,
        )  # fmt: skip
    # Where nothing leaves for WeChat, no send would; what comes back wrong is of this question.
    scope = Scope.PATH if error.sent and endpoint is not Endpoint.TOKEN else Scope.ACCOUNT
    return NoAnswer(
        outcome=Outcome.WAIT, scope=scope, errmsg=str(error), transport=error.kind.value,
        http_status=error.http_status, elapsed_ms=error.elapsed_ms,
    )  # fmt: skip


def of_invalid(error: InvalidRequestError) -> CallResult:
    """Return the fact of a request that the client refused before anything left."""
    return CallResult(outcome=Outcome.STOP_BROADCAST, errmsg=str(error))
