"""What the followers of a new list got and will get, before it is too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from broadcast.message import Message
from broadcast.rules.overlap import ListOverlaps, Overlap, ToCome, Uncounted
from broadcast.views import overlap_words
from broadcast.views.words import Moment
from tests.unit.views.reports import EN, ID, NOW, ZH

NOTHING = ListOverlaps(today=0, today_ids=[], earlier=[], to_come=[])
EARLIER = Overlap(
    id=ID, started_at=NOW, followers=7501, rest=frozenset({"waiting", "refused", "in_doubt"})
)
SCHEDULED = ToCome(id="20261128-zzzzzz", at=NOW + timedelta(hours=6), followers=12)


def ids(known: ListOverlaps) -> list[str]:
    return [line.id for line in overlap_words.overlap_lines(known, Moment(NOW, NOW))]


def test_nothing_is_said_of_nothing() -> None:
    assert ids(NOTHING) == []
    assert overlap_words.strongest(NOTHING) is None
    assert overlap_words.strongest(None) is None
    assert list(overlap_words.instead(NOTHING, "send")) == []


def test_the_only_broadcast_of_today_is_said_once() -> None:
    known = replace(NOTHING, today=7501, today_ids=[ID], earlier=[EARLIER])

    assert ids(known) == ["overlap.earlier"]
    assert ids(replace(known, today_ids=[ID, "other"])) == ["overlap.today", "overlap.earlier"]
    assert ids(replace(known, earlier=[])) == ["overlap.today_by"]


def test_the_moment_of_an_earlier_version_is_that_of_beijing() -> None:
    [line] = overlap_words.overlap_lines(replace(NOTHING, earlier=[EARLIER]), Moment(NOW, NOW))

    assert "14:00" in EN(line)
    assert "7,501" in ZH(line)


def test_of_many_three_are_named_and_that_there_are_more() -> None:
    known = replace(NOTHING, to_come=[SCHEDULED] * 4)

    assert ids(known) == ["overlap.scheduled"] * 3 + ["overlap.more"]
    assert ids(replace(NOTHING, more=True)) == ["overlap.more"]


def test_the_question_has_the_strongest_fact() -> None:
    known = replace(NOTHING, to_come=[SCHEDULED])
    each = [known]
    each.append(replace(known, today=9, today_ids=["other"]))
    each.append(replace(each[-1], earlier=[replace(EARLIER, followers=5), EARLIER]))

    facts = [overlap_words.strongest(one) for one in each]

    assert [one and (one.id, one.facts["count"]) for one in facts] == [
        ("overlap.asked_to_come", 12),
        ("overlap.asked_today", 9),
        ("overlap.asked_earlier", 7501),
    ]


def test_the_rest_is_cancelled_listed_and_sent_to_and_those_in_doubt_are_not_in_it() -> None:
    [line] = overlap_words.instead(replace(NOTHING, earlier=[EARLIER]), "send it")

    assert line.id == "overlap.instead"
    assert EN(line).split("\n    ")[1:] == [
        f"broadcast cancel {ID} --yes",
        f"broadcast recipients {ID} --set cancelled --set refused > rest.txt",
        "send it",
    ]


def test_where_everybody_may_have_it_there_is_no_rest() -> None:
    doubtful = replace(EARLIER, rest=frozenset({"in_doubt"}))

    assert [
        one.id for one in overlap_words.instead(replace(NOTHING, earlier=[doubtful]), "send")
    ] == ["overlap.no_rest"]


def test_the_rest_of_another_list_is_not_offered_in_the_place_of_this_one() -> None:
    """It has followers who are not in this list."""
    other = replace(EARLIER, same_list=False, followers=203)
    known = replace(NOTHING, earlier=[replace(EARLIER, followers=76, id="b"), other])

    [line] = overlap_words.instead(replace(NOTHING, earlier=[other]), "send it")

    assert line.id == "overlap.leave_out_cancel"
    assert f"--exclude broadcast:{ID}" in EN(line)
    assert EN(line).split("\n    ")[1:] == [f"broadcast cancel {ID} --yes"]
    done = replace(other, rest=frozenset({"refused"}))
    assert "cancel" not in EN(next(overlap_words.instead(replace(NOTHING, earlier=[done]), "send")))
    maybe = replace(done, possibly=True)
    assert "cancel" in EN(next(overlap_words.instead(replace(NOTHING, earlier=[maybe]), "send")))
    them = Message("overlap.asked_of_them")
    assert overlap_words.strongest(known) == Message(
        "overlap.asked_in_part", of=them, count=203, id=ID
    )
    assert ids(known)[-2:] == ["overlap.earlier", "overlap.in_part"]


def test_where_several_went_out_before_whoever_got_one_of_them_is_left_out() -> None:
    done = replace(EARLIER, id="b", rest=frozenset({"refused"}))

    [line] = overlap_words.instead(replace(NOTHING, earlier=[EARLIER, done]), "send it")

    assert f"--exclude broadcast:{ID} --exclude broadcast:b" in EN(line)
    assert EN(line).split("\n    ")[1:] == [f"broadcast cancel {ID} --yes"]
    [line] = overlap_words.instead(
        replace(NOTHING, earlier=[done, replace(done, id="c")]), "send it"
    )
    assert "cancel" not in EN(line)


def test_what_nobody_can_count_is_named_and_asked_about_last() -> None:
    sent = Uncounted(id=ID, started_at=NOW, same_content=False)
    known = replace(
        NOTHING, uncounted=[sent, replace(sent, started_at=None), replace(sent, same_content=True)]
    )

    assert ids(known) == [
        "overlap.uncounted",
        "overlap.uncounted_to_come",
        "overlap.uncounted_same",
    ]
    assert ids(replace(known, uncounted=[sent] * 4)) == [
        "overlap.uncounted_several",
        "overlap.more",
    ]
    three = replace(known, uncounted=[sent, replace(sent, id="b"), replace(sent, id="c")])
    [line] = overlap_words.overlap_lines(three, Moment(NOW, NOW))
    assert "b (" in EN(line)
    assert "；c（" in ZH(line)
    assert overlap_words.strongest(known) == Message("overlap.asked_uncounted", id=ID)
    counted = overlap_words.strongest(replace(known, to_come=[SCHEDULED]))
    assert counted is not None
    assert counted.id == "overlap.asked_to_come"
