"""What a person does after WeChat stopped a job that it had accepted: by the word that it gave.

A refusal by the review is corrected in the content; an administrator who is silent is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from broadcast.finish import FAIL, REVIEWS, review
from broadcast.message import Message
from broadcast.reasons import STOPPED_JOB
from broadcast.reports import BatchLine, Report
from broadcast.states import BatchState
from presentation.words import Shortened, suffix

#: What stopped it where it was not what the content says.
_OTHER_FIXES = {
    30001: "check_failed", 30002: "no_reprint", 30003: "reprint", 40001: "administrator_refused",
    40002: "administrator_silent",
}  # fmt: skip


def fix(status: str) -> Message:
    """Return what to do after a word of WeChat's for the end of a job, ``err(20001)`` say."""
    return Message(f"finish.fix.{_kind(status)}")


def steps(report: Report) -> Iterator[Message]:
    """Yield what to do about the batches of *report* that were stopped so."""
    for kind, numbers in by_fix(report, [line.n for line in report.batch_list]).items():
        yield Message(
            f"next_step.reviewed{suffix(len(numbers))}", numbers=Shortened(numbers),
            fix=Message(f"finish.fix.{kind}"),
        )  # fmt: skip


def listing(report: Report) -> Iterator[Message]:
    """Yield the command that lists their followers, where it is known who they are."""
    known = report.audience["planned"] is not None
    if known and any(map(is_stopped, report.batch_list)):
        yield Message("next_step.reviewed_list", id=report.id)


def by_fix(report: Report, numbers: Collection[int]) -> dict[str, list[int]]:
    """Return which of the batches *numbers* were stopped so, by what is to be done."""
    found: dict[str, list[int]] = defaultdict(list)
    for line in report.batch_list:
        if line.n in numbers and is_stopped(line):
            found[_kind(line.finish.status if line.finish else FAIL)].append(line.n)
    return found


def blames_content(line: BatchLine) -> bool:
    """Tell whether it is the content that was refused, as far as WeChat says."""
    return is_stopped(line) and _kind(line.finish.status if line.finish else FAIL) in _OF_CONTENT


_OF_CONTENT = frozenset({"content", "no_reprint"})


def is_stopped(line: BatchLine) -> bool:
    """Tell whether WeChat stopped the batch's job after it had accepted it."""
    return line.state is BatchState.REFUSED and line.reason in STOPPED_JOB


def _kind(status: str) -> str:
    number = review(status)
    if number is None or number not in REVIEWS:
        return "unknown"
    return _OTHER_FIXES.get(number, "content")
