"""Files that cannot be uploaded again: their broadcast waits or is held, the account goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.rules import media
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import MOST_TRIES, Waits
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause, GateKind
from broadcast.rules.media import KeptFile, MediaKind
from broadcast.rules.states import BroadcastState, Reason
from models.every_table import FilePieceRow, MediaRow
from models.ledger.lane import claims, leases, next_work
from models.ledger.lists import media as ledger_media
from models.ledger.lists import uploads
from models.ledger.plan import renewals
from models.ledger.rows.transaction import write
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from tests.integration.worker.test_media_watch import (
    AWAY,
    OFFLINE,
    REFUSED,
    SOON,
    WeChat,
    broadcast,
    driven,
    kept,
    pictures,
)
from tests.kit import ledger


def test_what_dies_too_soon_after_its_upload_as_well_lets_its_broadcast_alone_wait(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wechat = WeChat()
    which = broadcast(engine, pictures("P-old"), kept("P-old"), key="a")
    other = broadcast(engine, pictures("elsewhere"), key="b")
    monkeypatch.setattr(media, "LIFE", media.MARGIN)

    told = driven(engine, wechat, which)

    assert broadcast_reports.report(engine, other).state is BroadcastState.COMPLETED
    assert (len(wechat.got_files), wechat.said) == (1, [["elsewhere"]] * 2)
    gate = told.gate(GateKind.LOOK)
    assert gate is not None
    assert gate.reason is Reason.MEDIA_NOT_RENEWED
    monkeypatch.undo()
    assert driven(engine, wechat, which, after=SOON).state is BroadcastState.COMPLETED


def test_without_an_answer_one_broadcast_waits_and_its_account_goes_on(engine: Engine) -> None:
    wechat = WeChat()
    wechat.problem_with_files = AWAY
    which = broadcast(engine, pictures("P-old"), kept("P-old"), key="a")
    other = broadcast(engine, pictures("elsewhere"), key="b")

    told = driven(engine, wechat, which)

    assert broadcast_reports.report(engine, other).state is BroadcastState.COMPLETED
    assert wechat.said == [["elsewhere"]] * 2
    (blocker,) = blockers.blockers_of(told)
    assert (blocker.cause, blocker.reason) == (Cause.ACCOUNT_WAITS, Reason.MEDIA_NOT_RENEWED)
    wechat.problem_with_files = None
    assert driven(engine, wechat, which, after=SOON).state is BroadcastState.COMPLETED


@pytest.mark.parametrize(("why", "before"), [(AWAY, MOST_TRIES - 1), (REFUSED, 0)])
def test_after_a_refusal_or_ten_silences_a_person_decides_and_a_resume_uploads(
    engine: Engine, why: NoAnswer, before: int
) -> None:
    wechat = WeChat()
    wechat.problem_with_files = why
    which = broadcast(engine, pictures("P-old"), kept("P-old"))
    work = next_work.next_work(engine, "default")
    for _ in range(before):
        renewals.delay_renewal(engine, work, why, waits=Waits())
    assert broadcast_reports.report(engine, which).gate(GateKind.HOLD) is None

    told = driven(engine, wechat, which)

    gate = told.gate(GateKind.HOLD)
    assert gate is not None
    assert (gate.reason, gate.errcode) == (Reason.MEDIA_NOT_RENEWED, why.errcode)
    assert (told.state, wechat.said) == (BroadcastState.HELD, [])
    wechat.problem_with_files = None
    operator.resume(engine, which, who="tests")
    assert driven(engine, wechat, which, after=SOON).state is BroadcastState.COMPLETED


def test_when_the_uploads_of_the_day_are_used_up_it_waits_for_another_day(engine: Engine) -> None:
    wechat = WeChat()
    wechat.problem_with_files = replace(AWAY, outcome=Outcome.QUOTA_TODAY, errcode=45009)
    which = broadcast(engine, pictures("P-old"), kept("P-old"))

    driven(engine, wechat, which)
    told = driven(engine, wechat, which, after=SOON)

    assert told.gate(GateKind.LOOK) is not None
    wechat.problem_with_files = None
    assert driven(engine, wechat, which, after=timedelta(days=1)).state is BroadcastState.COMPLETED


def test_without_a_way_to_wechat_the_lane_waits_as_for_every_question(engine: Engine) -> None:
    wechat = WeChat()
    wechat.problem_with_files = OFFLINE
    which = broadcast(engine, pictures("P-old"), kept("P-old"))

    told = driven(engine, wechat, which)

    assert told.lane.wait_reason is Reason.WECHAT_NOT_READY
    assert wechat.said == []


def test_a_claim_that_was_made_ready_before_an_upload_is_not_carried_out(engine: Engine) -> None:
    which = broadcast(engine, pictures("P-old"), kept("P-old"))
    driver = ledger.Driver(engine)
    seen = driver.next()
    ledger_media.remember(
        engine,
        ledger.account(),
        kind=MediaKind.IMAGE,
        permanent=False,
        fingerprint="f",
        name="photo.jpg",
        size=1,
        media_id="P-new",
    )

    renewals.renew(engine, which, {"P-old": "P-new"}, appid=ledger.account().appid)

    assert claims.claim(engine, driver.lease, seen) is None
    assert claims.claim(engine, driver.lease, driver.next()) is not None


def test_files_that_cannot_be_read_hold_their_broadcast_alone(engine: Engine) -> None:
    wechat = WeChat()
    which = broadcast(engine, pictures("P-old"), replace(kept("P-old"), media_id="P-old"))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_files SET kind = 'of a newer release'")

    told = driven(engine, wechat, which)

    gate = told.gate(GateKind.HOLD)
    assert gate is not None
    assert gate.reason is Reason.REQUEST_NOT_MADE


def test_files_that_are_gone_leave_it_to_wechat_to_say_so(engine: Engine) -> None:
    wechat = WeChat()
    which = broadcast(engine, pictures("P-old"), kept("P-old"))
    with engine.begin() as connection:
        while uploads.drop_files(connection, which):
            pass

    driven(engine, wechat, which)

    assert wechat.said == [["P-old"]] * 2
    with engine.connect() as connection:
        assert connection.scalars(select(MediaRow.media_id)).all() == ["P-old"]


def refused_with_a_large_file(engine: Engine) -> tuple[str, KeptFile]:
    """A broadcast that has ended without a call that was taken, with files of many pieces."""
    photo = kept("P-old")
    photo = replace(photo, data=photo.data + bytes(uploads.PIECE * uploads.PIECES_AT_ONCE * 2))
    which = broadcast(engine, pictures("P-old"), photo, batches=1)
    driver = ledger.Driver(engine)
    driver.call(ledger.said(48008))
    leases.release(engine, driver.lease)
    return which, photo


def halved(engine: Engine, which: str) -> None:
    """Retry the broadcast, and let WeChat refuse an OpenID of it: its halves were never called."""
    retries.retry(engine, which, who="tests")
    driver = ledger.Driver(engine)
    driver.call(ledger.said(40003))
    leases.release(engine, driver.lease)


def test_files_that_were_dropped_in_part_before_a_retry_are_not_uploaded(engine: Engine) -> None:
    wechat = WeChat()
    which, _ = refused_with_a_large_file(engine)
    assert write(engine, lambda connection: uploads.begin_to_drop_files(connection, which))
    assert write(engine, lambda connection: uploads.drop_files(connection, which))

    halved(engine, which)
    driven(engine, wechat, which)

    # WeChat says that their media_id is dead, and then the rest of them goes.
    assert (wechat.got_files, set(map(str, wechat.said))) == ([], {"['P-old']"})
    assert uploads.drop_files_of_ended(engine) == 1
    with engine.connect() as connection:
        assert connection.scalars(select(FilePieceRow.id)).all() == []


def test_a_retry_that_comes_before_its_files_are_dropped_keeps_them_whole(engine: Engine) -> None:
    wechat = WeChat()
    which, photo = refused_with_a_large_file(engine)

    halved(engine, which)
    assert not write(engine, lambda connection: uploads.begin_to_drop_files(connection, which))
    driven(engine, wechat, which)

    assert [data for _, data in wechat.got_files] == [photo.data]


@pytest.mark.parametrize(
    "damage",
    ["DELETE FROM bc_file_pieces WHERE place = 1", "UPDATE bc_files SET fingerprint = 'other'"],
)
def test_a_file_that_is_not_what_was_stored_is_held_and_never_uploaded(
    engine: Engine, damage: str
) -> None:
    wechat, photo = WeChat(), kept("P-old")
    photo = replace(photo, data=photo.data + bytes(uploads.PIECE))
    which = broadcast(engine, pictures("P-old"), photo)
    with engine.begin() as connection:
        connection.exec_driver_sql(damage)

    told = driven(engine, wechat, which)

    gate = told.gate(GateKind.HOLD)
    assert gate is not None
    assert gate.reason is Reason.REQUEST_NOT_MADE
    assert "photo.jpg" in (gate.errmsg or "")
    assert (wechat.got_files, wechat.said) == ([], [])
