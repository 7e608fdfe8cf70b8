"""How a person names a broadcast on the command line."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from entrypoints.cli.commands import status as status_module
from entrypoints.cli.main import run
from models.ledger.steer import operator
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.kit import ledger
from tests.kit.seat import sit


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert run(words) == status
    told = capsys.readouterr()
    return told.out + told.err


def ended(engine: Engine, key: str) -> str:
    broadcast_id = ledger.broadcast(engine, key=key)
    operator.cancel(engine, broadcast_id, who="tests")
    return broadcast_id


@pytest.mark.parametrize("cut", [slice(-6, None), slice(0, -1), slice(5, 12)])
def test_a_part_that_only_one_id_has_is_enough(
    here: Engine, capsys: pytest.CaptureFixture[str], cut: slice
) -> None:
    broadcast_id = ledger.broadcast(here)

    assert f"{broadcast_id} · " in said(capsys, "status", broadcast_id[cut].upper())


def test_a_part_of_several_ids_names_them_and_changes_nothing(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = ledger.broadcast(here, key="1"), ledger.broadcast(here, key="2")

    told = said(capsys, "cancel", first[:9], status=2)

    assert first in told
    assert second in told
    assert len(told.splitlines()) == 1
    assert sum(ledger.states(here, first).values()) == sum(ledger.states(here, second).values())
    assert "cancelled" not in {state.value for state in ledger.states(here, first)}


@pytest.mark.parametrize("text", ["", " ", "%", "_", "no-such-id"])
def test_what_is_no_part_of_an_id_is_refused(
    here: Engine, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """An unset variable of a script, and what a database would take for a pattern."""
    broadcast_id = ledger.broadcast(here)

    said(capsys, "cancel", text, status=2)

    assert "cancelled" not in {state.value for state in ledger.states(here, broadcast_id)}


def test_an_id_of_another_end_is_not_taken_for_a_slip_of_the_hand(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here)
    day, _, end = broadcast_id.rpartition("-")

    assert "Did you mean" not in said(capsys, "status", f"{day}-......", status=2)
    assert f"Did you mean {broadcast_id}?" in said(
        capsys, "status", f"{day}-{end[:2]}.{end[3:]}", status=2
    )


def test_last_is_the_newest_and_nothing_where_there_is_none(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "There is no broadcast yet" in said(capsys, "status", "@last", status=2)
    # Without an id nobody asked for one.
    assert "There are no broadcasts yet" in said(capsys, "status")
    ledger.broadcast(here, key="older")
    newest = ended(here, "newest")

    assert f"{newest} · " in said(capsys, "status", "@last")


def test_a_pause_without_an_id_pauses_whatever_is_being_sent_and_asks_nothing(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(here, "newest")
    assert "Nothing is being sent, and nothing was paused." in said(capsys, "pause")
    sent = [ledger.broadcast(here, key="1"), kept_back(here, "2")]
    later = scheduled(here)

    told = said(capsys, "pause", "--why", "a typo")
    again = said(capsys, "pause")

    for each in sent:
        assert f"Broadcast {each} is paused." in told
        assert f"broadcast resume {each}" in told
    assert later not in told
    assert state_of(here, later) == "scheduled"
    assert "Nothing is being sent" in again


def test_the_object_of_a_pause_without_an_id_lists_what_it_paused(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = ledger.broadcast(here)

    assert run(("pause", "--json")) == 0
    told = json.loads(capsys.readouterr().out)

    assert [(one["id"], one["state"]) for one in told["broadcasts"]] == [(sent, "paused")]
    assert told["error"] is None


def test_a_pause_of_an_unknown_id_is_refused(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = ledger.broadcast(here)

    assert "does not exist" in said(capsys, "pause", "20260101-nobody", status=2)

    assert state_of(here, sent) != "paused"


@pytest.mark.parametrize(
    "words", [("cancel",), ("cancel", "--yes"), ("cancel", "@open", "--yes"), ("cancel", "--json")]
)
def test_where_nobody_can_be_asked_a_cancel_without_an_id_is_refused_with_those_that_fit(
    here: Engine, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    sent, later = ledger.broadcast(here), scheduled(here)
    over = ended(here, "over")

    told = said(capsys, *words, status=2)

    assert "its id is required. Nothing was changed." in told
    for each in (sent, later):
        options = [one for one in words if one.startswith("--")]
        assert f"{' '.join(['broadcast cancel', *options, each])} · " in told
    assert over not in told
    assert {state_of(here, sent), state_of(here, later)} == {"waiting", "scheduled"}


def test_where_nobody_can_be_asked_other_controls_need_an_id_as_well(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = ledger.broadcast(here, key="refused", batches=1)
    driver = ledger.Driver(here)
    driver.call(ledger.said(48008))
    doubtful = ledger.broadcast(here, key="doubt", batches=1)
    driver.record(driver.claim(), ledger.said(45065))
    paused = ledger.broadcast(here, key="paused")
    operator.pause(here, paused, who="tests")
    every = {refused, doubtful, paused}

    for fitting, words in (
        (paused, ("resume", "--yes")),
        (refused, ("retry",)),
        (doubtful, ("resolve", "--batch", "1", "--not-sent")),
    ):
        told = said(capsys, *words, status=2)
        assert f"broadcast {' '.join(words)} {fitting} · " in told
        assert not [one for one in every - {fitting} if one in told]
    assert "No broadcast fits" in said(capsys, "recall", status=2)
    assert state_of(here, paused) == "paused"


def test_a_recall_never_takes_what_it_was_not_given(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    article = sent_article(here)
    sit(monkeypatch)

    assert f"broadcast recall --yes {article} · " in said(capsys, "recall", "--yes", status=2)


def sent_article(engine: Engine) -> str:
    content = json.dumps({"msgtype": "mpnews", "mpnews": {"media_id": "m"}})
    said_ = replace(ledger.body(), content=content, msgtype="mpnews")
    article = ledger.published(engine, said_, batches=1)
    ledger.planned(engine, article)
    ledger.Driver(engine).call(ledger.said(0, msg_id=1))
    return article


def scheduled(engine: Engine) -> str:
    return ledger.published(engine, ledger.body(key="later", at=datetime.now(UTC) + timedelta(1)))


def state_of(engine: Engine, broadcast_id: str) -> str:
    return broadcast_reports.report(engine, broadcast_id).state.value


def typing(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    sit(monkeypatch)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))


def test_on_a_terminal_a_cancel_without_an_id_means_what_is_being_sent(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, later = ledger.broadcast(here), scheduled(here)
    typing(monkeypatch, "y")

    told = said(capsys, "cancel")

    assert f"“您好 🎉” ({sent}, " in told
    assert "followers, stored " in told
    assert "is paused. Cancel it?" in told
    assert (state_of(here, sent), state_of(here, later)) == ("cancelled", "scheduled")


def test_what_waits_for_its_time_is_not_paused_by_the_question_of_a_cancel(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = scheduled(here)
    typing(monkeypatch, "n")

    told = said(capsys, "cancel", status=1)

    assert f"Cancel “您好 🎉” ({later}, 20 followers, due " in told
    assert "Nothing of it was sent yet" in told
    assert "Not cancelled. It goes out at " in told
    assert state_of(here, later) == "scheduled"


def test_a_cancel_of_a_completed_article_names_its_recall(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    article = sent_article(here)

    told = said(capsys, "cancel", article)

    assert f"broadcast recall {article}" in told


def kept_back(engine: Engine, key: str) -> str:
    body = ledger.body(size=4, key=key)
    terms = replace(ledger.terms(size=4, batches=1), cooling_off=timedelta(minutes=30))
    return submits.store(
        engine,
        body,
        ledger.chunks(ledger.openids(4)),
        terms=terms,
        quota=ledger.PLENTY,
        figures=ledger.figures(size=4, batches=1),
    ).id


def test_of_several_that_are_kept_back_the_time_left_is_shown_with_the_command(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [kept_back(here, "1"), kept_back(here, "2")]
    sit(monkeypatch)

    told = said(capsys, "cancel", "@open", status=2)

    lines = [one for one in told.splitlines() if "first call in 30 min" in one]
    for each in both:
        assert len([one for one in lines if f"broadcast cancel {each} · " in one]) == 1


def test_status_alone_shows_all_open_ones_then_the_newest(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer = ledger.broadcast(here, key="1"), ledger.broadcast(here, key="2")
    operator.pause(here, older, who="tests")
    newest = ended(here, "3")

    told = said(capsys, "status")

    places = [told.index(f"{each} · ") for each in (newer, older, newest)]
    assert places == sorted(places)
    assert f"broadcast resume {older}" in told


def test_more_open_ones_than_are_shown_are_named_with_the_command(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "MOST_OPEN", 2)
    oldest, *others = (ledger.broadcast(here, key=key) for key in "123")

    told = said(capsys, "status")

    assert all(f"{each} · " in told for each in others)
    assert f"{oldest} · " not in told
    assert "    broadcast list --most 100" in told


def test_status_of_several_names_for_each_what_an_operator_does(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    doubtful = ledger.broadcast(here, key="1", batches=1)
    driver = ledger.Driver(here)
    driver.record(driver.claim(), ledger.said(45065))
    other = ledger.broadcast(here, key="2")
    operator.pause(here, other, who="tests")

    told = said(capsys, "status")

    assert f"\n    broadcast resolve {doubtful} --batch 1 --sent\n" in told
    assert f"\n    broadcast resume {other}\n" in told
