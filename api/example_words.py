"""Examples of the answers to words, by operation: each shows how it stands after its word.

A test says each word to a server and holds the examples against its answers.
"""

from __future__ import annotations

from typing import Any, Final

from api.example_answers import AT, BATCHES, BROADCAST, LETTER, SETS, WEBHOOK
from api.examples import ID, RESOLVED, WHY
from broadcast.message import Message
from presentation.for_programs import refusal
from presentation.texts import Texts

_ONE, _TWO = BROADCAST["batch_list"]
_ENDED: Final = {"waiting": 0}


def _done(word: str, **more: object) -> dict[str, Any]:
    return {"at": AT, "who": "shop", "action": word, "why": WHY.get(word), **more}


_PAUSED: Final[dict[str, Any]] = BROADCAST | {"changed": True}
_RESUMED: Final[dict[str, Any]] = _PAUSED | {
    "state": "sending", "blockers": [], "operator_actions": [_done("pause"), _done("resume")],
}  # fmt: skip
_CANCELLED: Final[dict[str, Any]] = _RESUMED | {
    "state": "cancelled", "finished_at": AT,
    "recipients": SETS | _ENDED | {"cancelled": 2_500},
    "batches": BATCHES | _ENDED | {"cancelled": 1},
    "batch_list": [_ONE, _TWO | {"state": "cancelled", "reason": "by_hand"}],
    "operator_actions": [_done("pause"), _done("resume"), _done("cancel")],
}  # fmt: skip
_RETRIED: Final[dict[str, Any]] = _RESUMED | {
    "calls": 2, "batch_list": [_ONE, _TWO | {"attempts": 1}],
    "operator_actions": [_done("retry", batches=1)],
}  # fmt: skip
_RESOLVED: Final[dict[str, Any]] = _RESUMED | {
    "state": "completed", "calls": 3, "finished_at": AT,
    "recipients": SETS | _ENDED | {"accepted": 12_500},
    "batches": BATCHES | _ENDED | {"accepted": 2},
    "batch_list": [
        _ONE,
        _TWO | {
            "state": "accepted", "reason": "said_sent", "msg_id": RESOLVED["msg_id"],
            "attempts": 2, "verified": False,
        },
    ],
    "operator_actions": [{"at": AT, "who": "shop", "action": "resolve", **RESOLVED}],
}  # fmt: skip
_HALTED: Final = {
    "name": "default", "changed": True, "stopped": None,
    "halted": {"at": AT, "by": "shop", "why": WHY["halt"]},
}  # fmt: skip
_UNKNOWN: Final = Message("error.settings.unknown_account", account="club", names="default")
#: Its account is in the settings by now.
_SENT: Final[dict[str, Any]] = LETTER | {
    "account": "club", "state": "sent", "broadcast_id": ID, "closed_at": AT, "closed_by": "shop",
    "reason": {"code": _UNKNOWN.id, "field": "account", "text": refusal(_UNKNOWN, Texts("en"))},
}  # fmt: skip
_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "pause": _PAUSED, "resume": _RESUMED, "cancel": _CANCELLED, "retry": _RETRIED,
    "resolve": _RESOLVED, "halt": _HALTED, "unhalt": _HALTED | {"halted": None},
    "retry_dead_letter": _SENT,
    "drop_dead_letter": LETTER | {"state": "dropped", "closed_at": AT, "closed_by": "shop"},
    "retry_webhook": WEBHOOK | {
        "tries": 0, "next_try_at": "2026-11-27T04:01:00.000Z",
        "give_up_at": "2026-11-28T04:01:00.000Z",
    },
}  # fmt: skip


def of(operation: str) -> dict[str, Any] | None:
    """Return the example of a good answer to a word; None: the operation is no word."""
    return _ANSWERS.get(operation)
