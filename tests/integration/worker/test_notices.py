"""Notices to real bots: signed, cut, confirmed by their own word, tried again, said once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from broadcast import stored_message
from broadcast.message import Message
from broadcast.outbound.posting import Poster
from broadcast.rules import notices as rules_notices
from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.calls.waits import Waits
from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.campaigns.rehearsals import Run, Stage
from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.notices import Notice
from broadcast.rules.plan.audience import Everyone
from broadcast.rules.states import NoticeState
from broadcast.rules.webhooks import parse_networks
from models.ledger.boxes import notices
from models.ledger.campaigns import campaign_edits, launch_rows, rehearsal_rows
from models.ledger.lane import leases
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.steer import operator
from tests.integration.models import campaign_world, test_sendall
from tests.kit import bots, ledger
from tests.kit.bots import Bot
from tests.kit.ledger import Driver, said
from tests.kit.wait import until
from worker.delivery.notices import NoticeDeliverer

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
TITLE = "您好 🎉"
LOOPBACK = parse_networks("127.0.0.0/8")


@pytest.fixture
def wecom(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bot]:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    with bots.bot() as bot:
        yield bot


def deliverer(
    engine: Engine, *some: Bot, scale: float = 0.001, again: timedelta = timedelta(0)
) -> NoticeDeliverer:
    """Return what a worker with these bots in its settings has, registered."""
    receivers = [rules_notices.receiver_of(bot.url) for bot in some]
    made = NoticeDeliverer(
        engine,
        Poster(timeout_s=2, allowed=LOOPBACK),
        {one.name: one for one in receivers},
        waits=Waits(scale),
        longest_s=2,
        again=again,
        stopping=threading.Event(),
    )
    made.register()
    return made


def stored(engine: Engine) -> list[Notice]:
    return list(reversed(notices.newest(engine, list(NoticeState), 1000)))


def until_state(engine: Engine, state: NoticeState, *, sweep: NoticeDeliverer) -> list[Notice]:
    """Sweep until there are notices and each is in this state."""
    return until_state_of(engine, sweep, state)


def until_state_of(engine: Engine, sweep: NoticeDeliverer, *states: NoticeState) -> list[Notice]:
    """Sweep until there are notices in each of these states, and in no other one."""

    def all_are() -> bool:
        sweep.report()
        return {one.state for one in stored(engine)} == {*states}

    until(all_are, 30, f"every notice {', '.join(states)}")
    sweep.join(60)
    return stored(engine)


def test_a_worker_without_receivers_takes_out_those_of_before_unless_another_one_has_them(
    engine: Engine, wecom: Bot
) -> None:
    before = deliverer(engine, wecom)
    deliverer(engine).register(alone=True)
    assert notices.registered(engine) == []
    before.report()

    assert notices.registered(engine) == [rules_notices.receiver_of(wecom.url).name]


@pytest.mark.parametrize("kind", bots.KINDS)
def test_an_end_reaches_each_kind_of_bot_with_its_sums(
    engine: Engine, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    with bots.bot(kind) as bot:
        sweep = deliverer(engine, bot)
        broadcast_id = ledger.ended(engine)
        until_state(engine, NoticeState.SENT, sweep=sweep)

        [text] = bot.texts
    first = f"[broadcast] Account default: “{TITLE}” has ended (broadcast {broadcast_id})\n"
    assert text.startswith(first)
    assert "20 of 20 followers accepted by WeChat" in text
    # It is read later than it is said, and nobody has to do anything.
    assert "ago)" not in text
    assert text.count("    broadcast ") == text.count(f"    broadcast status {broadcast_id}") == 1


def test_an_end_of_which_nothing_is_left_to_do_comes_with_a_command_too(
    engine: Engine, wecom: Bot
) -> None:
    sweep = deliverer(engine, wecom)
    broadcast_id = test_sendall.planned(engine, Everyone())
    Driver(engine).call(said(0, msg_id=1))
    recorded_ends.record_status(
        engine, ledger.batch(engine, broadcast_id), "SEND_SUCCESS", waits=Waits()
    )
    until_state(engine, NoticeState.SENT, sweep=sweep)

    assert wecom.texts[0].endswith(f"\n    broadcast status {broadcast_id}")


@pytest.mark.parametrize("counts_come", [True, False])
def test_the_end_of_a_send_to_wechats_own_list_is_told_with_its_counts_or_where_they_will_be(
    engine: Engine, wecom: Bot, *, counts_come: bool
) -> None:
    sweep = deliverer(engine, wecom)
    broadcast_id = test_sendall.planned(engine, Everyone())
    Driver(engine).call(said(0, msg_id=1))
    sweep.report()
    assert stored(engine) == []

    if counts_come:
        counts = Counts(total=30_100, eligible=30_050, sent=30_001, errors=49)
        event = FinishEvent(msg_id=1, status="send success", counts=counts)
        recorded_ends.record_finish_event(engine, "default", event)
    else:
        ledger.pass_time(engine, timedelta(minutes=11))
    until_state(engine, NoticeState.SENT, sweep=sweep)

    [text] = wecom.texts
    assert ("30,001 delivered" in text) is counts_come
    assert ("WeChat's counts are not known yet" in text) is not counts_come
    assert text.count("    broadcast ") == text.count(f"    broadcast status {broadcast_id}") == 1


def test_a_doubt_comes_with_the_commands_that_settle_it_and_a_stop_with_its_fix(
    engine: Engine, wecom: Bot
) -> None:
    sweep = deliverer(engine, wecom)
    broadcast_id = doubtful(engine)
    until_state(engine, NoticeState.SENT, sweep=sweep)
    ledger.stop(engine, ledger.account())
    until_state(engine, NoticeState.SENT, sweep=sweep)

    doubt, stop = wecom.texts
    assert doubt.startswith(
        f"[broadcast] Account default: “{TITLE}” waits for a person (broadcast {broadcast_id})\n"
        f"{broadcast_id} · held · 0 of 20 followers accepted by WeChat · 20 in doubt\n"
    )
    for verdict in ("--sent", "--not-sent"):
        assert f"\n    broadcast resolve {broadcast_id} --batch 1 {verdict}" in doubt
    assert stop.startswith("[broadcast] Account default is stopped\nStopped: account default, ")
    assert "accept the agreement that is shown" in stop
    assert stop.endswith("\n    broadcast unhalt --account default")


def test_where_messages_are_used_up_what_waits_for_more_can_be_cancelled(
    engine: Engine, wecom: Bot
) -> None:
    sweep = deliverer(engine, wecom)
    broadcast_id = test_sendall.planned(engine, Everyone())
    Driver(engine).call(test_sendall.answered(45028))
    listed = ledger.broadcast(engine)
    until_state(engine, NoticeState.SENT, sweep=sweep)

    [stop] = wecom.texts
    assert f"\n    broadcast cancel {broadcast_id}\n" in stop
    assert listed not in stop


def test_chinese_is_said_where_the_worker_speaks_it(
    engine: Engine, wecom: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "zh")
    sweep = deliverer(engine, wecom)
    broadcast_id = doubtful(engine)
    until_state(engine, NoticeState.SENT, sweep=sweep)

    assert wecom.texts[0].startswith(
        f"【群发】账号 default：“{TITLE}”需要人工处理（群发 {broadcast_id}）\n"
    )


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("wecom", b'{"errcode": 93000, "errmsg": "invalid webhook url"}'),
        ("wecom", b'{"errcode": 45009, "errmsg": "api freq out of limit"}'),
        ("dingtalk", b'{"errcode": 310000, "errmsg": "keywords not in content"}'),
        ("feishu", b'{"code": 19024, "msg": "Key Words Not Found"}'),
        ("slack", b"invalid_token"),
        ("wecom", b"<html>sign in to the wifi</html>"),
        ("feishu", b"[]"),
        ("dingtalk", b'{"errcode": false}'),
        ("wecom", b""),
        ("wecom", b"[" * 9000),
    ],
)
def test_an_answer_of_200_that_confirms_nothing_is_no_delivery(
    engine: Engine, kind: str, answer: bytes
) -> None:
    with bots.bot(kind) as bot:
        sweep = deliverer(engine, bot)
        ledger.ended(engine)
        bot.instead = answer

        def two_tries() -> bool:
            sweep.report()
            return len(bot.receiver.posted) >= 2

        until(two_tries, 30, "two tries")
        [one] = stored(engine)
        assert (one.state, bot.texts) == (NoticeState.WAITING, [])
        bot.instead = None
        [one] = until_state(engine, NoticeState.SENT, sweep=sweep)

    assert len(bot.texts) == 1
    assert one.problem is None


@pytest.mark.parametrize("fault", ["500", "hangs", "away", "garbage"])
def test_a_bot_that_fails_for_a_day_has_its_notice_given_up_and_a_retry_sends_it(
    engine: Engine, wecom: Bot, fault: str
) -> None:
    sweep = deliverer(engine, wecom, scale=0.00001)
    ledger.ended(engine)
    if fault == "hangs":
        wecom.receiver.answers.clear()
    elif fault == "away":
        wecom.receiver.__exit__(None, None, None)
    elif fault == "garbage":
        wecom.instead = b"\xff\x00"
    else:
        wecom.receiver.status = 500
    [lost] = until_state(engine, NoticeState.GIVEN_UP, sweep=sweep)
    assert lost.problem is not None
    assert bots.KEY not in stored_message.stored(lost.problem)
    assert bots.KEY not in lost.receiver

    if fault == "away":
        wecom.receiver.__enter__()
    wecom.receiver.status, wecom.instead = 200, None
    wecom.receiver.answers.set()
    wecom.texts.clear()
    assert notices.retry_given_up(engine) == 1
    until_state(engine, NoticeState.SENT, sweep=deliverer(engine, wecom))
    assert len(wecom.texts) == 1


def test_a_bot_that_is_gone_is_not_asked_again(engine: Engine, wecom: Bot) -> None:
    sweep = deliverer(engine, wecom)
    ledger.ended(engine)
    wecom.receiver.status = 410
    [one] = until_state(engine, NoticeState.GIVEN_UP, sweep=sweep)

    assert (one.tries, len(wecom.receiver.posted)) == (1, 1)


def test_one_receiver_that_hangs_keeps_no_other_waiting(engine: Engine, wecom: Bot) -> None:
    with bots.bot("slack") as slow:
        slow.receiver.answers.clear()
        sweep = deliverer(engine, slow, wecom)
        ledger.ended(engine)
        sweep.report()
        wecom.until_texts(1)
        assert {one.state for one in stored(engine)} & {NoticeState.WAITING}
        slow.receiver.answers.set()
        sent = until_state(engine, NoticeState.SENT, sweep=sweep)
    assert len(sent) == 2


def test_what_was_opened_again_before_it_was_posted_is_not_said(engine: Engine, wecom: Bot) -> None:
    sweep = deliverer(engine, wecom)
    broadcast_id = doubtful(engine)
    wecom.receiver.status = 500

    def tried() -> bool:
        sweep.report()
        return bool(wecom.receiver.posted)

    until(tried, 30, "a try")
    ledger.stop(engine, ledger.account())
    resolves.resolve(engine, broadcast_id, 1, verdict=NotSent(), who="tests")
    operator.unhalt(engine, "default", who="tests")
    sweep.join(60)
    wecom.receiver.status = 200

    def all_done() -> bool:
        sweep.report()
        return not {NoticeState.WAITING} & {one.state for one in stored(engine)}

    until(all_done, 30, "nothing waits")
    sweep.join(60)
    # Its verdict ended it, which is news.
    assert [text.splitlines()[0] for text in wecom.texts] == [
        f"[broadcast] Account default: “{TITLE}” has ended (broadcast {broadcast_id})"
    ]
    states = [one.state for one in stored(engine)]
    assert states.count(NoticeState.SENT) == 1
    assert states.count(NoticeState.PASSED) >= 1


def test_many_notices_come_together_and_none_is_lost(engine: Engine, wecom: Bot) -> None:
    sweep = deliverer(engine, wecom)
    waiting = [doubtful(engine) for _ in range(2)]
    ended = [ledger.broadcast(engine) for _ in range(4)]
    for one in ended:
        operator.cancel(engine, one, who="tests")
    until_state(engine, NoticeState.SENT, sweep=sweep)

    everything = "\n\n".join(wecom.texts)
    titles = [line for line in everything.splitlines() if line.startswith("[broadcast]")]
    assert len(wecom.texts) < len(titles)
    assert sorted(titles) == sorted(
        [
            f"[broadcast] Account default: “{TITLE}” {what} (broadcast {one})"
            for what, each in (("waits for a person", waiting), ("has ended", ended))
            for one in each
        ]
    )
    assert all(len(text.encode()) <= 2048 for text in wecom.texts)


def test_a_bot_that_answers_with_what_was_posted_to_it_puts_no_secret_into_ledger_or_log(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with bots.bot("slack") as bot:
        echo = json.dumps({"error": f"{'no ' * 40} hook {bot.url}"}).replace("/", "\\/")
        bot.instead = echo.encode()
        sweep = deliverer(engine, bot, scale=1)
        ledger.ended(engine)
        sweep.report()
        until(lambda: not sweep._threads, 30, "the end of the crew")

    [one] = stored(engine)
    assert one.problem is not None
    assert "***" in str(one.problem.facts["answer"])
    assert "XXXX" not in str(one.problem.facts) + caplog.text


def test_what_has_no_room_was_not_tried(engine: Engine, wecom: Bot) -> None:
    sweep = deliverer(engine, wecom, scale=1)
    wecom.receiver.status = 500
    for _ in range(18):
        operator.cancel(engine, ledger.broadcast(engine), who="tests")
    sweep.report()
    until(lambda: not sweep._threads, 30, "the end of the crew")

    tries = [one.tries for one in stored(engine)]
    assert (len(tries), set(tries)) == (18, {0, 1})
    assert len(wecom.receiver.posted) == 1


def test_what_another_feature_adds_is_said_in_its_own_words_and_one_without_words_stops_nothing(
    engine: Engine, wecom: Bot
) -> None:
    sweep = deliverer(engine, wecom)
    with engine.begin() as connection:
        for kind in ("of_a_newer_release", "test"):
            for _ in range(2):
                notices.add(connection, kind=kind, account="default", subject="morning", key=kind)
    until_state(engine, NoticeState.SENT, sweep=sweep)

    strange, known = "\n\n".join(wecom.texts).split("\n\n")
    assert strange.startswith("[broadcast] There is news of morning, ")
    assert known == "[broadcast] A test: notices of broadcasts come here."


def test_a_worker_that_died_in_its_post_leaves_it_to_the_others(engine: Engine, wecom: Bot) -> None:
    dead = deliverer(engine, wecom)
    ledger.ended(engine)
    wecom.receiver.answers.clear()
    dead._stopping.set()
    dead.report()
    taken = dead._reserve([])
    assert taken is not None
    ledger.pass_time(engine, dead._put_off + timedelta(seconds=1))
    wecom.receiver.answers.set()
    until_state(engine, NoticeState.SENT, sweep=deliverer(engine, wecom))

    assert len(wecom.texts) == 1


def doubtful(engine: Engine) -> str:
    """Store a broadcast of one batch that is in doubt; return its id."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    driver.record(driver.claim(), said(45065))
    leases.release(engine, driver.lease)
    return broadcast_id


