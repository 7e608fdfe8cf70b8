"""From what the client says to what the ledger stores: each reply and failure is one outcome."""

from __future__ import annotations

from broadcast.call.outcomes import Outcome, of_errcode
from broadcast.call.result import CallResult
from wechat.errors import APIError, InvalidRequestError, TransportError, TransportKind
from wechat.values import MassReply


def of_reply(reply: MassReply) -> CallResult:
    """Return the fact of a JSON reply."""
    return CallResult(
        outcome=of_errcode(reply.errcode, msg_id=reply.msg_id),
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


def of_refusal(error: APIError) -> CallResult:
    """Return the fact of an errcode that another interface than mass/send answered."""
    return CallResult(
        outcome=of_errcode(error.errcode, msg_id=0),
        errcode=error.errcode,
        errmsg=error.errmsg or None,
        rid=error.rid,
    )


def of_invalid(error: InvalidRequestError) -> CallResult:
    """Return the fact of a request that the client refused before anything left."""
    return CallResult(outcome=Outcome.STOP_BROADCAST, errmsg=str(error))
