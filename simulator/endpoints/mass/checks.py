"""The checks of a mass send. Each refuses with an errcode, or notes what it found out.

`simulator.endpoints.mass` has them in their order.
"""

from __future__ import annotations

import hashlib
from functools import partial

import numpy as np

from simulator.core.accounts import Account
from simulator.core.body import Message
from simulator.core.endpoint import Call
from simulator.core.errors import RefusalError
from simulator.core.world import World
from simulator.endpoints.mass import content
from simulator.endpoints.mass.jobs import JobBook, JobKind
from simulator.endpoints.media.references import check_reference
from simulator.openid import MalformedOpenIDError, Numbers, Rows, pack

SEND = "/cgi-bin/message/mass/send"
SENDALL = "/cgi-bin/message/mass/sendall"
#: The name under which messages to many are counted, beside the paths of calls.
MESSAGES = "messages"

MIN_OPENIDS = 2
MAX_OPENIDS = 10_000
SENDALL_PER_MONTH = 4
SENDALL_PER_DAY_OF_SUBSCRIPTION = 1


class MassSend:
    """Findings of the checks of one call so far."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.kind: JobKind = "send"
        self.recipients: Numbers = np.empty(0, np.int64)
        self.size = 0
        self.total = 0
        self.scope = b""
        self.key = ""

    @property
    def world(self) -> World:
        """The world of the call."""
        return self.call.world

    @property
    def account(self) -> Account:
        """The account of the token."""
        return self.call.account

    @property
    def message(self) -> Message:
        """The body."""
        return self.call.message

    @property
    def id_owner(self) -> str:
        """The appid whose clientmsgids this one must differ from, or nothing for everybody's."""
        return self.account.appid if self.world.switches.clientmsgid_scope == "account" else ""

    @property
    def content_digest(self) -> str:
        """The digest of the content that followers would see."""
        return content.digest_of(content.content_of(self.message))


def check_permission(call: Call) -> None:
    """Sections 2 and 5.1."""
    if call.account.permission_errcode is not None:
        raise RefusalError(call.account.permission_errcode)
    if not call.account.agreement:
        raise RefusalError(48003)


def check_sendall_permission(call: Call) -> None:
    """Section 3: test accounts have no sendall."""
    if call.account.kind == "test":
        raise RefusalError(call.world.switches.test_account_sendall_errcode)


def check_fields(call: Call) -> None:
    """47001; and what the journal shows of a body."""
    touser, given = call.message.get("touser"), call.message.get("clientmsgid")
    call.record.size = len(touser) if isinstance(touser, list) else None
    if given is not None and not isinstance(given, str):
        raise RefusalError(47001)
    call.record.clientmsgid = given


def check_msgtype(call: Call) -> None:
    """40008."""
    content.check_msgtype(call.message)


def check_content(call: Call) -> None:
    """44004, 45002, 40007 and their like."""
    content.check_content(call.message, call.world.switches)
    kinds = content.wanted_kinds(call.message)
    for media_id in content.media_ids(call.message) if kinds else ():
        check_reference(call.world, call.account, (media_id, kinds))


def check_audience(call: Call) -> None:
    """Sections 2.4 and 3: who shall get it."""
    mass = call.part(MassSend)
    if call.endpoint.path == SEND:
        _check_touser(mass)
    else:
        _check_filter(mass)


def _check_touser(mass: MassSend) -> None:
    """Section 2.4: 40130, 40032, 40003; unknown OpenIDs are dropped, then counted again."""
    switches, followers = mass.world.switches, mass.account.followers
    touser = mass.message.get("touser")
    if touser is not None and not isinstance(touser, list):
        raise RefusalError(40031)
    if touser is None or len(touser) < MIN_OPENIDS:
        raise RefusalError(40130)
    if len(touser) > MAX_OPENIDS:
        raise RefusalError(switches.too_many_errcode)
    rows = _packed(touser, drop_malformed=switches.malformed_openid == "drop")
    any_ = switches.accept_any_wellformed
    mass.recipients = followers.named(rows) if any_ else followers.among(rows)
    if len(mass.recipients) < MIN_OPENIDS:
        raise RefusalError(40130)
    mass.size = len(touser)
    mass.total = len(touser if switches.total_counts_dropped else mass.recipients)
    mass.scope = rows.tobytes()


