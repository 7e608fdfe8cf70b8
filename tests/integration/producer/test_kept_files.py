"""Files that are stored whole with their broadcast, until it has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.accounts import Account
from broadcast.rules.media import MediaFormat
from models.every_table import BroadcastRow, FilePieceRow, KeptFileRow
from models.ledger.lists import uploads
from models.ledger.plan import renewals
from models.ledger.steer import operator, sweeps
from tests.integration.models.still_clock import StillClock
from tests.integration.producer.test_media import DAY, UploaderStub, pictures, submit
from tests.kit import media


def test_files_that_die_before_their_time_are_stored_whole_with_their_broadcast(
    still: tuple[Engine, StillClock], account: Account, photo: Path, tmp_path: Path
) -> None:
    engine, clock = still
    large = tmp_path / "large.png"
    # More than a transaction holds.
    large.write_bytes(media.picture("PNG") + bytes(uploads.PIECE * uploads.PIECES_AT_ONCE + 1))
    late, uploader = clock.now + 5 * DAY, UploaderStub()
    said = pictures(photo, large, "unknown-to-us", photo)

    made = submit(engine, account, said, uploader=uploader, scheduled_at=late)

    kept = list(renewals.kept_files(engine, made.id))
    assert [one.data for one in kept] == [photo.read_bytes(), large.read_bytes()]
    assert [(one.media_id, one.format, one.name) for one in kept] == [
        ("shop-1", MediaFormat.JPEG, "photo.jpg"),
        ("shop-2", MediaFormat.PNG, "large.png"),
    ]
    # An upload of today serves several that will need another, and those that need none.
    submit(engine, account, pictures(photo), uploader=uploader, key="k2", scheduled_at=late)
    soon = submit(engine, account, pictures(photo), uploader=uploader, key="k3")
    assert (len(uploader.got), list(renewals.kept_files(engine, soon.id))) == (2, [])


def test_files_of_a_submit_that_fails_or_is_given_up_are_not_left_behind(
    still: tuple[Engine, StillClock],
    account: Account,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, clock = still
    late: dict[str, Any] = {"uploader": UploaderStub(), "scheduled_at": clock.now + 5 * DAY}

    def fails(*_: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("models.ledger.submit.submits.publish", fails)
    with pytest.raises(KeyboardInterrupt):
        submit(engine, account, pictures(photo), **late)
    monkeypatch.setattr("models.ledger.lists.uploads.abandon", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        submit(engine, account, pictures(photo), key="k2", **late)
    clock.pass_(uploads.GIVEN_UP_AFTER)
    assert sweeps.forget_uploads(engine) == 1

    with engine.connect() as connection:
        for table in (BroadcastRow.id, KeptFileRow.n, FilePieceRow.id):
            assert connection.scalars(select(table)).all() == []


def test_files_go_when_their_broadcast_ends_and_not_before(
    still: tuple[Engine, StillClock], account: Account, photo: Path
) -> None:
    engine, clock = still
    made = submit(
        engine, account, pictures(photo), uploader=UploaderStub(), scheduled_at=clock.now + 5 * DAY
    )
    assert uploads.drop_files_of_ended(engine) == 0
    assert len(list(renewals.kept_files(engine, made.id))) == 1

    operator.cancel(engine, made.id, who="tests")

    assert (uploads.drop_files_of_ended(engine), uploads.drop_files_of_ended(engine)) == (1, 0)
    with engine.connect() as connection:
        assert connection.scalars(select(FilePieceRow.id)).all() == []
