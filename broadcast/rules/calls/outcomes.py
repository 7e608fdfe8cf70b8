"""Outcomes of one call and their scopes: a complete map of WeChat's codes per endpoint.

The same code means different things at different endpoints: 45009 of mass/send ends the sends of
the day, 45009 of mass/get only its own questions. So each :class:`Endpoint` has a map of its own in
:data:`MAPS`, made of a base that all share (``outcomes.json``) and of what differs. There is no
default branch: every code that a list names (``broadcast/wechat/errcodes.csv``) stands in every
map, and a code that no list names is :attr:`Outcome.UNLISTED`: evidence, never a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from broadcast.data_files import parsed
from broadcast.rules.states import Reason


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
    #: what is asked (content, media, form): no batch of this broadcast can succeed
    STOP_BROADCAST = "stop_broadcast"
    #: permission, credentials, ban: no broadcast of the account, or of the path, can
    STOP_ACCOUNT = "stop_account"
    BAD_RECIPIENTS = "bad_recipients"  #: this batch's OpenIDs
    UNLISTED = "unlisted"  #: a code that no list names
    UNKNOWN = "unknown"  #: sent, and no answer that can be trusted
    NOT_CALLED = "not_called"  #: the claimer itself gave the claim back before calling


class Scope(StrEnum):
    """Scope of a stop or a wait beside the batch."""

    BATCH = "batch"
    BROADCAST = "broadcast"
    PATH = "path"  #: the account's calls of this endpoint, and no others
    ACCOUNT = "account"


class Endpoint(StrEnum):
    """Called interface; WeChat counts and permits each on its own."""

    MASS_SEND = "mass_send"  #: message/mass/send, by OpenIDs
    SENDALL = "sendall"  #: message/mass/sendall, to a tag or to everybody
    MASS_GET = "mass_get"  #: message/mass/get
    QUOTA = "quota"  #: openapi/quota/get
    DRAFT = "draft"  #: draft/get
    MEDIA = "media"  #: media/upload, uploadvideo and material/add_material
    TOKEN = "token"  # noqa: S105 - token and stable_token
    PREVIEW = "preview"  #: message/mass/preview, to one person
    DELETE = "delete"  #: message/mass/delete
    SPEED = "speed"  #: message/mass/speed/set
    TAGS = "tags"  #: tags/…
    TAG_FOLLOWERS = "tag_followers"  #: user/tag/get, who has a tag
    CLEAR_QUOTA = "clear_quota"  #: clear_quota and openapi/quota/clear


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
UNSENT = frozenset({
    "dns", "refused", "unreachable", "connect_timeout", "tls", "proxy", "pool_exhausted", "closed",
    "too_late", "unbuildable",
})  # fmt: skip

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

#: As ``outcomes.json`` has it. The codes of stop_broadcast concern content, media or the form of a
#: request, those of stop_account credentials, permission, a ban or the address, and those of
#: bad_recipients the OpenIDs of this batch. -1 and 61450, "system error", may come after the send
#: has run; 45066 says that a send with this key runs just now.
_BASE: Final[Mapping[int, Outcome]] = {
    code: Outcome(name)
    for name, codes in parsed(__file__, "outcomes.json").items()
    for code in codes
}

#: Whom each outcome concerns where its code does not say otherwise.
_SCOPES: Mapping[Outcome, Scope] = {
    **dict.fromkeys(O, Scope.BATCH),
    **dict.fromkeys((O.STOP_BROADCAST, O.QUOTA_MONTH), Scope.BROADCAST),
    O.QUOTA_TODAY: Scope.PATH,
    **dict.fromkeys((O.THROTTLED, O.WAIT, O.STOP_ACCOUNT), Scope.ACCOUNT),
}

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


_READINGS: Mapping[Endpoint, Callable[[Outcome, int], Meaning]] = {
    Endpoint.MASS_SEND: _shared,
    Endpoint.SENDALL: _to_a_list_of_wechats,
    Endpoint.MASS_GET: _question,
    Endpoint.QUOTA: _question,
    Endpoint.DRAFT: _question,
    Endpoint.MEDIA: _question,
    Endpoint.TOKEN: _token,
    Endpoint.PREVIEW: _to_persons,
    Endpoint.DELETE: _by_hand,
    Endpoint.SPEED: _by_hand,
    Endpoint.TAGS: _to_persons,
    Endpoint.TAG_FOLLOWERS: _question,
    Endpoint.CLEAR_QUOTA: _by_hand,
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
