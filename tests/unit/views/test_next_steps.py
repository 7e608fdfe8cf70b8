"""What a person can do, and above all: nobody is advised to send anything to somebody twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from broadcast.message import Message
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.circumstances import Circumstances, Doubt
from broadcast.rules.finish_events import FinishEvent
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.reports import BatchLine, Conflict, InFlight, Report, RetryGroup
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.views import next_steps, resend
from broadcast.views.words import Between, Moment, Shortened, follower_count, speaker
from entrypoints.cli.commands.resolve import retried
from models.ledger.steer.retries import Goes, Retried
from tests.unit.views.reports import EN, ID, NOW, ZH, batch, of_batches, own, refused, report

S = BroadcastState
TAKEN = batch(1, state=BatchState.ACCEPTED, msg_id=7)
CONTENT = refused(2, 40007, reason=Reason.CONTENT_REFUSED)
REST = batch(3)
BY_WORD = batch(4, state=BatchState.REFUSED, reason=Reason.SAID_NOT_SENT)
DOUBTFUL = batch(5, state=BatchState.IN_DOUBT)


def paused(*lines: BatchLine) -> Report:
    broken = own(GateKind.BREAKER, reason=Reason.CONTENT_REFUSED, errcode=40007)
    return of_batches(S.PAUSED, *lines, gates=[broken])


def steps(of: Report, **beside: Any) -> list[Message]:
    return list(next_steps.lines(of, Circumstances(**beside)))


def commands(of: Report) -> list[str]:
    [line] = [line for line in steps(of) if line.id == "resend.rest"]
    return str(line.facts["commands"]).split("\n    ")


def test_after_a_refusal_in_the_middle_the_rest_alone_gets_the_corrected_content() -> None:
    assert commands(paused(TAKEN, CONTENT, REST)) == [
        f"broadcast cancel {ID} --yes",
        f"broadcast recipients {ID} --set cancelled --set refused > rest.txt",
        "broadcast send --account shop --openids rest.txt --text TEXT",
    ]


def test_once_it_is_cancelled_only_the_lists_are_left() -> None:
    gone = batch(3, state=BatchState.CANCELLED)

    assert commands(of_batches(S.CANCELLED, TAKEN, CONTENT, gone)) == [
        f"broadcast recipients {ID} --set cancelled --set refused > rest.txt",
        "broadcast send --account shop --openids rest.txt --text TEXT",
    ]


def test_those_of_a_refused_last_batch_are_the_rest() -> None:
    assert commands(of_batches(S.PARTIAL, TAKEN, CONTENT)) == [
        f"broadcast recipients {ID} --set refused > rest.txt",
        "broadcast send --account shop --openids rest.txt --text TEXT",
    ]


@pytest.mark.parametrize(
    "doubtful", [DOUBTFUL, batch(5, state=BatchState.UNKNOWN), batch(5, state=BatchState.CALLING)]
)
def test_those_in_doubt_are_never_in_the_list_and_that_is_said(doubtful: BatchLine) -> None:
    of = paused(doubtful, CONTENT, REST)

    assert not any("in_doubt" in one or "waiting" in one for one in commands(of))
    assert "resend.without_doubts" in [line.id for line in steps(of)]


@pytest.mark.parametrize(
    "of",
    [
        paused(BY_WORD, CONTENT, REST),
        of_batches(S.CANCELLED, BY_WORD, CONTENT),
        # Nothing was refused for its content, and a retry is refused.
        of_batches(S.CANCELLED, TAKEN, BY_WORD),
    ],
)
def test_the_refused_set_is_not_advised_without_saying_who_stands_there_by_a_person_s_word(
    of: Report,
) -> None:
    [line] = [line for line in steps(of) if line.id.startswith("resend.said_not_sent")]

    assert line.facts == {"numbers": Shortened([4]), "followers": follower_count(5), "id": ID}
    for texts in (EN, ZH):
        assert f"broadcast resolve {ID} --batch 4 --sent" in texts(line)
        assert "mp.weixin.qq.com" in texts(line)


@pytest.mark.parametrize(
    "of",
    [
        # The same list is right: nobody can have got it.
        paused(CONTENT, REST),
        of_batches(S.FAILED, CONTENT),
        # A resume or a retry sends the rest.
        of_batches(S.PAUSED, TAKEN, REST, gates=[own(GateKind.PAUSE)]),
        of_batches(S.PARTIAL, TAKEN, refused(2, 43004, reason=Reason.CONTENT_REFUSED)),
        # Their OpenIDs would be refused again.
        of_batches(S.PARTIAL, TAKEN, refused(2, 40003, reason=Reason.RECIPIENTS_REFUSED)),
        # Held by its account alone: an unhalt goes on with the rest.
        of_batches(S.HELD, TAKEN, CONTENT, REST),
        of_batches(S.COMPLETED, TAKEN),
    ],
)
def test_no_new_broadcast_is_advised_where_it_is_not_needed(of: Report) -> None:
    assert [line for line in steps(of) if line.id.startswith("resend.")] == []


def test_what_may_be_called_again_comes_with_the_retry_unless_it_was_cancelled() -> None:
    again = RetryGroup(
        verdict=RetryVerdict.AGAIN, numbers=[2], followers=5, reason=None, errcode=43004
    )
    of = of_batches(S.PARTIAL, TAKEN, refused(2, 43004))
    word = own(GateKind.CANCEL, closed_by="cli:ann@desk", why="a typo", closed_at=NOW)

    assert steps(of, left_over=[again])[0] == Message(
        "next_step.retry_one", id=ID, numbers=Shortened([2]), followers=follower_count(5)
    )
    told = steps(replace(of, gates=[word]), left_over=[again])
    assert told[0] == Message(
        "next_step.cancelled_by", who=speaker("cli:ann@desk", "a typo"), at=Moment(NOW, NOW)
    )
    assert "next_step.retry_one" not in [line.id for line in told]


def test_a_doubt_is_told_with_when_to_look_and_what_wechat_named() -> None:
    early = NOW - timedelta(hours=3)
    doubts = [
        Doubt(n=1, size=5, first=early, last=NOW, msg_ids=[]),
        Doubt(n=2, size=5, first=early, last=NOW, msg_ids=[7]),
        Doubt(n=3, size=5, first=early, last=NOW, msg_ids=[7, 8]),
        Doubt(n=4, size=5, first=None, last=None, msg_ids=[]),
    ]

    told = steps(report(S.HELD), doubts=doubts)

    assert [line.id for line in told] == [
        "next_step.doubts",
        "next_step.doubt",
        "next_step.doubt_named",
        "next_step.doubt_several",
        "next_step.doubt_refused",
    ]
    assert told[1].facts["at"] == Between(first=early, last=NOW, now=NOW)
    assert told[3].facts["msg_ids"] == [7, 8]
    # One job is taken without its number, of several one must be named.
    takes = [EN(line).splitlines()[1].split(" --", 2)[2] for line in told[1:4]]
    assert takes == ["sent", "sent", "sent MSG_ID"]


def test_many_doubts_are_counted() -> None:
    doubts = [Doubt(n=n, size=5, first=NOW, last=NOW, msg_ids=[]) for n in range(13)]
    assert steps(report(S.HELD), doubts=doubts)[-1] == Message("next_step.more_doubts", n=3, id=ID)


def test_where_wechat_said_otherwise_than_a_person_is_told() -> None:
    conflict = Conflict(n=2, at=NOW, word=Reason.SAID_NOT_SENT, msg_id=None)
    [*_, line] = steps(report(S.COMPLETED), conflicts=[conflict])
    assert (line.id, line.facts["word"]) == ("next_step.conflict", Reason.SAID_NOT_SENT)


def test_the_codes_of_a_failed_broadcast_come_with_the_command_that_explains_them() -> None:
    codes = [refused(1, 45028), refused(2, 40003), refused(3, 40003)]

    failed = list(next_steps.explain(report(S.FAILED, batch_list=codes)))

    assert failed == [
        Message("next_step.explain", code=40003),
        Message("next_step.explain", code=45028),
    ]
    assert list(next_steps.explain(report(S.SENDING, batch_list=codes))) == []


@pytest.mark.parametrize("driven", [True, False])
def test_a_call_under_way_is_told_from_one_whose_worker_is_gone(*, driven: bool) -> None:
    call = InFlight(account="shop", broadcast_id=ID, n=1, size=5, since=NOW, driven=driven)
    [line] = next_steps.in_flight([call], NOW)
    assert line.id == ("next_step.in_flight" if driven else "next_step.left_behind")


def test_whoever_has_it_or_may_have_it_is_counted_as_reached() -> None:
    assert not resend.may_have_reached_some(report(S.PAUSED))
    for line in (TAKEN, DOUBTFUL, BY_WORD, batch(1, state=BatchState.UNKNOWN)):
        assert resend.may_have_reached_some(of_batches(S.PAUSED, line))


def test_where_the_list_is_wechat_s_nobody_is_told_to_send_to_the_rest_of_it() -> None:
    of = of_batches(S.PARTIAL, replace(CONTENT, size=None), replace(TAKEN, size=None))
    of = replace(of, audience=of.audience | {"planned": None})
    assert [line for line in steps(of) if line.id.startswith("resend.")] == []


def test_a_completed_broadcast_names_who_got_it_and_how_to_wait_for_wechats_report() -> None:
    done = of_batches(S.COMPLETED, TAKEN)
    of_wechat = replace(done, audience={**done.audience, "planned": None})

    assert steps(replace(done, results_due=0)) == [Message("next_step.completed", id=ID)]
    assert steps(replace(done, results_due=1)) == [
        Message("next_step.completed", id=ID),
        Message("next_step.results", id=ID),
    ]
    assert steps(done, stays=False) == []
    assert steps(replace(of_wechat, results_due=0)) == []
    assert "next_step.completed" not in [line.id for line in steps(of_batches(S.SENDING, TAKEN))]


def test_what_an_operator_marked_as_not_sent_waits_for_no_reason_to_pass() -> None:
    groups = [
        RetryGroup(
            verdict=RetryVerdict.AGAIN, numbers=[n], followers=5, reason=reason, errcode=None
        )
        for n, reason in ((1, Reason.SAID_NOT_SENT), (2, Reason.RECIPIENTS_REFUSED))
    ]

    told = steps(report(S.PARTIAL, batches={"refused": 2}), left_over=groups)

    assert [(line.id, line.facts["numbers"]) for line in told[:2]] == [
        ("next_step.retry_one", Shortened([2])),
        ("next_step.retry_verdict_one", Shortened([1])),
    ]


def test_no_retry_is_offered_for_batches_that_it_would_leave_for_who_is_suppressed() -> None:
    left = RetryGroup(
        verdict=RetryVerdict.SUPPRESSED, numbers=[2, 3], followers=9, reason=None, errcode=43004
    )

    [told, *others] = steps(report(S.PARTIAL, batches={"refused": 2}), left_over=[left])

    assert told == Message(
        "next_step.suppressed",
        id=ID,
        account="shop",
        numbers=Shortened([2, 3]),
        followers=follower_count(9),
    )
    assert not [line for line in others if line.id.startswith("next_step.retry")]


@pytest.mark.parametrize(
    ("status", "said", "heading"),
    [
        ("err(20001)", "Change what the review objects to", "resend.rest"),
        ("err(30003)", "--send-ignore-reprint", "resend.rest_same"),
        ("err(40002)", "within 30 minutes", "resend.rest_same"),
        (None, "names no reason", "resend.rest_same"),
    ],
)
def test_what_to_do_after_a_review_fits_what_stopped_it(
    status: str | None, said: str, heading: str
) -> None:
    finish = None if status is None else FinishEvent(msg_id=8, status=status)
    stopped = batch(
        2, state=BatchState.REFUSED, reason=Reason.REVIEW_REFUSED, msg_id=8, finish=finish
    )
    told = steps(of_batches(S.PARTIAL, TAKEN, stopped))

    assert f"broadcast recipients {ID} --set refused" in " ".join(map(EN, told))
    alone = steps(of_batches(S.FAILED, stopped))
    assert f"broadcast recipients {ID} --set refused" in EN(alone[-1])
    [what] = [one for one in told if one.id == "next_step.reviewed_one"]
    assert EN(what).startswith("Batch 2: ")
    assert said in EN(what)
    assert heading in [one.id for one in told]
    again = RetryGroup(
        verdict=RetryVerdict.REVIEWED,
        numbers=[2],
        followers=5,
        reason=Reason.REVIEW_REFUSED,
        errcode=None,
    )
    left = Retried(placed=[again], goes=Goes.NOTHING, forgotten={}, suppressed={})
    assert said in " ".join(map(EN, retried(of_batches(S.PARTIAL, TAKEN, stopped), left)))
