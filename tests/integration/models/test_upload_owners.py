"""Uploads of lists: seen by nobody, of one owner, swept when they are silent."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.plan import submission
from broadcast.rules.states import BroadcastState
from models.ledger.lists import uploads
from models.ledger.steer import sweeps
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.integration.models.test_submits import TERMS, stored
from tests.kit import ledger
from tests.kit.ledger import body, figures, published, upload

pytestmark = pytest.mark.every_database


def test_id_that_is_taken_is_drawn_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = iter("aaaaaa" + "aaaaaa" * 2 + "bbbbbb" + "aaaaaabbbbbb" + "cccccc")
    monkeypatch.setattr(secrets, "choice", lambda _letters: next(letters))
    first = upload(engine, body(key="one"))
    second = submits.begin(engine, body(key="two"), who="tests")
    third = submits.store(
        engine,
        body(key="three", text="别的"),
        (),
        figures=figures(size=0, batches=1),
        terms=TERMS,
        quota=None,
    ).id
    assert [one[-6:] for one in (first, second, third)] == ["aaaaaa", "bbbbbb", "cccccc"]
    assert stored(engine)[0] == 3


def test_upload_that_takes_hours_is_nobodys_but_its_owners_while_it_shows_that_it_lives(
    engine: Engine,
) -> None:
    text = body(key="one", size=40)
    broadcast_id = submits.begin(engine, text, who="tests")
    for chunk in ledger.chunks(ledger.openids(40)):
        uploads.add_chunks(engine, broadcast_id, [chunk])
        ledger.pass_time(engine, timedelta(minutes=59))
        assert sweeps.forget_uploads(engine) == 0
    submits.publish(
        engine, broadcast_id, text, figures=figures(size=40, batches=2), terms=TERMS, quota=None
    )
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PLANNING
    assert ledger.planned(engine, broadcast_id) is not None


def test_upload_that_was_silent_for_an_hour_is_given_up_and_its_owner_notices(
    engine: Engine,
) -> None:
    text = body(key="one")
    dead = upload(engine, text)
    ledger.pass_time(engine, uploads.GIVEN_UP_AFTER + timedelta(seconds=1))
    assert sweeps.forget_uploads(engine) == 1
    with pytest.raises(submission.TakenOverError) as caught:
        uploads.add_chunks(engine, dead, ledger.chunks(ledger.openids(4)))
    assert caught.value.message_id == "error.submit.taken_over"
    with pytest.raises(submission.TakenOverError):
        submits.publish(
            engine, dead, text, figures=figures(size=20, batches=2), terms=TERMS, quota=None
        )
    assert stored(engine) == (0, 0)


def test_uploads_under_one_key_go_on_beside_each_other(engine: Engine) -> None:
    """Whoever repeats a request after a time-out need not wait until the first try is dead."""
    text = body(key="one")
    first, second = upload(engine, text), upload(engine, text)
    assert first != second
    assert submits.find(engine, text) is None
    what = figures(size=20, batches=2)
    submits.publish(engine, second, text, figures=what, terms=TERMS, quota=None)
    with pytest.raises(submission.PublishedMeanwhileError) as there:
        submits.publish(engine, first, text, figures=what, terms=TERMS, quota=None)
    assert there.value.id == second


def test_upload_that_died_an_hour_ago_is_swept(engine: Engine) -> None:
    upload(engine, body())
    done = published(engine, body())
    ledger.pass_time(engine, timedelta(hours=1, seconds=1))
    assert sweeps.forget_uploads(engine) == 1
    assert sweeps.forget_uploads(engine) == 0
    assert broadcast_reports.report(engine, done).audience["planned"] == 20
    assert stored(engine) == (1, 3)


def test_upload_that_was_abandoned_leaves_nothing(engine: Engine) -> None:
    broadcast_id = upload(engine, body())
    uploads.abandon(engine, broadcast_id)
    assert stored(engine) == (0, 0)
