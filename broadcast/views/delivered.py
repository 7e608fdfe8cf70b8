"""WeChat's results in words: its counts of a broadcast, article addresses, refusals of a review.

The counts are WeChat's own, and rounded by it: it pushes them when a job has nearly ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from broadcast.message import Message
from broadcast.rules.finish_events import (
    FAIL,
    REVIEWS,
    SUCCESS,
    Article,
    Copyright,
    FinishEvent,
    JobEnd,
    job_end_of,
    plain,
    review,
)
from broadcast.rules.reports import BatchLine, Did, OperatorAction, Report
from broadcast.rules.states import STOPPED_JOB, BatchState
from broadcast.views.objects import members, utc_if_any
from broadcast.views.words import Joined, Moment, numbered, printable

#: CheckState of a job none of whose articles is a reprint.
_NO_REPRINT = 1
#: Most addresses that are listed; a message has eight articles.
_MOST = 8
#: Characters of an address that are shown; WeChat's have about 200.
_LONGEST_URL = 400


def lines(report: Report) -> Iterator[Message]:
    """Yield WeChat's counts, or that there are none, and what it said of the articles."""
    yield from counted(report)
    yield from _articles(report)
    yield from _copyright(report)
    yield from _odd(report)
    for line in report.batch_list:
        if line.is_unverified:
            yield Message("delivered.unverified", n=line.n, msg_id=line.msg_id)


def counted(report: Report) -> Iterator[Message]:
    """Yield WeChat's counts, or that there are none; nothing while they may come."""
    figures, accepted = report.delivered, report.batches["accepted"]
    if figures.jobs:
        yield Message("delivered.counts", parts=Joined(list(sums(report)), "separator"))
        # While batches are still counted, and without a count, nobody knows that.
        if figures.counts.sent == 0 and figures.jobs == accepted:
            empty = figures.counts.total == 0
            yield Message("delivered.nobody_listed" if empty else "delivered.nobody")
    elif accepted and not report.results_due:
        # No poll is to come: what is not known by now may never be.
        yield from _no_counts(report.batch_list)


def _no_counts(batches: Sequence[BatchLine]) -> Iterator[Message]:
    """Yield why there are no counts: an event is missing, or nobody knows of which job it is."""
    unnamed = [line.n for line in batches if line.is_unnamed]
    if unnamed:
        yield numbered("delivered.unnamed", unnamed)
    if not unnamed or any(line.is_taken and line.msg_id is not None for line in batches):
        yield Message("delivered.no_counts")


def sums(report: Report) -> Iterator[Message]:
    """Yield WeChat's counts, each that it gave."""
    counts = report.delivered.counts
    for name, n in members(counts, "sent", "eligible", "total").items():
        if n is not None:
            yield Message(f"delivered.{name}", n=n)
    if counts.errors:
        yield Message("delivered.errors", n=counts.errors)
    stopped = [line for line in report.batch_list if line.finish and not line.is_taken]
    ended = report.batches["accepted"] + len(stopped)
    if 0 < report.delivered.jobs < ended:
        yield Message("delivered.jobs", n=report.delivered.jobs, total=ended)


def _articles(report: Report) -> Iterator[Message]:
    found: dict[Article, None] = {}
    for line in report.batch_list:
        found.update(dict.fromkeys(line.finish.articles if line.finish else ()))
    for article in list(found)[:_MOST]:
        recall = _recall_of(article, report)
        name = "delivered.article"
        if recall is not None:
            perhaps = "delivered.article_perhaps_recalled"
            name = perhaps if recall.maybe else "delivered.article_recalled"
        yield Message(
            name,
            n=article.n,
            url=printable(article.url, longest=_LONGEST_URL),
            at=recall and Moment(recall.at, report.now),
        )
    if len(found) > _MOST:
        yield Message("delivered.more_articles", n=len(found) - _MOST)


def _recall_of(article: Article, report: Report) -> OperatorAction | None:
    """Return the recall after which an article opens no more, a certain one before a possible."""
    done = report.operator_actions.actions if report.operator_actions else ()
    pages = {line.msg_id: line.finish.articles for line in report.batch_list if line.finish}
    recalls = [
        one
        for one in done
        if one.did is Did.RECALL
        and one.article in {None, article.n}
        # Of a job of another broadcast, which has the same page, nothing more is known here.
        and article in pages.get(one.msg_id, [article])
    ]
    return min(recalls, key=lambda one: (one.maybe, one.at), default=None)


