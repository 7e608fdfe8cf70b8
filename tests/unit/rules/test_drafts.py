"""Drafts: what an edit is noticed by, and what follows from a look."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from broadcast import day
from broadcast.rules import drafts
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.calls.waits import MOST_TRIES
from broadcast.rules.drafts import (
    FRESH,
    LASTS,
    Change,
    Gone,
    LastLook,
    Mark,
    Part,
    Ruling,
    StoredDraft,
    content_digest,
    is_due,
    ruling_of,
)
from broadcast.rules.states import Reason

FIRST = Mark(
    title="周报",
    author="运营",
    digest="本周",
    content="ab",
    cover="T1",
    source_url="https://example.com",
    comments="10",
)
SECOND = Mark(title="招聘")
BEFORE = (FIRST, SECOND)
FRESHLY_SUBMITTED = StoredDraft(approved=BEFORE, seen=BEFORE, tries=0, accepted=False)
NEVER_READ = StoredDraft(approved=None, seen=None, tries=0, accepted=False)
AWAY = NoAnswer(outcome=Outcome.WAIT, scope=Scope.PATH, errcode=-1)
REFUSED = NoAnswer(outcome=Outcome.STOP_ACCOUNT, scope=Scope.PATH, errcode=48001)
# Ten in the morning in Shanghai.
NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("part", "edited"),
    [
        (Part.TITLE, {"title": "月报"}),
        (Part.AUTHOR, {"author": "市场"}),
        (Part.DIGEST, {"digest": "本月"}),
        (Part.CONTENT, {"content": "cd"}),
        (Part.COVER, {"cover": "T2"}),
        (Part.SOURCE_URL, {"source_url": ""}),
        (Part.COMMENTS, {"comments": "11"}),
    ],
)
def test_an_edit_names_its_article_and_its_part(part: Part, edited: dict[str, str]) -> None:
    now = (SECOND, replace(FIRST, **edited))

    (one,) = drafts.changes((SECOND, FIRST), now)

    assert one == Change(article=2, parts=[part], before="周报", now=now[1].title)


def test_articles_that_came_and_went_are_named() -> None:
    assert list(drafts.changes((FIRST,), BEFORE)) == [
        Change(article=2, parts=[Part.ADDED], before="", now="招聘")
    ]
    assert list(drafts.changes(BEFORE, (FIRST,))) == [
        Change(article=2, parts=[Part.REMOVED], before="招聘", now="")
    ]


def test_the_same_draft_has_no_changes() -> None:
    assert list(drafts.changes(BEFORE, BEFORE)) == []


def test_marks_come_back_as_they_were_stored() -> None:
    assert drafts.load_marks(drafts.dump_marks(BEFORE)) == BEFORE


def test_content_and_images_are_told_apart() -> None:
    assert len({content_digest("a"), content_digest("b"), content_digest("", ["a"])}) == 3
    assert content_digest("半\ud800") != content_digest("半")


def test_a_draft_that_stayed_goes_out() -> None:
    assert ruling_of(FRESHLY_SUBMITTED, BEFORE) == Ruling(known=FRESHLY_SUBMITTED)


def test_an_edited_draft_is_held_with_what_is_seen() -> None:
    edited = (replace(FIRST, title="月报"), SECOND)

    ruling = ruling_of(FRESHLY_SUBMITTED, edited)

    assert (ruling.reason, ruling.waits) == (Reason.DRAFT_EDITED, False)
    assert (ruling.known.approved, ruling.known.seen) == (BEFORE, edited)


def test_the_first_look_is_what_later_ones_are_compared_with() -> None:
    assert ruling_of(NEVER_READ, BEFORE) == Ruling(known=FRESHLY_SUBMITTED)


def test_a_draft_that_is_gone_is_held_before_anything_is_accepted() -> None:
    ruling = ruling_of(FRESHLY_SUBMITTED, Gone())

    assert ruling.reason is Reason.DRAFT_GONE
    assert ruling.known.seen is None


def test_a_draft_that_left_the_box_with_its_first_batch_goes_on() -> None:
    sent = replace(FRESHLY_SUBMITTED, accepted=True)
    assert ruling_of(sent, Gone()) == Ruling(known=sent)


def test_a_material_that_never_was_a_draft_goes_out() -> None:
    assert ruling_of(NEVER_READ, Gone()) == Ruling(known=NEVER_READ)


def test_without_an_answer_it_is_looked_at_again_and_then_a_person_decides() -> None:
    known, waited = FRESHLY_SUBMITTED, 0
    while (ruling := ruling_of(known, AWAY)).waits:
        known, waited = ruling.known, waited + 1

    assert waited == MOST_TRIES - 1
    assert ruling.reason is Reason.DRAFT_UNREAD
    assert ruling.known.seen is None


def test_an_answer_counts_the_looks_anew() -> None:
    tried = replace(FRESHLY_SUBMITTED, tries=MOST_TRIES - 1)
    assert ruling_of(tried, BEFORE).known.tries == 0


def test_what_was_never_read_goes_out_where_wechat_refuses_or_stays_silent() -> None:
    tired = replace(NEVER_READ, tries=MOST_TRIES - 1)

    assert ruling_of(NEVER_READ, REFUSED).reason is None
    assert ruling_of(NEVER_READ, AWAY).waits
    assert ruling_of(tired, AWAY).reason is None


def test_a_refused_look_at_a_draft_that_was_read_is_for_a_person() -> None:
    ruling = ruling_of(FRESHLY_SUBMITTED, REFUSED)
    assert (ruling.reason, ruling.waits) == (Reason.DRAFT_UNREAD, False)


@pytest.mark.parametrize(
    ("looked", "due"),
    [
        (LastLook(at=None, opened_at=None, called=False), True),
        (LastLook(at=NOW, opened_at=None, called=False), False),
        (LastLook(at=NOW - FRESH * 2, opened_at=None, called=False), True),
        (LastLook(at=NOW - FRESH * 2, opened_at=None, called=True), False),
        (LastLook(at=NOW - LASTS * 2, opened_at=None, called=True), True),
        (LastLook(at=NOW, opened_at=NOW, called=True), True),
        (LastLook(at=NOW - FRESH, opened_at=NOW, called=True), True),
        (LastLook(at=NOW, opened_at=NOW - FRESH, called=True), False),
    ],
)
def test_a_look_is_due_before_the_first_call_after_a_stop_and_when_the_last_is_old(
    looked: LastLook, due: bool
) -> None:
    assert is_due(looked, NOW) is due


def test_a_look_of_yesterday_is_old_although_it_was_seconds_ago() -> None:
    midnight = day.start(NOW)

    looked = LastLook(at=midnight - FRESH / 2, opened_at=None, called=True)

    assert is_due(looked, midnight + FRESH / 2)
