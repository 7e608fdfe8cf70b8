"""Outcomes of one call and their scopes: a complete map of WeChat's codes per endpoint.

The same code means different things at different endpoints: 45009 of mass/send ends the sends of
the day, 45009 of mass/get only its own questions. So each :class:`Endpoint` has a map of its own in
:data:`MAPS`, made of a base that all share (``outcomes.json``) and of what differs. There is no
default branch: every code that a list names (``broadcast/wechat/errcodes.csv``) stands in every
map, and a code that no list names is :attr:`Outcome.UNLISTED`: evidence, never a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from broadcast.data_files import parsed, rows
from broadcast.rules.states import Reason

#: The closed set of what a call can end as.
Outcome = StrEnum(
    "Outcome",
    "ACCEPTED ALREADY_ACCEPTED TOKEN THROTTLED WAIT QUOTA_TODAY QUOTA_MONTH STOP_BROADCAST "
    "STOP_ACCOUNT BAD_RECIPIENTS UNLISTED UNKNOWN NOT_CALLED",
)


#: Scope of a stop or a wait beside the batch.
Scope = StrEnum(
    "Scope",
    [
        "BATCH",
        "BROADCAST",
        "PATH",  #: the account's calls of this endpoint, and no others
        "ACCOUNT",
    ],
)


#: Called interface; WeChat counts and permits each on its own.
Endpoint = StrEnum(
    "Endpoint",
    "MASS_SEND SENDALL MASS_GET QUOTA DRAFT MEDIA TOKEN PREVIEW DELETE SPEED TAGS TAG_FOLLOWERS "
    "CLEAR_QUOTA",
)


class Meaning(NamedTuple):
    """Meaning of a code at one endpoint."""

    outcome: Outcome
    scope: Scope


O = Outcome  # noqa: E741 - the tables below read better

#: After these the send may have run. UNLISTED is among them on purpose.
MAYBE_SENT = frozenset({O.UNKNOWN, O.UNLISTED})

#: After these nothing of the broadcast has begun, and its lane was not driven: nothing was called,
#: or WeChat was not ready for it.
BEGINS_NOTHING = frozenset({O.NOT_CALLED, O.WAIT})

#: How a call failed before the first byte of its request left
#: (``broadcast.wechat.call_errors.TransportKind``).
UNSENT = frozenset(
    {
        "dns",
        "refused",
        "unreachable",
        "connect_timeout",
        "tls",
        "proxy",
        "pool_exhausted",
        "closed",
        "too_late",
        "unbuildable",
    }
)

#: What WeChat says to a machine whose address is not on the account's whitelist (61004: to one that
#: may not call). Another machine of the fleet may be on it.
NOT_WHITELISTED = frozenset({40164, 61004})

#: WeChat says that it has the job.
SAID_ACCEPTED = frozenset({O.ACCEPTED, O.ALREADY_ACCEPTED})


#: A reply that can be trusted came, or nothing was called. An outcome that this release does not
#: know is not among them: a newer release knows what it means, here it may have been sent.
ANSWERED = frozenset(Outcome) - MAYBE_SENT


def unanswered(outcome: Outcome | None) -> bool:
    """Return whether a call (None: nothing is recorded) has no reply that can be trusted."""
    return outcome not in ANSWERED


SAME_KEY_RUNNING = 45066  #: WeChat says that a send with this very key is in progress
PARALLEL = 42010  #: another mass call of this account is in flight
NOT_AGREED = 48003  #: the account may not send that way: agreement, or a test account

#: What each outcome is about, its codes, and whom it concerns where its code does not say
#: otherwise. The codes of stop_broadcast concern content, media or the form of a request, those of
#: stop_account credentials, permission, a ban or the address, and those of bad_recipients the
#: OpenIDs of this batch. -1 and 61450, "system error", may come after the send has run; 45066 says
#: that a send with this key runs just now.
_OUTCOMES: Final = parsed(__file__, "outcomes.json")
_BASE: Final = {code: Outcome(name) for name, one in _OUTCOMES.items() for code in one["codes"]}
_SCOPES: Final = {Outcome(name): Scope(one["scope"]) for name, one in _OUTCOMES.items()}

#: No permission for this endpoint, a ban from it, its end: others may go on.
_OF_THE_PATH = frozenset({45103, 45106, 48001, 48004})


def _shared(outcome: Outcome, code: int) -> Meaning:
    return Meaning(outcome, Scope.PATH if code in _OF_THE_PATH else _SCOPES[outcome])


def _to_a_list_of_wechats(outcome: Outcome, code: int) -> Meaning:
    """Read a code of sendall: it names no OpenIDs, and has permission and messages of its own."""
    if outcome is O.BAD_RECIPIENTS:
        return Meaning(O.STOP_BROADCAST, Scope.BROADCAST)
    # Test accounts may send by OpenID and not to all.
    own = code == NOT_AGREED or outcome is O.QUOTA_MONTH
    return Meaning(outcome, Scope.PATH) if own else _shared(outcome, code)


#: A question has no recipients, and asking it again costs nobody a message.
_OF_A_QUESTION = {
    O.UNKNOWN: O.WAIT,
    O.ALREADY_ACCEPTED: O.STOP_BROADCAST,
    O.BAD_RECIPIENTS: O.STOP_BROADCAST,
}


def _question(outcome: Outcome, code: int) -> Meaning:
    """Read a code of a question: what ails the question alone stops no send."""
    stops = outcome is O.STOP_ACCOUNT and _shared(outcome, code).scope is Scope.ACCOUNT
    scope = Scope.ACCOUNT if stops or outcome is O.TOKEN else Scope.PATH
    return Meaning(_OF_A_QUESTION.get(outcome, outcome), scope)


def _token(outcome: Outcome, code: int) -> Meaning:
    """Read a code of token and stable_token: without a token the account can call nothing."""
    del code
    # A call that brings no token cannot have a refused one: 40001 says that the secret is wrong.
    refused = {O.TOKEN: O.STOP_ACCOUNT, O.STOP_BROADCAST: O.STOP_ACCOUNT}
    answered = _OF_A_QUESTION.get(outcome, outcome)
    return Meaning(refused.get(answered, answered), Scope.ACCOUNT)


def _by_hand(outcome: Outcome, code: int) -> Meaning:
    """Read a code of a call that a person makes: it stops no send, and may have done its work."""
    return Meaning(outcome, _question(outcome, code).scope)


def _to_persons(outcome: Outcome, code: int) -> Meaning:
    """Read a code of a preview, or of a tag and its followers: some blame one of the persons."""
    return _by_hand(O.BAD_RECIPIENTS if code in _OF_ONE_PERSON else outcome, code)


#: No such WeChat id; a follower who has as many tags as there may be.
_OF_ONE_PERSON = frozenset({40132, 45059})


_BY_NAME: Final = {
    "shared": _shared,
    "to_a_list_of_wechats": _to_a_list_of_wechats,
    "question": _question,
    "token": _token,
    "by_hand": _by_hand,
    "to_persons": _to_persons,
}
_ENDPOINTS: Final = rows(__file__, "endpoints.csv")
_READINGS: Final = {Endpoint(row["endpoint"]): _BY_NAME[row["reading"]] for row in _ENDPOINTS}
#: Of the calls whose errcodes are read here, by their paths.
ENDPOINTS: Final = {
    path: Endpoint(row["endpoint"]) for row in _ENDPOINTS for path in row["paths"].split()
}

#: What each code means at each endpoint.
MAPS: Mapping[Endpoint, Mapping[int, Meaning]] = {
    endpoint: {code: read(outcome, code) for code, outcome in _BASE.items()}
    for endpoint, read in _READINGS.items()
}
_UNLISTED: Mapping[Endpoint, Meaning] = {
    endpoint: Meaning(O.UNLISTED, read(O.UNLISTED, 0).scope) for endpoint, read in _READINGS.items()
}

#: A call with another token may succeed: WeChat looked at nothing but this one.
REFUSES_TOKEN = frozenset(code for code, outcome in _BASE.items() if outcome is O.TOKEN)

#: Codes that blame single OpenIDs, so that halving the batch can find them. 40130 blames the list
#: as a whole: nobody, or only one, is left in it.
SPLITTABLE = frozenset({40003, 40031, 43004, 43005, 43019, 46004, 48002, 49003, 50005})

#: Refusals whose cause can pass while content, OpenIDs and key stay the same: a follower who left
#: or blocked may come back, a right may be granted, a video may pass its review. All others would
#: be refused again. (Quota, permission, token and waits never end a batch.)
MAY_PASS = frozenset({43004, 43005, 43019, 45085, 48002, 48008, 48014, 50005})


def content_stays_refused(reason: Reason | None, errcode: int | None) -> bool:
    """Return whether WeChat refused the content for a cause that stays while the content does."""
    return reason is Reason.CONTENT_REFUSED and errcode not in MAY_PASS


def meaning(endpoint: Endpoint, errcode: int) -> Meaning:
    """Return what *errcode* means at *endpoint*, listed or not."""
    return MAPS[endpoint].get(errcode, _UNLISTED[endpoint])


def scope_of(endpoint: Endpoint, outcome: Outcome, errcode: int | None) -> Scope:
    """Return whom a call concerns that ended as *outcome*, with or without an errcode."""
    # What a newer release calls has no map here.
    listed_meaning = MAPS.get(endpoint, {}).get(errcode) if errcode is not None else None
    if listed_meaning is not None and listed_meaning.outcome is outcome:
        return listed_meaning.scope
    # Whom an outcome of a newer release concerns is that release's to say.
    return _SCOPES.get(outcome, Scope.BATCH)


def of_send(endpoint: Endpoint, errcode: int, *, msg_id: int | None) -> Outcome:
    """Return what a JSON reply of mass/send or mass/sendall means.

    Two replies contradict themselves and are no answers that can be trusted: an errcode 0 without a
    msg_id, which cannot be settled later, and a refusal that names the job it did not begin.
    """
    outcome = meaning(endpoint, errcode).outcome
    if outcome is O.ACCEPTED:
        return O.UNKNOWN if msg_id is None else outcome
    doubtful = outcome in MAYBE_SENT or outcome is O.ALREADY_ACCEPTED
    return outcome if doubtful or msg_id is None else O.UNKNOWN


class SendPath(StrEnum):
    """Which interface a call goes to."""

    MASS_SEND = "mass_send"  #: to a list of OpenIDs (WeChat page "message/mass/send")
    SENDALL = "sendall"  #: to a tag or to everybody (WeChat page "message/mass/sendall")
