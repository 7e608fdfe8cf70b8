"""Codes that come from other calls than a mass send: from which, and what a person does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from broadcast.message import Message

#: A mass send does not end with these. By the call that does: the codes, and the text of their fix.
_CALLS: Final[Mapping[str, Mapping[str, tuple[int, ...]]]] = {
    "upload": {
        "format": (40004, 40005, 40137),
        "size": (40006, 40009, 40010, 40011, 40012, 45001),
        "empty": (41005, 44001),
        "length": (45007,),
        "transcoding": (46007,),
    },
    "draft": {
        "length": (45003, 45004, 45005, 45006, 45008),
        "empty": (44003,),
        "cover": (40128,),
        "in_use": (48005,),
    },
    "tags": {
        "most": (45056,),
        "followers": (45057,),
        "system": (45058,),
        "of_a_follower": (45059,),
        "name": (45157, 45158),
    },
    "speed": {"level": (45083, 45084), "again": (45085,)},
    "recall": {"msg_id": (40059,), "article": (40060,), "too_early": (40065,)},
    "preview": {"wechat_id": (40132,)},
    "quota": {"month": (48006,), "interface": (76003, 76021, 76022)},
    "custom": {"not_ours": (45015, 45047, 45100)},
    "menu": {"not_ours": (46003, *range(65301, 65318))},
}
OF_OTHERS: Final[Mapping[int, tuple[str, str]]] = {
    code: (call, fix)
    for call, fixes in _CALLS.items() for fix, codes in fixes.items() for code in codes
}  # fmt: skip
#: A mass send ends with these too, and elsewhere they mean something else.
ELSEWHERE: Final = frozenset({
    40003, 40007, 40008, 40032, 43004, 45009, 45159, 48001, 49003, 89504, 89505,
})  # fmt: skip


def is_of_others(errcode: int) -> bool:
    """Return whether only other calls than a mass send end with *errcode*."""
    return errcode in OF_OTHERS


def of_others(errcode: int) -> Iterator[Message]:
    """Yield which call ends with *errcode*, and what to do."""
    call, fix = OF_OTHERS[errcode]
    yield Message("explain.call", call=Message(f"explain.call.{call}"))
    yield Message("explain.fix", fix=Message(f"fix.{call}.{fix}"))


def fix_of_upload(errcode: int) -> Message | None:
    """Return what to do about a file that WeChat refused with *errcode*; None: no file's fault."""
    call, fix = OF_OTHERS.get(errcode, ("", ""))
    return Message(f"fix.{call}.{fix}") if call == "upload" else None


def beside(errcode: int) -> Iterator[Message]:
    """Yield what *errcode* of a mass send means elsewhere, and what to do there."""
    if errcode in ELSEWHERE:
        yield Message("explain.elsewhere", fix=Message(f"fix.elsewhere.{errcode}"))