def campaign(engine: Engine, name: str) -> Campaign:
    """Store a campaign that is due each minute."""
    return campaign_edits.add(engine, name, campaign_world.plan("* * * * *"), who="tests")


def ahead(of: Campaign) -> Run:
    """Return a run whose rehearsal has come."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=30)
    return Run(campaign=of, due_at=due, stage=Stage.HOUR, may_wait=False)


def held(engine: Engine, name: str) -> tuple[Campaign, Launch]:
    """Store a campaign of this name with a run that is held; return both."""
    made = campaign(engine, name)
    run = campaign_world.run_of(made)
    launch, _ = launch_rows.run_now(engine, made, run, key=name, who="tests")
    assert launch_rows.hold(engine, launch, Message("error.audience.empty", source="list.txt"))
    return made, launch_rows.current(engine, launch.id)


def test_of_a_run_only_that_is_said_which_nobody_settled_meanwhile(
    engine: Engine, wecom: Bot
) -> None:
    sweep = deliverer(engine, wecom)
    held(engine, "stays")
    launch_rows.release(engine, *held(engine, "released"), who="tests")
    for stop in (campaign_edits.remove, campaign_edits.disable):
        held(engine, stop.__name__)
        stop(engine, stop.__name__, who="tests")
    until_state_of(engine, sweep, NoticeState.SENT, NoticeState.PASSED)

    titles = [line for text in wecom.texts for line in text.splitlines() if line.startswith("[")]
    # Disabled, its held run waits for a person all the same.
    assert [line.split()[4] for line in titles] == ["stays", "disable"]


def test_of_a_rehearsal_only_that_is_said_which_is_so_of_the_run_to_come(
    engine: Engine, wecom: Bot
) -> None:
    sweep = deliverer(engine, wecom)
    gone = [Message("error.audience.empty", source="list.txt")]
    runs = {
        name: ahead(campaign(engine, name))
        for name in ("stays", "edited", "removed", "disabled", "past", "mended")
    }
    runs["past"] = replace(runs["past"], due_at=datetime.now(UTC).replace(microsecond=0))
    for run in runs.values():
        rehearsal_rows.record(engine, run, gone)
    edited = runs["edited"].campaign
    campaign_edits.edit(engine, edited, edited.plan, who="tests")
    campaign_edits.remove(engine, "removed", who="tests")
    campaign_edits.disable(engine, "disabled", who="tests")
    rehearsal_rows.record(engine, replace(runs["mended"], stage=Stage.DAY), [])
    until_state_of(engine, sweep, NoticeState.SENT, NoticeState.PASSED)

    titles = [line for text in wecom.texts for line in text.splitlines() if line.startswith("[")]
    assert [line.split()[7] for line in titles] == ["stays"]


def test_a_long_notice_of_several_lines_is_cut_and_ends_with_its_own_command(
    engine: Engine, wecom: Bot
) -> None:
    sweep = deliverer(engine, wecom)
    findings = [Message("error.audience.empty", source=f"{n}-{'list' * 100}.txt") for n in range(9)]
    rehearsal_rows.record(engine, ahead(campaign(engine, "weekly")), findings)
    until_state(engine, NoticeState.SENT, sweep=sweep)

    [text] = wecom.texts
    assert "the run of campaign weekly at " in text
    assert " (Beijing time) will not go as it is meant\n" in text
    assert 1 <= text.count(": empty.") < len(findings)
    assert text.endswith("\n    broadcast campaigns run weekly --rehearse")
    assert len(text.encode()) <= rules_notices.LONGEST[rules_notices.Bot.WECOM]


def until_posted(sweep: NoticeDeliverer, bot: Bot, count: int) -> list[str]:
    """Sweep until so many texts were posted, and what is due was done; return them."""

    def posted() -> bool:
        sweep.report()
        return len(bot.texts) >= count

    until(posted, 30, f"{count} posts")
    sweep.join(60)
    return bot.texts


def test_what_waits_for_a_person_is_posted_again_until_the_person_acts(
    engine: Engine, wecom: Bot
) -> None:
    half_an_hour = timedelta(minutes=30)
    sweep = deliverer(engine, wecom, scale=1, again=half_an_hour)
    broadcast_id = doubtful(engine)
    [first] = until_posted(sweep, wecom, 1)
    [kept] = stored(engine)
    assert kept.was_posted

    ledger.pass_time(engine, half_an_hour)
    _, second = until_posted(sweep, wecom, 2)
    # Each pause is as long as all before it.
    for posts in (2, 3):
        ledger.pass_time(engine, half_an_hour)
        until_posted(sweep, wecom, posts)
        assert len(wecom.texts) == posts

    assert second.splitlines()[0] == first.splitlines()[0]
    assert second.endswith(f"\n    broadcast ack {broadcast_id}")
    ledger.stop(engine, ledger.account())
    resolves.resolve(engine, broadcast_id, 1, verdict=NotSent(), who="tests")
    ledger.pass_time(engine, timedelta(hours=2))
    operator.unhalt(engine, "default", who="tests")
    until_posted(sweep, wecom, 4)
    ends = [text for text in wecom.texts if "has ended" in text]
    assert len(ends) == 1
    assert len([text for text in wecom.texts if "waits for a person" in text]) == 3
    ledger.pass_time(engine, timedelta(hours=8))
    sweep.report()
    sweep.join(60)
    assert {one.due_at for one in stored(engine)} == {None}, "nothing is posted again"


def test_it_is_posted_each_day_until_an_acknowledgement(engine: Engine, wecom: Bot) -> None:
    sweep = deliverer(engine, wecom, scale=1, again=timedelta(minutes=30))
    broadcast_id = doubtful(engine)
    until_posted(sweep, wecom, 1)

    assert notices.acknowledge(engine, "another") == 0
    [before] = stored(engine)
    assert before.was_posted
    assert notices.acknowledge(engine, broadcast_id) == 1
    [after] = stored(engine)
    assert (after.state, after.due_at) == (NoticeState.SENT, None)

    moment, hours = before.since, []
    for _ in range(9):
        at = before.again_at(moment, again=timedelta(minutes=30))
        assert at
        moment = at
        hours.append((moment - before.since) / timedelta(hours=1))
    assert hours == [0.5, 1, 2, 4, 8, 16, 32, 56, 80]
    assert before.again_at(before.since, again=timedelta(0)) is None


def test_a_bot_that_fails_days_later_hears_of_it_the_day_after(engine: Engine, wecom: Bot) -> None:
    sweep = deliverer(engine, wecom, scale=1, again=timedelta(minutes=30))
    doubtful(engine)
    until_posted(sweep, wecom, 1)

    ledger.pass_time(engine, timedelta(days=2))
    wecom.receiver.status = 500
    tries = stored(engine)[0].tries

    def failed() -> bool:
        sweep.report()
        return stored(engine)[0].tries > tries

    until(failed, 30, "a post in vain")
    sweep.join(60)
    wecom.receiver.status = 200
    wecom.texts.clear()
    ledger.pass_time(engine, timedelta(hours=23))
    sweep.report()
    sweep.join(60)
    assert wecom.texts == []
    ledger.pass_time(engine, timedelta(hours=1))
    until_posted(sweep, wecom, 1)
