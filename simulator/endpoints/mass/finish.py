"""The end of a job, and the event MASSSENDJOBFINISH (section 6.4)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.core.accounts import Account
from simulator.core.world import World
from simulator.core.xml import Value
from simulator.endpoints.mass.jobs import REPRINT, SENT, Job, Recipients
from simulator.endpoints.mass.pages import url_of

EVENT = "MASSSENDJOBFINISH"


def finish(world: World, job: Job, moment: float, *, recipients: Recipients, month: int) -> None:
    """End a job: one that fails reaches nobody; the account's server is notified of both."""
    account = world.accounts[job.appid]
    status = job.end(world.switches)
    if status != SENT:
        account.ledger.take_back(recipients.astype(np.int64), month=month)
        job.recipients = None if job.recipients is None else recipients[:0]
    world.pushes.send(account, _event(account, job, status, moment=moment), moment=moment)


def _event(account: Account, job: Job, status: str, *, moment: float) -> Mapping[str, Value]:
    pages = range(1, job.articles + 1) if status == SENT else ()
    return {
        "ToUserName": account.original_id,
        "FromUserName": account.followers.helper,
        "CreateTime": int(moment),
        "MsgType": "event",
        "Event": EVENT,
        "MsgID": job.msg_id,
        "Status": status,
        **_counts(job, status),
        "CopyrightCheckResult": _copyright(job),
        "ArticleUrlResult": {
            "Count": len(pages),
            "ResultList": [
                {"ArticleIdx": index, "ArticleUrl": url_of(job, index)} for index in pages
            ],
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
        "TotalCount": total,
        "FilterCount": eligible,
        "SentCount": sent,
        "ErrorCount": errors,
    }


def _copyright(job: Job) -> dict[str, Value]:
    """Return the finding of the check for originality: of a reprint, the first article's case."""
    state = job.verdict.copyright if job.articles else 0
    may = int(state == REPRINT)
    item: dict[str, Value] = {
        "ArticleIdx": 1,
        "UserDeclareState": 0,
        "AuditState": 2,
        "OriginalArticleUrl": "http://mp.weixin.qq.com/s/the-original-article",
        "OriginalArticleType": 1,
        "CanReprint": may,
        "NeedReplaceContent": may,
        "NeedShowReprintSource": may,
    }
    items = [item] if state >= REPRINT else []
    return {"Count": len(items), "ResultList": items, "CheckState": state}
