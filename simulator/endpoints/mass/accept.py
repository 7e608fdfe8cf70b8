"""The moment from which a mass send exists: deliveries, job, and its end to come."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from simulator.core.accounts import Account
from simulator.core.body import Message
from simulator.core.switches import Switches
from simulator.core.world import World
from simulator.endpoints.draft.box import DraftBox
from simulator.endpoints.mass.administrator import Confirmations
from simulator.endpoints.mass.checks import MESSAGES
from simulator.endpoints.mass.content import content_of, digest_of, media_ids
from simulator.endpoints.mass.finish import finish
from simulator.endpoints.mass.jobs import Job, JobBook, JobKind, Recipients
from simulator.endpoints.mass.review import Reviews, Verdict
from simulator.endpoints.mass.speed import seconds_for
from simulator.openid import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Message and recipients. `size` is what was asked for, `total` what the event calls so."""

    kind: JobKind
    message: Message
    recipients: Numbers
    size: int
    total: int
    owner: str = ""
    key: str | None = None
    """The clientmsgid, given or made by WeChat; None for a send in the console."""


def accept(world: World, account: Account, sending: Sending) -> Job:
    """Deliver, and store the job: from here on it exists, whatever becomes of the reply.

    One that waits for the administrator is delivered when they confirm it.
    """
    month, verdict = world.this_month(), account.part(Reviews).next()
    wanted = account.followers.receiving(sending.recipients)
    eligible = account.ledger.below_cap(wanted, month=month, cap=world.switches.monthly_cap)
    if world.switches.duplicates_delivered == "once":
        eligible = np.unique(eligible)
    errors = world.switches.job_errors if verdict.errors is None else verdict.errors
    delivered = eligible[: max(0, len(eligible) - errors)]
    _count(world, account, sending)
    _publish(world.switches, account, sending.message)
    recipients = delivered.astype(np.int32)
    job = _job(world, account, (sending, verdict), eligible=len(eligible), recipients=recipients)
    world.part(JobBook).add(job, owner=sending.owner, key=sending.key)
    takes_s = job.ends_at - job.accepted_at

    def go(moment: float) -> None:
        account.ledger.deliver(delivered, month=month)
        job.ends_at = moment + takes_s
        end = partial(finish, world, job, recipients=recipients, month=month)
        world.scheduler.at(job.ends_at, end)

    if account.send_protection and sending.kind == "all" and sending.key is not None:
        day = world.today()

        def unconfirmed(moment: float) -> None:
            if not world.switches.unconfirmed_uses_message:
                account.days.add(MESSAGES, period=day, calls=-1)
                account.months.add(MESSAGES, period=month, calls=-1)
            finish(world, job, moment, recipients=recipients[:0], month=month)

        world.part(Confirmations).ask(job, go=go, end=unconfirmed)
    else:
        go(job.accepted_at)
    return job


def _count(world: World, account: Account, sending: Sending) -> None:
    """Section 5.1: messages to many, in a day and in a month."""
    if sending.kind != "send":
        account.days.add(MESSAGES, period=world.today())
    if sending.kind == "all":
        account.months.add(MESSAGES, period=world.this_month())


def _publish(switches: Switches, account: Account, message: Message) -> None:
    """Section 7.5: what was sent is no draft any more; whether its id dies is a switch."""
    for media_id in media_ids(message) if message["msgtype"] == "mpnews" else ():
        draft = account.part(DraftBox).known(media_id)
        if draft and switches.draft_leaves_box:
            draft.sent = True
        if switches.draft_dies_after_send:
            account.dead_media.add(media_id)


def _job(
    world: World,
    account: Account,
    what: tuple[Sending, Verdict],
    /,
    *,
    eligible: int,
    recipients: Recipients,
) -> Job:
    sending, verdict = what
    content, jobs, now = content_of(sending.message), world.part(JobBook), world.now()
    article = media_ids(content)[0] if content["msgtype"] == "mpnews" else None
    takes_s = world.switches.job_delay_s if verdict.delay_s is None else verdict.delay_s
    takes_s += seconds_for(world, account, heads=len(recipients))
    return Job(
        msg_id=jobs.next_msg_id(sending.kind),
        msg_data_id=jobs.msg_data_id(account.appid, article),
        appid=account.appid,
        kind=sending.kind,
        clientmsgid=sending.message.get("clientmsgid"),
        size=sending.size,
        total=sending.total,
        eligible=eligible,
        errors=eligible - len(recipients),
        accepted_at=now,
        ends_at=now + takes_s,
        content=content,
        content_digest=digest_of(content),
        articles=_articles(account, article),
        recipients=recipients if world.switches.keep_recipients else None,
        body=sending.message if world.switches.keep_bodies else None,
        verdict=verdict,
    )


def _articles(account: Account, media_id: str | None) -> int:
    """Return the number of its articles; what is no draft of ours has one."""
    if media_id is None:
        return 0
    draft = account.part(DraftBox).known(media_id)
    return len(draft.articles) if draft else 1
