"""Files of a broadcast that is sent after their media_ids died: uploaded again in time, once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.calls.attempts import CallResult, NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.media import KeptFile, LocalFile, MediaFormat, MediaKind, VideoWords
from broadcast.rules.plan import submission
from broadcast.rules.reports import Report
from broadcast.rules.states import BroadcastState
from broadcast.tokens.token_service import Token
from broadcast.wechat_account import media as uploaded
from models.every_table import RenewalRow
from models.ledger.lane import leases
from models.ledger.lists import media as ledger_media
from models.ledger.lists import uploads
from models.ledger.plan import renewals
from models.ledger.steer import operator
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from producer.media.upload import UploadCache
from tests.integration.worker import test_slices
from tests.integration.worker.test_slices import context
from tests.kit import ledger
from tests.kit import media as kit
from worker.delivery import lane
from worker.delivery.ports import MassCall

LATE = timedelta(days=5)
SOON = timedelta(minutes=2)
Upload = tuple[str | None, str | None] | NoAnswer
AWAY = NoAnswer(outcome=Outcome.WAIT, scope=Scope.PATH, errcode=-1, errmsg="system error")
OFFLINE = NoAnswer(outcome=Outcome.WAIT, scope=Scope.ACCOUNT, errmsg="no way to WeChat")
REFUSED = NoAnswer(outcome=Outcome.STOP_BROADCAST, scope=Scope.PATH, errcode=40009, errmsg="size")


class WeChat(test_slices.WeChat):
    """Takes files, and remembers what each call said."""

    def __init__(self) -> None:
        super().__init__()
        self.got_files: list[tuple[str, bytes]] = []
        self.said: list[Any] = []
        #: Why it takes no file.
        self.problem_with_files: NoAnswer | None = None
        #: Videos that it has lost.
        self.lost: set[str] = set()

    def send(self, token: Token, message: MassCall) -> CallResult:
        content = message.content
        part = content["images"] if content["msgtype"] == "image" else content["mpvideo"]
        self.said.append(part.get("media_ids") or part["media_id"])
        return super().send(token, message)

    def upload(  # type: ignore[override]
        self, file: LocalFile, words: VideoWords
    ) -> Upload:
        uploaded.upload_request_of(file, words).body()
        if self.problem_with_files is not None:
            return self.problem_with_files
        self.got_files.append((f"{file.kind} {file.name}", file.data))
        return f"new-{len(self.got_files)}", None

    def mass_video(  # type: ignore[override]
        self, media_id: str, words: VideoWords
    ) -> str | None:
        return None if media_id in self.lost else f"{words.title}-{words.description}-{media_id}"


class Uploaded:
    """WeChat at the submit, days ago."""

    def upload(self, *_: object, **_words: object) -> tuple[str | None, str | None]:
        return "video-old", None

    def mass_video(self, *_: object, **_words: object) -> str:
        return "mpvideo-old"


def kept(media_id: str, kind: MediaKind = MediaKind.IMAGE, *, seed: int = 0) -> KeptFile:
    video = kind is MediaKind.MPVIDEO
    return KeptFile(
        media_id=media_id,
        kind=kind,
        permanent=False,
        name="film.mp4" if video else "photo.jpg",
        format=MediaFormat.MP4 if video else MediaFormat.JPEG,
        data=kit.mp4(seed=seed) if video else kit.picture(seed=seed),
    )


def pictures(*media_ids: str) -> dict[str, Any]:
    return {"msgtype": "image", "images": {"media_ids": list(media_ids)}}


def broadcast(
    engine: Engine, content: dict[str, Any], *some: KeptFile, batches: int = 2, key: str = "k"
) -> str:
    """Submit a broadcast that keeps files, and plan it."""
    account = ledger.account()
    written = json.dumps(content, sort_keys=True, separators=(",", ":"))
    said: submission.Body = replace(
        ledger.body(key=key), content=written, content_digest=key, msgtype=content["msgtype"]
    )
    which = ledger.upload(engine, said)
    for one in some:
        ledger_media.remember(
            engine,
            account,
            kind=one.kind,
            permanent=False,
            fingerprint=one.media_id,
            name=one.name,
            size=1,
            media_id=one.media_id,
        )
    if some:
        uploads.keep_file(engine, which, some)
    submits.publish(
        engine,
        which,
        said,
        figures=ledger.figures(size=20, batches=batches),
        terms=ledger.terms(batches=batches),
        quota=ledger.PLENTY,
    )
    ledger.planned(engine, which)
    return which


def driven(engine: Engine, wechat: WeChat, which: str, *, after: timedelta = LATE) -> Report:
    """Let time pass, drive the lane to its end, and return the report."""
    ledger.pass_time(engine, after)
    here = context(engine, wechat)
    while lane.drive(here, seconds=2).again:
        pass
    return broadcast_reports.report(engine, which)


def test_what_died_is_uploaded_once_before_the_first_call_and_every_batch_says_the_new_one(
    engine: Engine,
) -> None:
    wechat, photo, other = WeChat(), kept("P-old"), kept("O-old", seed=1)
    said = pictures("P-old", "elsewhere", "O-old", "P-old")
    which = broadcast(engine, said, photo, other, batches=3)
    keys = {one.clientmsgid for one in ledger.batches(engine, which)}

    told = driven(engine, wechat, which)

    assert told.state is BroadcastState.COMPLETED
    assert wechat.got_files == [("image photo.jpg", photo.data), ("image photo.jpg", other.data)]
    assert wechat.said == [["new-1", "elsewhere", "new-2", "new-1"]] * 3
    # What it is known by is what was submitted: the files are the same.
    assert set(wechat.keys) == keys
    assert json.loads(told.content) == said


def test_what_lives_is_sent_as_it_was_submitted(engine: Engine) -> None:
    wechat = WeChat()
    which = broadcast(engine, pictures("P-old"), kept("P-old"))

    told = driven(engine, wechat, which, after=timedelta(days=2))

    assert (told.state, wechat.got_files) == (BroadcastState.COMPLETED, [])
    assert wechat.said == [["P-old"]] * 2


def test_a_later_batch_gets_another_upload_and_a_batch_with_a_call_keeps_its_own(
    engine: Engine,
) -> None:
    wechat = WeChat()
    which = broadcast(engine, pictures("P-old"), kept("P-old"), batches=3)
    driver = ledger.Driver(engine)
    driver.call(ledger.LOST)
    leases.release(engine, driver.lease)

    def pause() -> None:
        operator.pause(engine, which, who="tests")

    wechat.meanwhile = pause
    # Within its window it is repeated before all else, word by word.
    driven(engine, wechat, which, after=timedelta(hours=2))
    assert wechat.said == [["P-old"]]
    operator.resume(engine, which, who="tests")
    driven(engine, wechat, which)
    assert wechat.said[1:] == [["new-1"]]
    operator.resume(engine, which, who="tests")
    told = driven(engine, wechat, which)

    assert told.state is BroadcastState.COMPLETED
    assert wechat.said == [["P-old"], ["new-1"], ["new-2"]]


def test_a_refused_batch_says_again_what_it_said_and_the_others_what_lives(engine: Engine) -> None:
    wechat = WeChat()
    which = broadcast(engine, pictures("P-old"), kept("P-old"))
    driver = ledger.Driver(engine)
    driver.call(ledger.said(45009))
    leases.release(engine, driver.lease)

    driven(engine, wechat, which)

    assert sorted(map(str, wechat.said)) == ["['P-old']", "['new-1']"]


@pytest.mark.parametrize(
    "fact",
    [
        CallResult(outcome=Outcome.NOT_CALLED),
        CallResult(outcome=Outcome.WAIT, transport="unreachable"),
    ],
)
def test_a_batch_of_which_no_call_left_says_what_lives(engine: Engine, fact: CallResult) -> None:
    wechat = WeChat()
    which = broadcast(engine, pictures("P-old"), kept("P-old"))
    driver = ledger.Driver(engine)
    driver.call(fact)
    leases.release(engine, driver.lease)

    driven(engine, wechat, which)

    assert wechat.said == [["new-1"], ["new-1"]]


def test_another_broadcast_of_the_same_file_shares_its_new_upload(engine: Engine) -> None:
    wechat = WeChat()
    first = broadcast(engine, pictures("P-old"), kept("P-old"), key="a")
    second = broadcast(engine, pictures("Q-old"), kept("Q-old"), key="b")

    driven(engine, wechat, first)

    assert broadcast_reports.report(engine, second).state is BroadcastState.COMPLETED
    assert len(wechat.got_files) == 1
    assert wechat.said == [["new-1"]] * 4


def test_a_video_is_uploaded_and_made_for_mass_sends_anew(engine: Engine) -> None:
    wechat, film = WeChat(), kept("M-old", MediaKind.MPVIDEO)
    part = {"media_id": "M-old", "title": "Year", "description": "back"}
    which = broadcast(engine, {"msgtype": "mpvideo", "mpvideo": part}, film, batches=1)

    told = driven(engine, wechat, which)

    assert told.state is BroadcastState.COMPLETED
    assert wechat.got_files == [("video film.mp4", film.data)]
    assert wechat.said == ["Year-back-new-1"]


def test_a_permanent_video_is_made_for_mass_sends_anew_without_another_upload(
    engine: Engine,
) -> None:
    wechat, account = WeChat(), ledger.account()
    film = replace(kept("mpvideo-old", MediaKind.MPVIDEO), permanent=True)
    part = {"media_id": "mpvideo-old", "title": "Year", "description": "back"}
    words = VideoWords(title="Year", description="back")
    local = LocalFile(
        path=Path(film.name), kind=film.kind, permanent=True, format=film.format, data=film.data
    )
    UploadCache(engine, account).get_or_upload(local, Uploaded(), words)
    which = broadcast(engine, {"msgtype": "mpvideo", "mpvideo": part}, film, batches=1)

    told = driven(engine, wechat, which)

    assert (told.state, wechat.got_files) == (BroadcastState.COMPLETED, [])
    assert wechat.said == ["Year-back-video-old"]


class Forgetful(WeChat):
    """Gives a file the media_id that it gave it before."""

    def upload(  # type: ignore[override]
        self, file: LocalFile, words: VideoWords
    ) -> Upload:
        super().upload(file, words)
        return "P-old", None

    def mass_video(  # type: ignore[override]
        self, media_id: str, words: VideoWords
    ) -> str | None:
        return "M-old"


@pytest.mark.every_database
def test_a_file_that_gets_the_media_id_that_it_had_before_is_sent_with_it(engine: Engine) -> None:
    wechat = Forgetful()
    which = broadcast(engine, pictures("P-old"), kept("P-old"), key="a")
    other = broadcast(engine, pictures("elsewhere"), key="b")

    told = driven(engine, wechat, which)

    assert told.state is BroadcastState.COMPLETED
    assert broadcast_reports.report(engine, other).state is BroadcastState.COMPLETED
    assert (len(wechat.got_files), wechat.said[:2]) == (1, [["P-old"]] * 2)


def test_a_video_that_gets_the_media_id_that_it_had_before_is_sent_with_it(engine: Engine) -> None:
    wechat, film = Forgetful(), kept("M-old", MediaKind.MPVIDEO)
    part = {"media_id": "M-old", "title": "Year", "description": "back"}
    which = broadcast(engine, {"msgtype": "mpvideo", "mpvideo": part}, film, batches=1)

    assert driven(engine, wechat, which).state is BroadcastState.COMPLETED
    assert wechat.said == ["M-old"]


def test_a_media_id_of_the_same_name_at_another_account_says_nothing(engine: Engine) -> None:
    wechat = Forgetful()
    which = broadcast(engine, pictures("P-old"), kept("P-old"))
    ledger.pass_time(engine, LATE)
    ledger_media.remember(
        engine,
        ledger.account("other"),
        kind=MediaKind.IMAGE,
        permanent=False,
        fingerprint="f",
        name="photo.jpg",
        size=1,
        media_id="P-old",
    )

    assert driven(engine, wechat, which, after=SOON).state is BroadcastState.COMPLETED
    assert len(wechat.got_files) == 1


def test_what_has_ended_says_what_it_said(engine: Engine) -> None:
    which = broadcast(engine, pictures("P-old"), kept("P-old"))
    operator.cancel(engine, which, who="tests")

    renewals.renew(engine, which, {"P-old": "P-new"}, appid=ledger.account().appid)

    with engine.connect() as connection:
        assert connection.scalars(select(RenewalRow.n)).all() == [0]


def test_an_upload_is_used_again_unless_a_call_after_it_was_denied_it(engine: Engine) -> None:
    account, photo = ledger.account(), kept("P")
    local = LocalFile(
        path=Path(photo.name),
        kind=photo.kind,
        permanent=True,
        format=photo.format,
        data=photo.data,
    )

    def uploaded_as(media_id: str) -> None:
        ledger_media.remember(
            engine,
            account,
            kind=local.kind,
            permanent=True,
            fingerprint=local.fingerprint,
            name="photo.jpg",
            size=1,
            media_id=media_id,
        )

    def found() -> str | None:
        there = UploadCache(engine, account).find(local)
        return None if there is None else there.media_id

    uploaded_as("P")
    broadcast(engine, pictures("O", "P"), batches=1)
    driver = ledger.Driver(engine)
    driver.call(ledger.said(40007))
    leases.release(engine, driver.lease)
    assert found() is None
    uploaded_as("Q")
    assert found() == "Q"
    # WeChat may give an id that it had denied before: what was uploaded since is there.
    ledger.pass_time(engine, timedelta(days=1))
    uploaded_as("P")
    assert found() == "P"
