"""Every lie of WeChat's that is known, told to a real worker; the truth is the simulator's ledger.

Nothing is sent again blindly: a repeat has the key of its batch, and what cannot be known is held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broadcast.rules.calls.waits import UNKNOWN_TRIES
from broadcast.rules.states import BatchState, Reason
from models.ledger.rows.lane_rows import LEASE
from tests.acceptance.liar import FOREVER, SIZE, Liar, Victim, installed
from tests.kit.endpoints import MASS_GET
from tests.kit.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

#: WeChat's minute is 0.3 s, and ten of them, in which mass/get may not know a job yet, 3 s: a busy
#: machine asks twice in that, too.
SCALE = 0.005
MINUTE_S = 60 * SCALE


@pytest.fixture(scope="module")
def liar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Liar]:
    """One worker and one beat for all lies."""
    folder = tmp_path_factory.mktemp("lies")
    with installed(folder, accounts=40, BROADCAST_WAIT_SCALE=str(SCALE)) as liar:
        liar.system.worker()
        liar.system.beat()
        yield liar


@pytest.fixture
def victim(liar: Liar) -> Victim:
    """An account that nobody lied to yet."""
    return liar.victim()


# 45065: "already accepted"


def test_45065_on_a_first_call_is_believed_when_mass_get_knows_the_job(victim: Victim) -> None:
    victim.fault("errcode", errcode=45065)

    victim.send()

    report = victim.ends("completed", accepted=SIZE)
    assert victim.replies() == [45065]
    assert victim.questions() == 1
    assert [line.msg_id for line in report.batch_list] == victim.msg_ids()
    victim.got_it()


def test_45065_on_a_first_call_is_believed_when_mass_get_learns_of_the_job_later(
    victim: Victim,
) -> None:
    victim.fault("errcode", errcode=45065)
    victim.refuse(40059, path=MASS_GET, count=1)

    victim.send(batches=2)

    victim.ends("completed", accepted=2 * SIZE)
    assert victim.replies() == [45065, 0]
    assert victim.questions() == 2
    victim.got_it()


def test_45065_on_a_first_call_is_in_doubt_when_mass_get_never_learns_of_the_job(
    victim: Victim,
) -> None:
    victim.fault("errcode", errcode=45065)
    victim.refuse(40059, path=MASS_GET, count=FOREVER)

    victim.send()

    report = victim.ends("held", in_doubt=SIZE)
    assert report.batch_list[0].reason is Reason.UNPROVED_ACCEPTANCE
    assert victim.replies() == [45065]
    victim.got_it()


@pytest.mark.parametrize("errcode", [45009, 45011, 48001, -1])
def test_mass_get_that_refuses_its_questions_stops_no_send(victim: Victim, errcode: int) -> None:
    victim.fault("errcode", errcode=45065)
    victim.refuse(errcode, path=MASS_GET, count=FOREVER)

    victim.send(batches=2)

    report = victim.ends("held", accepted=SIZE, in_doubt=SIZE)
    assert report.batch_list[0].reason is Reason.UNPROVED_ACCEPTANCE
    assert victim.replies() == [45065, 0]
    victim.got_it()


def test_45065_on_a_first_call_without_a_msg_id_is_in_doubt_whether_it_was_sent_or_not(
    liar: Liar,
) -> None:
    sent, unsent = liar.victim(), liar.victim()
    sent.fault("errcode", errcode=45065, name_job=False)
    unsent.refuse(45065)

    for victim in (sent, unsent):
        victim.send()

    for victim in (sent, unsent):
        report = victim.ends("held", in_doubt=SIZE)
        assert report.batch_list[0].reason is Reason.UNPROVED_ACCEPTANCE
        assert victim.replies() == [45065]
        assert victim.questions() == 0
        shown = victim.shown()
        assert "never sent again automatically" in shown
        assert f"    broadcast resolve {victim.id} --batch 1 --sent\n" in shown
    sent.got_it()
    assert unsent.msg_ids() == []


def test_45065_without_a_msg_id_settles_a_batch_whose_reply_was_lost(victim: Victim) -> None:
    victim.fault("drop")
    victim.refuse(45065, skip=1)

    victim.send()

    victim.ends("completed", accepted=SIZE)
    assert victim.replies() == [0, 45065]
    victim.got_it()


# 45066: "the same key runs just now"


def test_45066_for_ten_minutes_is_asked_again_each_minute_until_wechat_knows(
    liar: Liar,
) -> None:
    minutes = 10
    sent, unsent = liar.victim(), liar.victim()
    sent.fault("drop")
    sent.refuse(45066, skip=1, count=minutes)
    unsent.refuse(45066, count=minutes)

    for victim in (sent, unsent):
        victim.send(batches=2)

    for victim in (sent, unsent):
        victim.ends("completed", accepted=2 * SIZE)
        waited = [call["start"] for call in victim.calls() if call["errcode"] == 45066]
        assert len(waited) == minutes
        assert waited[-1] - waited[0] >= (minutes - 1) * MINUTE_S
        victim.got_it()
    # No other batch starts before this one is settled.
    assert sent.replies() == [0, *[45066] * minutes, 45065, 0]
    assert unsent.replies() == [*[45066] * minutes, 0, 0]


def test_45066_never_uses_up_the_repeats_of_a_batch(victim: Victim) -> None:
    victim.fault("drop")
    victim.refuse(45066, skip=1, count=UNKNOWN_TRIES + 1)

    victim.send()

    victim.ends("completed", accepted=SIZE)
    victim.got_it()


# Replies that are no answer


@pytest.mark.parametrize("kind", ["drop", "html", "garbage", "truncated"])
def test_a_reply_that_cannot_be_read_after_the_acceptance_is_asked_for_by_the_same_key(
    victim: Victim, kind: str
) -> None:
    victim.fault(kind)

    victim.send()

    victim.ends("completed", accepted=SIZE)
    assert victim.replies() == [0, 45065]
    assert len(victim.keys()) == 1
    victim.got_it()


def test_minus_one_after_the_acceptance_is_asked_again_by_the_same_key(victim: Victim) -> None:
    victim.fault("errcode", errcode=-1)

    victim.send(batches=2)

    report = victim.ends("completed", accepted=2 * SIZE)
    assert victim.replies() == [-1, 45065, 0]
    assert len(victim.keys()) == 2
    assert [line.msg_id for line in report.batch_list] == victim.msg_ids()
    victim.got_it()


def test_errcode_0_without_a_msg_id_is_not_believed_before_the_repeat_names_it(
    victim: Victim,
) -> None:
    victim.fault("omit")

    victim.send(batches=2)

    report = victim.ends("completed", accepted=2 * SIZE)
    assert victim.replies() == [0, 45065, 0]
    assert [line.msg_id for line in report.batch_list] == victim.msg_ids()
    victim.got_it()


@pytest.mark.parametrize("errcode", [45028, 48001, 40003])
def test_a_batch_that_was_taken_is_in_doubt_and_not_refused_whatever_its_repeats_are_told(
    victim: Victim, errcode: int
) -> None:
    victim.fault("drop")
    victim.refuse(errcode, skip=1, count=FOREVER)

    victim.send()

    report = victim.ends("held", in_doubt=SIZE)
    assert report.batch_list[0].reason is Reason.REFUSED_AFTER_UNKNOWN
    # Another repeat could not answer either.
    assert victim.replies() == [0, errcode]
    assert str(errcode) in victim.shown()
    victim.got_it()


# The wrong job


def test_the_same_msg_id_for_two_batches_leaves_the_second_in_doubt(victim: Victim) -> None:
    victim.fault("same_msg_id", skip=1)

    victim.send(batches=2)

    report = victim.ends("held", accepted=SIZE, in_doubt=SIZE)
    first, second = report.batch_list
    assert (first.state, first.msg_id) == (BatchState.ACCEPTED, victim.msg_ids()[0])
    assert (second.state, second.msg_id) == (BatchState.IN_DOUBT, None)
    assert second.reason is Reason.FOREIGN_MSG_ID
    assert victim.replies() == [0, 0]
    victim.got_it()


def test_40059_for_an_accepted_batch_is_asked_again_until_mass_get_says_success(
    liar: Liar, victim: Victim
) -> None:
    victim.refuse(40059, path=MASS_GET, count=2)

    victim.send()

    victim.ends("completed", accepted=SIZE)

    def finished() -> bool:
        liar.look_for_results()
        report = victim.ends("completed", accepted=SIZE)
        return report.batch_list[0].state is BatchState.FINISHED

    until(finished, 20, "the end of the job")
    assert victim.questions() == 3
    assert victim.replies() == [0]
    victim.got_it()


# Replies and requests that take their time


@pytest.mark.prove
def test_a_reply_that_drips_for_longer_than_the_lease_is_waited_for_by_one_driver(
    liar: Liar, victim: Victim
) -> None:
    rival = liar.system.worker()
    victim.fault("drip", seconds=0.08)

    victim.send(batches=2)

    victim.ends("completed", accepted=2 * SIZE)
    rival.kill()
    dripped, second = victim.calls()
    assert dripped["end"] - dripped["start"] > LEASE.total_seconds()
    assert second["start"] >= dripped["end"]
    assert victim.replies() == [0, 0]
    assert liar.system.simulator.max_in_flight(victim.account.appid) == 1
    victim.got_it()


def test_a_cut_request_that_a_gateway_makes_twice_is_one_send(victim: Victim) -> None:
    victim.fault("twice", seconds=0.5)

    victim.send(batches=2)

    victim.ends("completed", accepted=2 * SIZE)
    until(lambda: len(victim.calls()) == 4, 10, "the gateway's second request")
    assert sorted(call["errcode"] for call in victim.calls()) == [0, 0, 45065, 45065]
    victim.got_it()


def test_a_cut_request_that_arrives_after_its_repeat_is_one_send(victim: Victim) -> None:
    # A busy machine repeats late, too.
    victim.fault("late", seconds=6)

    victim.send(batches=2)

    victim.ends("completed", accepted=2 * SIZE)
    until(lambda: len(victim.calls()) == 4, 20, "the late request")
    assert victim.replies() == [None, 0, 0, 45065]
    victim.got_it()


def test_a_cut_request_that_arrives_between_its_repeats_is_one_send(victim: Victim) -> None:
    victim.fault("late", seconds=0.2)
    # By the sixth repeat two seconds have passed.
    victim.fault("html", when="before", count=5)

    victim.send(batches=2)

    report = victim.ends("completed", accepted=2 * SIZE)
    assert victim.replies()[-2:] == [45065, 0]
    assert [line.msg_id for line in report.batch_list] == victim.msg_ids()
    victim.got_it()