def _packed(touser: list[object], *, drop_malformed: bool) -> Rows:
    try:
        return pack(touser)
    except MalformedOpenIDError as error:
        if not drop_malformed:
            raise RefusalError(40003) from error
        return np.concatenate([pack([]), *(_packed_or_nothing(openid) for openid in touser)])


def _packed_or_nothing(openid: object) -> Rows:
    try:
        return pack([openid])
    except MalformedOpenIDError:
        return pack([])


def _check_filter(mass: MassSend) -> None:
    """Section 3: to all, or to a tag that exists; neither is not "everybody"."""
    filter_ = mass.message.get("filter")
    if not isinstance(filter_, dict):
        raise RefusalError(40035)
    followers = mass.account.followers
    if filter_.get("is_to_all") is True:
        mass.kind, mass.recipients = "all", followers.everyone()
    else:
        tag = mass.account.tags.get(filter_.get("tag_id"))
        if tag is None:
            raise RefusalError(45159)
        members = tag.members.numbers
        mass.kind, mass.recipients = "tag", members[followers.follow(members)]
    mass.size = mass.total = len(mass.recipients)
    mass.scope = repr(filter_).encode()


def check_clientmsgid(call: Call) -> None:
    """Section 2.3: 45067, 45066 while the first one runs, 45065 with the msg_id."""
    mass, jobs, switches = call.part(MassSend), call.world.part(JobBook), call.world.switches
    mass.key = mass.message.get("clientmsgid") or _automatic_id(mass)
    if len(mass.key.encode()) > switches.clientmsgid_max_bytes:
        raise RefusalError(45067)
    if jobs.runs(mass.id_owner, mass.key):
        raise RefusalError(45066)
    used, now = jobs.used(mass.id_owner, mass.key), call.world.now()
    if used is not None and now - used.at < switches.clientmsgid_window_s:
        if switches.clientmsgid_compares_content and used.content_digest != mass.content_digest:
            return
        if now - used.at < switches.clientmsgid_too_fast_s:
            raise RefusalError(45066)
        raise RefusalError(45065, fields={"msg_id": used.msg_id} if used.msg_id else {})
    if switches.failed_call_uses_clientmsgid:
        call.when_refused(partial(_use_up, mass))


def _automatic_id(mass: MassSend) -> str:
    """WeChat makes a clientmsgid from a digest of the scope, within an account, and the content."""
    scope = mass.scope if mass.world.switches.auto_clientmsgid_covers_scope else b""
    return hashlib.sha256(
        mass.account.appid.encode() + scope + mass.content_digest.encode()
    ).hexdigest()


def _use_up(mass: MassSend) -> None:
    jobs, now = mass.world.part(JobBook), mass.world.now()
    jobs.use(mass.id_owner, mass.key, at=now, digest=mass.content_digest)


def check_parallel(call: Call) -> None:
    """Section 2.5: the first passes, the second and third get 42010."""
    journal = call.world.journal
    if call.world.switches.parallel_calls_refused and journal.busy(call.account.appid):
        raise RefusalError(42010)
    journal.occupy(call.record)


def check_message_quota(call: Call) -> None:
    """Section 5.1: what a kind of account may send in a day or month, not how often it calls."""
    account, world, kind = call.account, call.world, call.part(MassSend).kind
    used = limit = 0
    if account.kind == "subscription" and kind != "send":
        used = account.days.used(MESSAGES, period=world.today())
        limit = SENDALL_PER_DAY_OF_SUBSCRIPTION
    elif account.kind == "service" and kind == "all":
        used = account.months.used(MESSAGES, period=world.this_month())
        limit = SENDALL_PER_MONTH
    if limit and used >= limit:
        raise RefusalError(45028)


def begin(call: Call) -> None:
    """Nothing refuses it any more: until it is accepted its clientmsgid gets 45066."""
    mass = call.part(MassSend)
    call.exit.enter_context(call.world.part(JobBook).running(mass.id_owner, mass.key))
