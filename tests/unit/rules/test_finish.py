"""MASSSENDJOBFINISH is read in every form that was seen, and each of its words has a meaning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.rules import finish_events
from broadcast.rules.finish_events import (
    REVIEWS,
    Article,
    Copyright,
    Counts,
    FinishEvent,
    JobEnd,
    UnreadableFinishError,
    job_end_of,
    read_finish,
    review,
    supersedes,
)

#: As an XML reader gives it: every value a string.
XML: dict[str, Any] = {
    "ToUserName": "gh_0123456789ab",
    "FromUserName": "oHELP00000000000000000000mph",
    "CreateTime": "1700000300",
    "MsgType": "event",
    "Event": "MASSSENDJOBFINISH",
    "MsgID": "3147494276",
    "Status": "send success",
    "TotalCount": "10000",
    "FilterCount": "9612",
    "SentCount": "9607",
    "ErrorCount": "5",
    "CopyrightCheckResult": {
        "Count": "1",
        "CheckState": "2",
        "ResultList": {
            "item": {
                "ArticleIdx": "1",
                "UserDeclareState": "0",
                "AuditState": "2",
                "OriginalArticleUrl": "http://mp.weixin.qq.com/s/x",
                "OriginalArticleType": "1",
                "CanReprint": "1",
                "NeedReplaceContent": "0",
                "NeedShowReprintSource": "1",
            }
        },
    },
    "ArticleUrlResult": {
        "Count": "1",
        "ResultList": {
            "item": {
                "ArticleIdx": "1",
                "ArticleUrl": "http://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv",
            }
        },
    },
}
BARE = {"MsgID": 3147494276, "Status": "send success"}


def test_event_is_read_whole() -> None:
    event = read_finish(XML)

    assert (event.msg_id, event.status) == (3147494276, "send success")
    assert event.counts == Counts(total=10000, eligible=9612, sent=9607, errors=5)
    assert event.articles == (Article(n=1, url="http://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"),)
    assert event.copyright == (
        Copyright(
            n=1,
            declared=0,
            audit=2,
            original_url="http://mp.weixin.qq.com/s/x",
            original_type=1,
            may_reprint=1,
            replaces_content=0,
            shows_source=1,
        ),
    )
    assert event.check_state == 2
    assert event.created_at == datetime.fromtimestamp(1700000300, UTC)


def test_json_form_says_the_same_as_the_xml_form() -> None:
    def numbers(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: numbers(part) for name, part in value.items()}
        return int(value) if isinstance(value, str) and value.isdigit() else value

    assert read_finish(numbers(XML)) == read_finish(XML)


@pytest.mark.parametrize(
    "listed",
    [
        {"item": [{"ArticleIdx": "1", "ArticleUrl": "u"}, {"ArticleIdx": "2", "ArticleUrl": "v"}]},
        [{"ArticleIdx": 1, "ArticleUrl": "u"}, {"ArticleIdx": 2, "ArticleUrl": "v"}],
        [
            {"item": {"ArticleIdx": 1, "ArticleUrl": "u"}},
            {"item": {"ArticleIdx": 2, "ArticleUrl": "v"}},
        ],
    ],
)
def test_several_articles_are_read_however_they_are_listed(listed: object) -> None:
    event = read_finish(BARE | {"ArticleUrlResult": {"Count": 2, "ResultList": listed}})

    assert event.articles == (Article(n=1, url="u"), Article(n=2, url="v"))


@pytest.mark.parametrize(
    "part",
    [
        None,
        "",
        " \n ",
        [],
        {},
        {"Count": "0"},
        {"Count": 0, "ResultList": None},
        {"Count": "0", "ResultList": ""},
        {"ResultList": {}},
        {"ResultList": [None, "", {}]},
        {"ResultList": {"item": None}},
    ],
)
def test_parts_that_are_missing_empty_or_null_are_none(part: object) -> None:
    event = read_finish(BARE | {"ArticleUrlResult": part, "CopyrightCheckResult": part})

    assert (event.articles, event.copyright) == ((), ())


def test_counts_that_are_missing_stay_unknown() -> None:
    assert read_finish(BARE).counts == Counts()
    assert read_finish(BARE | {"SentCount": ""}).counts.sent is None
    assert read_finish(BARE | {"SentCount": "99999999999999999999"}).counts.sent is None
    assert read_finish(BARE | {"SentCount": -1}).counts.sent is None


@pytest.mark.parametrize("msg_id", [None, "", "0", 0, "x", "-3", True, str(2**63), "１２"])
def test_event_without_a_msg_id_is_refused(msg_id: object) -> None:
    with pytest.raises(UnreadableFinishError):
        read_finish({"MsgID": msg_id, "Status": "send success"})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "item",
                    "ResultList",
                    "Count",
                    "ArticleIdx",
                    "ArticleUrl",
                    "CheckState",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(XML)), values))
def test_nothing_that_a_push_can_hold_breaks_the_reading(fields: dict[str, object]) -> None:
    event = read_finish(fields | {"MsgID": 1})

    assert event.msg_id == 1
    assert "\0" not in event.status
    assert job_end_of(event.status, event.counts) in JobEnd


@pytest.mark.parametrize(
    ("status", "sent", "means"),
    [
        ("send success", 10, JobEnd.SENT),
        ("send success", 0, JobEnd.SENT),
        ("Send Success", None, JobEnd.SENT),
        ("send_success", None, JobEnd.SENT),
        ("send fail", 0, JobEnd.REFUSED),
        ("send fail", None, JobEnd.REFUSED),
        ("err(20431)", 0, JobEnd.REFUSED),
        # Some got it: they would get it twice from whoever believes that nobody did.
        ("send fail", 3, JobEnd.SENT),
        ("err(20001)", 3, JobEnd.SENT),
        ("new word", 3, JobEnd.SENT),
        ("new word", 0, JobEnd.UNCLEAR),
        ("", None, JobEnd.UNCLEAR),
        ("err()", None, JobEnd.UNCLEAR),
    ],
)
def test_status_and_count_say_how_the_job_ended(
    status: str, sent: int | None, means: JobEnd
) -> None:
    assert job_end_of(status, Counts(sent=sent)) is means


@pytest.mark.parametrize("number", [*sorted(REVIEWS), 20431, 99999])
def test_every_err_is_a_refusal_by_the_review(number: int) -> None:
    assert review(f"err({number})") == number
    assert job_end_of(f"err({number})", Counts(sent=0)) is JobEnd.REFUSED
    assert review(finish_events.SUCCESS) is review(finish_events.FAIL) is None


T = datetime(2026, 11, 27, 8, tzinfo=UTC)
_COUNTS = st.none() | st.sampled_from([0, 1, 18])
#: What may be said of one job; few values, so that many are equal in part.
EVENTS = st.builds(
    FinishEvent,
    msg_id=st.just(1),
    status=st.sampled_from(
        [
            finish_events.SUCCESS,
            finish_events.FAIL,
            "err(20001)",
            "err(20002)",
            "new",
            "",
        ]
    ),
    counts=st.builds(Counts, total=_COUNTS, eligible=_COUNTS, sent=_COUNTS, errors=_COUNTS),
    articles=st.sampled_from([(), (Article(n=1, url="u"),)]),
    check_state=st.none() | st.integers(1, 2),
    created_at=st.none() | st.sampled_from([T, T + timedelta(minutes=1)]),
)


def last_word(events: list[FinishEvent]) -> FinishEvent:
    """Return what is stored when these came one after the other."""
    return reduce(lambda stored, event: event if supersedes(event, stored) else stored, events)


@settings(deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=6), st.data())
def test_last_word_on_a_job_is_the_same_in_every_order(
    events: list[FinishEvent], data: st.DataObject
) -> None:
    assert last_word(events) == last_word(data.draw(st.permutations(events)))


@settings(deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=6))
def test_no_word_takes_away_whom_another_reached(events: list[FinishEvent]) -> None:
    last = last_word(events)

    assert (last.counts.sent or 0) == max(event.counts.sent or 0 for event in events)
    assert job_end_of(last.status, last.counts) is not JobEnd.REFUSED or not any(
        event.counts.sent for event in events
    )


def said(status: str, *, sent: int | None = None, after: int = 0) -> FinishEvent:
    """Return an event made *after* seconds."""
    return FinishEvent(
        msg_id=1,
        status=status,
        counts=Counts(sent=sent),
        created_at=T + timedelta(seconds=after),
    )


@pytest.mark.parametrize(
    ("wins", "loses"),
    [
        (said("send success", sent=18), said("err(20001)", sent=0, after=60)),
        (said("err(20001)", sent=18), said("err(20001)")),
        (said("send fail", sent=18), said("send success", sent=17, after=60)),
        (said("err(20001)", after=1), said("send success", sent=0)),
        (said("send success", sent=0, after=1), said("err(20001)")),
        (said("send success"), said("err(20001)", sent=0)),
        (said("err(20001)", sent=0), said("err(20001)")),
        (said("err(20002)"), said("err(20001)")),
        # mass/get is asked on after a word that nobody knows: it unsays nothing.
        (said("err(20001)"), said("new word", after=60)),
        (said("err(20001)"), replace(said("send success", sent=0), created_at=None)),
    ],
)
def test_what_weighs_more_on_one_job(wins: FinishEvent, loses: FinishEvent) -> None:
    assert supersedes(wins, loses)
    assert not supersedes(loses, wins)
