"""The checks of a mass send. Each refuses with an errcode, or notes what it found out.

`simulator.mass` has them in their order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from simulator.accounts import Account
from simulator.content import (
    Message,
    content_of,
    digest_of,
    media_ids,
    parsed,
)
from simulator.content import (
    check_content as check_message_content,
)
from simulator.content import (
    check_msgtype as check_message_type,
)
from simulator.errors import RefusalError
from simulator.jobs import JobKind
from simulator.openid import MalformedOpenIDError, Numbers, Rows, pack
from simulator.world import Call, World

SEND = "/cgi-bin/message/mass/send"
SENDALL = "/cgi-bin/message/mass/sendall"

MIN_OPENIDS = 2
MAX_OPENIDS = 10_000
SENDALL_PER_MONTH = 4
SENDALL_PER_DAY_OF_SUBSCRIPTION = 1

_NOBODY: Numbers = np.empty(0, np.int64)


@dataclass(slots=True, kw_only=True)
class MassCall:
    """What the checks have found out so far."""

    world: World
    call: Call
    kind: JobKind = "send"
    message: Message = field(default_factory=dict)
    recipients: Numbers = field(default_factory=lambda: _NOBODY)
    size: int = 0
    total: int = 0
    scope: bytes = b""
    key: str = ""
    counted: bool = False
    checked_id: bool = False

    @property
    def account(self) -> Account:
        """The account of the token."""
        assert self.call.record.appid is not None
        return self.world.accounts[self.call.record.appid]

    @property
    def id_owner(self) -> str:
        """The appid whose clientmsgids this one must differ from, or nothing for everybody's."""
        return self.account.appid if self.world.switches.clientmsgid_scope == "account" else ""

    @property
    def content_digest(self) -> str:
        """The digest of what followers would see."""
        return digest_of(content_of(self.message))


def quota_name(path: str, world: World) -> str:
    """Return the name under which calls of this path are counted for the day."""
    return "mass" if world.switches.mass_quota_shared else path


def check_method(mass: MassCall) -> None:
    """43002: only POST."""
    mass.call.require("POST")


def check_token(mass: MassCall) -> None:
    """Section 1.3: 41001, 40014, 40001, 42001."""
    mass.world.authorised(mass.call.query.get("access_token"))


def check_permission(mass: MassCall) -> None:
    """Sections 2, 5.1 and 14 point 1."""
    account, switches = mass.account, mass.world.switches
    if account.permission_errcode is not None:
        raise RefusalError(account.permission_errcode)
    if not account.agreement:
        raise RefusalError(48003)
    by_subscription = mass.call.path == SEND and account.kind == "subscription"
    if by_subscription and not switches.subscription_mass_send:
        raise RefusalError(48001)
    if mass.call.path == SENDALL and account.kind == "test":
        raise RefusalError(switches.test_account_sendall_errcode)


def check_day_quota(mass: MassCall) -> None:
    """Section 5.2: 45009; a call counts from here on, accepted or not."""
    account, day = mass.account, mass.world.today()
    name = quota_name(mass.call.path, mass.world)
    if account.mass_day.used(name, day=day) >= account.daily_limit:
        raise RefusalError(45009)
    account.mass_day.add(name, day=day)
    mass.counted = True


def check_minute_quota(mass: MassCall) -> None:
    """Section 2.5: 45011."""
    account, switches, now = mass.account, mass.world.switches, mass.world.now()
    used = account.mass_minute.used(now, window=switches.minute_window)
    if account.calls_per_minute and used >= account.calls_per_minute:
        raise RefusalError(switches.minute_errcode)
    account.mass_minute.add(now)


def check_json(mass: MassCall) -> None:
    """44002, 40033, 47001."""
    mass.message = parsed(mass.call.body, mass.world.switches)
    touser, given = mass.message.get("touser"), mass.message.get("clientmsgid")
    mass.call.record.size = len(touser) if isinstance(touser, list) else None
    if given is not None and not isinstance(given, str):
        raise RefusalError(47001)
    mass.call.record.clientmsgid = given


def check_msgtype(mass: MassCall) -> None:
    """40008."""
    check_message_type(mass.message)


def check_content(mass: MassCall) -> None:
    """44004, 45002, 40007 and their like."""
    check_message_content(mass.message, mass.world.switches)
    if not mass.account.dead_media.isdisjoint(media_ids(mass.message)):
        raise RefusalError(40007)


def check_audience(mass: MassCall) -> None:
    """Sections 2.4 and 3: who shall get it."""
    if mass.call.path == SEND:
        _check_touser(mass)
    else:
        _check_filter(mass)


def _check_touser(mass: MassCall) -> None:
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


def _check_filter(mass: MassCall) -> None:
    """Section 3: to all, or to a tag that exists; neither is not "everybody"."""
    filter_ = mass.message.get("filter")
    if not isinstance(filter_, dict):
        raise RefusalError(40035)
    followers = mass.account.followers
    if filter_.get("is_to_all") is True:
        mass.kind, mass.recipients = "all", followers.everyone()
    else:
        tag_id = filter_.get("tag_id")
        rows = mass.account.tags.get(tag_id) if isinstance(tag_id, int) else None
        if rows is None:
            raise RefusalError(45159)
        mass.kind, mass.recipients = "tag", followers.among(rows)
    mass.size = mass.total = len(mass.recipients)
    mass.scope = repr(filter_).encode()


def check_clientmsgid(mass: MassCall) -> None:
    """Section 2.3: 45067, 45066 while the first one runs, 45065 with the msg_id."""
    world, switches, owner = mass.world, mass.world.switches, mass.id_owner
    mass.key = mass.message.get("clientmsgid") or _automatic_id(mass)
    if len(mass.key.encode()) > switches.clientmsgid_max_bytes:
        raise RefusalError(45067)
    if world.jobs.runs(owner, mass.key):
        raise RefusalError(45066)
    used = world.jobs.used(owner, mass.key)
    if used is not None and world.now() - used.at < switches.clientmsgid_window_s:
        if switches.clientmsgid_compares_content and used.content_digest != mass.content_digest:
            return
        if world.now() - used.at < switches.clientmsgid_too_fast_s:
            raise RefusalError(45066)
        raise RefusalError(45065, fields={"msg_id": used.msg_id} if used.msg_id else {})
    mass.checked_id = True


def _automatic_id(mass: MassCall) -> str:
    """WeChat makes a clientmsgid from a digest of the scope, within an account, and the content."""
    scope = mass.scope if mass.world.switches.auto_clientmsgid_covers_scope else b""
    return hashlib.sha256(
        mass.account.appid.encode() + scope + mass.content_digest.encode()
    ).hexdigest()


def check_parallel(mass: MassCall) -> None:
    """Section 2.5: the first passes, the second and third get 42010."""
    busy, appid = mass.call.busy, mass.account.appid
    if mass.world.switches.parallel_calls_refused and busy[appid]:
        raise RefusalError(42010)
    busy[appid] += 1
    mass.call.record.busy = True


def check_message_quota(mass: MassCall) -> None:
    """Section 5.1: what a kind of account may send in a day or month, not how often it calls."""
    account, world = mass.account, mass.world
    used = limit = 0
    if account.kind == "subscription" and mass.kind != "send":
        used = account.message_day.used(day=world.today())
        limit = SENDALL_PER_DAY_OF_SUBSCRIPTION
    elif account.kind == "service" and mass.kind == "all":
        used = account.message_month.used(day=world.this_month())
        limit = SENDALL_PER_MONTH
    if limit and used >= limit:
        raise RefusalError(45028)