def _copyright(report: Report) -> Iterator[Message]:
    found: dict[Copyright, None] = {}
    for line in report.batch_list:
        checked = (
            line.finish if line.finish and (line.finish.check_state or 0) > _NO_REPRINT else None
        )
        found.update(dict.fromkeys(checked.copyright if checked else ()))
    for one in list(found)[:_MOST]:
        allowed = "delivered.reprint" if one.may_reprint else "delivered.reprint_forbidden"
        yield Message(
            allowed, n=one.n, url=printable(one.original_url or "?", longest=_LONGEST_URL)
        )


def _odd(report: Report) -> Iterator[Message]:
    """Name accepted batches of which WeChat pushed another word than success."""
    for line in report.batch_list:
        if line.finish is None or _is_plain(line.finish):
            continue
        if job_end_of(line.finish.status, line.finish.counts) is not JobEnd.REFUSED:
            sent = line.finish.counts.sent
            name = "delivered.odd_uncounted" if sent is None else "delivered.odd"
            yield Message(name, n=line.n, status=status(line.finish), sent=sent)


def _is_plain(event: FinishEvent) -> bool:
    return status(event).id == "finish.success"


def status(event: FinishEvent) -> Message:
    """Return the meaning of WeChat's word for the end of a job."""
    return meaning(event.status)


def meaning(status: str) -> Message:
    """Return the meaning of a word of WeChat's for the end of a job, ``err(20001)`` say."""
    number = review(status)
    if number is not None:
        known = f"finish.err.{number}" if number in REVIEWS else "finish.err.other"
        return Message(known, n=number)
    word = plain(status)
    names = {SUCCESS: "finish.success", FAIL: "finish.fail"}
    return Message(names.get(word, "finish.other"), status=printable(status) or "-")


def event_as_json(event: FinishEvent) -> dict[str, Any]:
    """Return a finish event."""
    return {
        "status": event.status,
        **asdict(event.counts),
        "articles": [asdict(one) for one in event.articles],
        "copyright": [asdict(one) for one in event.copyright],
        "check_state": event.check_state,
        "at": utc_if_any(event.created_at),
    }


#: What stopped it where it was not what the content says.
_OTHER_FIXES = {
    30001: "check_failed",
    30002: "no_reprint",
    30003: "reprint",
    40001: "administrator_refused",
    40002: "administrator_silent",
}


def fix(status: str) -> Message:
    """Return the fix after a word of WeChat's for the end of a job, ``err(20001)`` say."""
    return Message(f"finish.fix.{_kind(status)}")


def review_steps(report: Report) -> Iterator[Message]:
    """Yield the next steps for the batches of *report* that were stopped so."""
    for kind, numbers in by_fix(report, [line.n for line in report.batch_list]).items():
        yield numbered("next_step.reviewed", numbers, fix=Message(f"finish.fix.{kind}"))


def listing(report: Report) -> Iterator[Message]:
    """Yield the command that lists their followers, where it is known who they are."""
    known = report.audience["planned"] is not None
    if known and any(map(is_stopped, report.batch_list)):
        yield Message("next_step.reviewed_list", id=report.id)


def by_fix(report: Report, numbers: Collection[int]) -> dict[str, list[int]]:
    """Return those of the batches *numbers* that were stopped so, by their fix."""
    found: dict[str, list[int]] = defaultdict(list)
    for line in report.batch_list:
        if line.n in numbers and is_stopped(line):
            found[_kind_of(line)].append(line.n)
    return found


def blames_content(line: BatchLine) -> bool:
    """Return whether it is the content that was refused, as far as WeChat says."""
    return is_stopped(line) and _kind_of(line) in _OF_CONTENT


_OF_CONTENT = frozenset({"content", "no_reprint"})


def is_stopped(line: BatchLine) -> bool:
    """Return whether WeChat stopped the batch's job after it had accepted it."""
    return line.state is BatchState.REFUSED and line.reason in STOPPED_JOB


def is_unconfirmed(line: BatchLine) -> bool:
    """Return whether the account's administrator did not confirm the batch, by its event."""
    return line.finish is not None and review(line.finish.status) in {40001, 40002}


def _kind_of(line: BatchLine) -> str:
    return _kind(line.finish.status if line.finish else FAIL)


def _kind(status: str) -> str:
    number = review(status)
    if number is None or number not in REVIEWS:
        return "unknown"
    return _OTHER_FIXES.get(number, "content")
