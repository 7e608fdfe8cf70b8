"""The end of a job, and the event MASSSENDJOBFINISH (section 6.4)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.core.accounts import Account
from simulator.core.world import World
from simulator.core.xml import Value
from simulator.endpoints.mass.jobs import SENT, Job, Recipients, end_of

EVENT = "MASSSENDJOBFINISH"


def finish(world: World, job: Job, moment: float, *, recipients: Recipients, month: int) -> None:
    """End a job: one that fails reaches nobody; the account's server hears of both."""
    account = world.accounts[job.appid]
    status = end_of(world.switches)
    if status != SENT:
        account.ledger.take_back(recipients.astype(np.int64), month=month)
        job.recipients = None if job.recipients is None else recipients[:0]
    world.pushes.send(account, _event(account, job, status, moment=moment), moment=moment)


def _event(account: Account, job: Job, status: str, *, moment: float) -> Mapping[str, Value]:
    article = job.content["msgtype"] == "mpnews"
    return {
        "ToUserName": account.original_id,
        "FromUserName": account.followers.helper,
        "CreateTime": int(moment),
        "MsgType": "event",
        "Event": EVENT,
        "MsgID": job.msg_id,
        "Status": status,
        **_counts(job, status),
        "CopyrightCheckResult": {"Count": 0, "ResultList": [], "CheckState": int(article)},
        "ArticleUrlResult": {
            "Count": int(article),
            "ResultList": [{"ArticleIdx": 1, "ArticleUrl": _url(job)}] if article else [],
        },
    }


def _counts(job: Job, status: str) -> dict[str, Value]:
    """Return the four counts; of a job that a review refused all are 0."""
    total, eligible, sent, errors = job.total, job.eligible, job.eligible - job.errors, job.errors
    if status == "send fail":
        sent, errors = 0, eligible
    elif status != SENT:
        total = eligible = sent = errors = 0
    return {
        "TotalCount": total, "FilterCount": eligible, "SentCount": sent, "ErrorCount": errors,
    }  # fmt: skip


def _url(job: Job) -> str:
    return f"http://mp.weixin.qq.com/s/{job.content_digest[:22]}"
