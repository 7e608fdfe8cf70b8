"""WeChat's own counts are shown as it gave them, and their absence is said, never guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from broadcast.rules.finish_events import (
    REVIEWS,
    Article,
    Copyright,
    Counts,
    Delivered,
    FinishEvent,
)
from broadcast.rules.reports import BatchLine, Did, OperatorAction, OperatorActions, Report
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.views import delivered, report_lines
from broadcast.views.json_objects import as_json
from tests.unit.views.reports import EN, NOW, ZH, batch, of_batches

DONE = Counts(total=10, eligible=9, sent=8, errors=1)


def ended(status: str = "send success", counts: Counts = DONE, **facts: Any) -> FinishEvent:
    return FinishEvent(msg_id=71, status=status, counts=counts, created_at=NOW, **facts)


def line(n: int, event: FinishEvent | None, **facts: Any) -> BatchLine:
    state = facts.pop("state", BatchState.ACCEPTED)
    return batch(n, state=state, msg_id=70 + n, finish=event, **facts)


def of(*there: BatchLine, jobs: int = 1, counts: Counts = DONE, **facts: Any) -> Report:
    return of_batches(
        BroadcastState.COMPLETED, *there, delivered=Delivered(jobs=jobs, counts=counts), **facts
    )


def said(report: Report) -> list[str]:
    return [EN(one) for one in delivered.lines(report)]


def test_counts_are_shown_as_wechat_gave_them() -> None:
    there = of(line(1, ended()))

    assert said(there) == ["WeChat's counts: 8 delivered · 9 eligible · 10 in the list · 1 failed"]
    assert as_json(there)["delivered"] == {
        "total": 10,
        "eligible": 9,
        "sent": 8,
        "errors": 1,
        "jobs": 1,
    }


def test_counts_of_some_batches_are_not_taken_for_those_of_all() -> None:
    [told] = said(of(line(1, ended()), line(2, None)))

    assert told.endswith(" · 1 of 2 batches counted")


def test_success_that_reached_nobody_is_said() -> None:
    none = Counts(total=10, eligible=0, sent=0, errors=0)

    assert "delivered it to nobody" in said(of(line(1, ended(counts=none)), counts=none))[1]


def test_list_that_was_empty_is_not_blamed_on_the_filters_of_wechat() -> None:
    none = Counts(total=0, eligible=0, sent=0, errors=0)
    told = said(of(line(1, ended(counts=none)), counts=none))[1]

    assert "nobody was in the list" in told
    assert "filters" not in told


@pytest.mark.parametrize("counts", [Counts(total=10, sent=0), Counts(total=10)])
def test_nobody_is_not_said_while_batches_are_still_counted(counts: Counts) -> None:
    there = of(line(1, ended(counts=counts)), line(2, None), counts=counts)

    assert not [one for one in said(there) if "nobody" in one]


def test_counts_that_did_not_come_are_not_guessed() -> None:
    there = of_batches(BroadcastState.COMPLETED, line(1, None), results_due=0)

    assert said(there)[0].startswith("No counts from WeChat")
    assert as_json(there)["delivered"] == {
        "total": None,
        "eligible": None,
        "sent": None,
        "errors": None,
        "jobs": 0,
    }
    assert said(replace(there, results_due=1)) == []


def test_nothing_is_said_of_counts_where_nothing_was_accepted() -> None:
    assert said(of_batches(BroadcastState.FAILED, batch(1, state=BatchState.REFUSED))) == []


@pytest.mark.parametrize("number", [*sorted(REVIEWS), 20431])
def test_a_refusal_by_the_review_is_said_in_words(number: int) -> None:
    event = ended(f"err({number})", Counts(total=0, eligible=0, sent=0, errors=0))
    there = of(line(1, event, state=BatchState.REFUSED, reason=Reason.REVIEW_REFUSED), jobs=0)

    [told] = [
        one for one in report_lines.report_lines(there, (), {}) if one.id == "report.troubled_one"
    ]
    for speak in (EN, ZH):
        assert f"err({number})" in speak(told)
        assert speak(delivered.status(event)) in speak(told)
    assert ("does not document" in EN(told)) is (number == 20431)


def test_batches_that_the_review_refused_for_different_reasons_are_told_apart() -> None:
    refused = {"state": BatchState.REFUSED, "reason": Reason.REVIEW_REFUSED}
    there = of(line(1, ended("err(20001)"), **refused), line(2, ended("err(20013)"), **refused))

    told = [EN(one) for one in report_lines.report_lines(there, (), {})]
    # Why comes before what can be done.
    why = [n for n, one in enumerate(told) if "err(20001)" in one or "err(20013)" in one]
    assert why[:2] == [3, 4], told
    assert any("politics" in one for one in told)
    assert any("copyright" in one for one in told)


def test_failure_that_reached_some_is_said_to_have_reached_them() -> None:
    told = said(of(line(1, ended("send fail", Counts(sent=3)))))

    assert "Batch 1: WeChat reports failed (send fail), but also 3 deliveries" in told[-1]


def test_articles_and_reprints_are_named_once() -> None:
    one = Copyright(n=1, original_url="http://mp.weixin.qq.com/s/o", may_reprint=1)
    other = Copyright(n=2, original_url="http://mp.weixin.qq.com/s/p", may_reprint=0)
    event = ended(
        articles=(Article(n=1, url="http://mp.weixin.qq.com/s/x\x1b[2J"),),
        copyright=(one, other),
        check_state=3,
    )

    told = said(of(line(1, event), line(2, event), jobs=2))[1:]

    assert told == [
        "Article 1: http://mp.weixin.qq.com/s/x [2J",
        "Article 1: WeChat takes it for a reprint of http://mp.weixin.qq.com/s/o; it may be sent.",
        (
            "Article 2: WeChat takes it for a reprint of http://mp.weixin.qq.com/s/p, which does "
            "not permit reprints."
        ),
    ]
    told_json = as_json(of(line(1, event)))["batch_list"][0]["finish"]
    assert told_json["articles"][0]["n"] == 1
    assert told_json["copyright"][1]["may_reprint"] == 0
    assert told_json["at"] == "2026-11-27T06:00:00.000Z"


def test_a_count_that_is_missing_is_not_shown_as_none_delivered() -> None:
    told = said(of(line(1, ended("new word", Counts())), jobs=0))

    assert "no count of deliveries" in told[-1]
    assert "0" not in told[-1]


def recalled(msg_id: int, *, article: int | None = None, maybe: bool = False) -> OperatorAction:
    return OperatorAction(
        at=NOW,
        who="cli:ann@desk",
        did=Did.RECALL,
        why=None,
        msg_id=msg_id,
        article=article,
        maybe=maybe,
    )


@pytest.mark.parametrize(
    ("recall", "gone"),
    [
        # Every article of its page; one of them; of a send of the same page by another broadcast.
        (recalled(71), {1: "was recalled", 2: "was recalled"}),
        (recalled(71, article=2), {2: "was recalled"}),
        (recalled(99), {1: "was recalled", 2: "was recalled", 3: "was recalled"}),
        (recalled(72), {3: "was recalled"}),
        (recalled(71, maybe=True), {1: "was possibly recalled", 2: "was possibly recalled"}),
    ],
)
def test_a_recalled_page_does_not_stand_there_as_if_it_still_opened(
    recall: OperatorAction, gone: dict[int, str]
) -> None:
    pages = [[Article(n=1, url="https://a"), Article(n=2, url="https://b")]]
    pages.append([Article(n=3, url="https://c")])
    there = [line(n, ended(articles=tuple(page))) for n, page in enumerate(pages, 1)]
    report = of(*there, jobs=2, operator_actions=OperatorActions(actions=[recall], earlier=0))

    told = [one for one in said(report) if one.startswith("Article")]

    for n, shown in enumerate(told, 1):
        assert gone.get(n, f"Article {n}: https") in shown
