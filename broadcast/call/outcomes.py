"""What one call can end as, and the complete map from WeChat's codes to it.

There is no default branch: a code that the list (``wechat/errcodes.csv``) names stands in
:data:`BY_ERRCODE`, and a code that no list names is :attr:`Outcome.UNLISTED`, which is treated like
an unknown one: it is evidence, never a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Outcome(StrEnum):
    """The closed set of what a call can end as."""

    ACCEPTED = "accepted"  #: errcode 0 with a msg_id
    ALREADY_ACCEPTED = "already_accepted"  #: 45065: WeChat has a job with this clientmsgid
    #: answered before the send ran; the same body may go again after one refresh
    TOKEN = "token"  # noqa: S105 - an outcome's name
    THROTTLED = "throttled"  #: too fast: the lane slows down, the send did not run
    WAIT = "wait"  #: WeChat or the way to it is not ready; the send did not run
    QUOTA_TODAY = "quota_today"  #: no calls left until WeChat's day turns
    QUOTA_MONTH = "quota_month"  #: no messages left for this kind of account
    STOP_BROADCAST = "stop_broadcast"  #: content or media: no batch of this broadcast can succeed
    STOP_ACCOUNT = "stop_account"  #: permission, credentials, ban: no broadcast can
    BAD_RECIPIENTS = "bad_recipients"  #: this batch's OpenIDs
    UNLISTED = "unlisted"  #: a code that no list names
    UNKNOWN = "unknown"  #: sent, and no answer that can be trusted
    NOT_CALLED = "not_called"  #: the claimer itself gave the claim back before calling


O = Outcome  # noqa: E741 - the table below reads better

#: After these the send may have run. UNLISTED is among them on purpose.
MAYBE_SENT = frozenset({O.UNKNOWN, O.UNLISTED})

#: WeChat says that it has the job.
SAID_ACCEPTED = frozenset({O.ACCEPTED, O.ALREADY_ACCEPTED})


#: A reply that can be trusted came, or nothing was called. An outcome that this release does not
#: know is not among them: a newer release knows what it means, here it may have been sent.
ANSWERED = frozenset(Outcome) - MAYBE_SENT


def unanswered(outcome: Outcome | None) -> bool:
    """Tell whether a call (None: nothing is recorded) has no reply that can be trusted."""
    return outcome not in ANSWERED


SAME_KEY_RUNNING = 45066  #: WeChat says that a send with this very key is in progress
PARALLEL = 42010  #: another mass call of this account is in flight

BY_ERRCODE: Mapping[int, Outcome] = {
    0: O.ACCEPTED,
    **dict.fromkeys((45065, 44007), O.ALREADY_ACCEPTED),
    **dict.fromkeys((40001, 40014, 41001, 42001), O.TOKEN),
    **dict.fromkeys((45011, 42010), O.THROTTLED),
    **dict.fromkeys((45061, 45102, 46007, 89504, 89505), O.WAIT),
    **dict.fromkeys((45009, 44993), O.QUOTA_TODAY),
    **dict.fromkeys((45028, 45040), O.QUOTA_MONTH),
    # -1 and 61450, "system error", may come after the send has run. 45066 says that a send with
    # this key runs just now.
    **dict.fromkeys((-1, 45066, 61450), O.UNKNOWN),
    # Content, media, form of the request: the same for every batch of the broadcast.
    **dict.fromkeys((
        40004, 40005, 40006, 40007, 40008, 40009, 40010, 40011, 40012, 40032, 40033, 40035, 40038,
        40050, 40152, 40059, 40060, 40065, 40068, 40073, 40097, 40126, 40128, 40132, 40137, 41005,
        41006, 41011, 43001, 43002, 43003, 44001, 44002, 44003, 44004, 44005, 45001, 45002, 45003,
        45004, 45005, 45006, 45007, 45008, 45015, 45019, 45020, 45021, 45047, 45052, 45056, 45057,
        45058, 45059, 45067, 45083, 45084, 45085, 45100, 45157, 45158, 45159, 45161, 46001, 46003,
        47001, 47002, 48005, 48006, 48008, 48013, 48014, 61451, 76003, 76021, 76022, 9001001,
        *range(65301, 65318),
    ), O.STOP_BROADCAST),
    # Credentials, permission, ban, IP: the same for every broadcast of the account.
    **dict.fromkeys((
        40002, 40013, 40125, 40164, 40243, 41002, 41004, 42005, 42007, 45103, 45501, 48001, 48003,
        48004, 50001, 50002, 50004, 50007, 61007, 89501, 89502, 89503, 89506, 89507,
    ), O.STOP_ACCOUNT),
    # The OpenIDs of this batch.
    **dict.fromkeys((
        40003, 40031, 40130, 43004, 43005, 43019, 46004, 48002, 49003, 50005,
    ), O.BAD_RECIPIENTS),
}  # fmt: skip

#: Codes that blame single OpenIDs, so that halving the batch can find them. 40130 blames the list
#: as a whole: nobody, or only one, is left in it.
SPLITTABLE = frozenset({40003, 40031, 43004, 43005, 43019, 46004, 48002, 49003, 50005})

#: Refusals whose cause can pass while content, OpenIDs and key stay the same: a follower who left
#: or blocked may come back, a right may be granted, a video may pass its review. All others would
#: be refused again. (Quota, permission, token and waits never end a batch; it goes on by itself.)
MAY_PASS = frozenset({43004, 43005, 43019, 45085, 48002, 48008, 48014, 50005})


def of_errcode(errcode: int, *, msg_id: int | None) -> Outcome:
    """Return what a JSON reply of mass/send or mass/sendall means.

    An errcode 0 without a msg_id is not an answer that can be trusted: it cannot be settled later.
    """
    if errcode == 0 and msg_id is None:
        return Outcome.UNKNOWN
    return BY_ERRCODE.get(errcode, Outcome.UNLISTED)
