"""Files of a broadcast: uploaded once while they live, and refused before they would fail."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast.errors import ConflictError, MediaError, RepeatedSendError, WeChatAwayError
from broadcast.rules.accounts import Account
from broadcast.rules.content import Content
from broadcast.rules.media import NO_WORDS, LocalFile, MediaKind, VideoWords
from broadcast.rules.plan import proof
from broadcast.views import content
from models.every_table import BroadcastRow, MediaRow
from models.ledger.lists.media import mark_lost
from models.ledger.plan import renewals
from models.ledger.views import broadcast_reports
from producer.audience import openid_list
from producer.media.file import of_files, read, stand_in
from producer.media.upload import UploadCache
from producer.submit.prepare import prepare, upload
from producer.submit.store import Submitted, store
from tests.integration.models.still_clock import StillClock
from tests.integration.producer.conftest import QuotaStub, WakerStub, openids, order
from tests.kit import media
from tests.unit.views.reports import ZH

DAY = timedelta(days=1)


@dataclass
class UploaderStub:
    """WeChat: gives every upload an id of its own; can be away after so many, and lose some."""

    away_after: int = 1000
    lost: list[str] = field(default_factory=list)
    got: list[str] = field(default_factory=list)

    def upload(
        self, account: Account, file: LocalFile, words: VideoWords
    ) -> tuple[str | None, str | None]:
        return self._next(account, file.kind.value), None

    def mass_video(self, account: Account, media_id: str, words: VideoWords) -> str | None:
        return None if media_id in self.lost else self._next(account, f"of {media_id}")

    def _next(self, account: Account, what: str) -> str:
        if len(self.got) >= self.away_after:
            raise WeChatAwayError("error.wechat.away", address="http://wechat", reason="refused")
        self.got.append(what)
        return f"{account.name}-{len(self.got)}"


def pictures(*files: Path | str, permanent: bool = False) -> Content:
    """A message of pictures, by file or by media_id."""
    read_ = {
        file: read(file, MediaKind.IMAGE, permanent=permanent)
        for file in files
        if isinstance(file, Path)
    }
    ids = [stand_in(read_[file]) if isinstance(file, Path) else file for file in files]
    return of_files({"msgtype": "image", "images": {"media_ids": ids}}, read_.values())


def film(path: Path | str, *, permanent: bool = False, **words: str) -> Content:
    """A video, by file or by media_id."""
    if isinstance(path, str):
        return of_files({"msgtype": "mpvideo", "mpvideo": {"media_id": path, **words}}, [])
    file = read(path, MediaKind.MPVIDEO, permanent=permanent)
    return of_files(
        {"msgtype": "mpvideo", "mpvideo": {"media_id": stand_in(file), **words}}, [file]
    )


def submit(
    engine: Engine,
    account: Account,
    content: Content,
    *,
    uploader: UploaderStub,
    key: str = "k1",
    quota: proof.Quota | None = None,
    spread_days: bool = False,
    people: str | None = None,
    **values: Any,
) -> Submitted:
    """Prepare, upload and store; another key has other followers, if nothing else is said."""
    wanted = replace(order(account, key, **values), content=content)
    wanted = replace(wanted, terms=replace(wanted.terms, spread_days=spread_days))
    with openid_list.read(openids(6, seed=hash(people or key) % 10**6)) as audience:
        ask = QuotaStub(quota) if quota else QuotaStub()
        prepared = prepare(wanted, audience, engine=engine, quota=ask)
        if prepared.existing is None:
            prepared = upload(prepared, engine=engine, uploader=uploader)
        return store(prepared, engine=engine, waker=WakerStub())


def stored_ids(engine: Engine, submitted: Submitted) -> list[str]:
    with engine.connect() as connection:
        query = select(BroadcastRow.content).where(BroadcastRow.id == submitted.id)
        content = json.loads(connection.scalar(query) or "")
    part = content["images"] if content["msgtype"] == "image" else content["mpvideo"]
    return part["media_ids"] if "media_ids" in part else [part["media_id"]]


def twin_of(account: Account) -> Account:
    return account.model_copy(update={"name": "twin", "appid": "wx0000000000000002"})


def refused(engine: Engine, account: Account, content: Content, **values: Any) -> MediaError:
    with pytest.raises(MediaError) as caught:
        submit(engine, account, content, uploader=UploaderStub(), **values)
    return caught.value


def test_what_is_stored_has_wechat_s_ids_and_the_same_file_has_one(
    still: tuple[Engine, StillClock], account: Account, photo: Path, tmp_path: Path
) -> None:
    engine, clock = still
    other = tmp_path / "other.png"
    other.write_bytes(media.picture("PNG"))
    uploader = UploaderStub()

    first = submit(engine, account, pictures(photo, other, photo), uploader=uploader)

    assert stored_ids(engine, first) == ["shop-1", "shop-2", "shop-1"]
    clock.pass_(timedelta(days=2, hours=22))
    again = submit(engine, account, pictures(other), uploader=uploader, key="k2")
    assert stored_ids(engine, again) == ["shop-2"]
    # Within the last hour it might die before its call.
    clock.pass_(timedelta(hours=1, minutes=1))
    late = submit(engine, account, pictures(other), uploader=uploader, key="k3")
    assert stored_ids(engine, late) == ["shop-3"]
    twin = twin_of(account)
    theirs = submit(engine, twin, pictures(other), uploader=uploader, key="k4")
    assert stored_ids(engine, theirs) == ["twin-4"]


def test_a_report_and_a_list_call_media_by_the_names_of_their_files(
    engine: Engine, account: Account, photo: Path
) -> None:
    unknown = "M" * 20
    sent = submit(engine, account, pictures(photo, unknown), uploader=UploaderStub())
    bare = submit(engine, account, pictures(unknown), uploader=UploaderStub(), key="k2")

    report = broadcast_reports.report(engine, sent.id)
    assert ZH(content.line(report)) == (f"内容：图片『photo.jpg, {unknown}』，账号 {account.name}")
    assert {one.id: content.name(one) for one in broadcast_reports.reports(engine)} == {
        sent.id: f"photo.jpg, {unknown}",
        bare.id: unknown,
    }


def test_a_video_is_uploaded_once_and_made_anew_for_other_words(
    engine: Engine, account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(media.mp4())
    uploader = UploaderStub()
    for n, title in enumerate(("年会", "年会", "团建")):
        submit(engine, account, film(file, title=title), uploader=uploader, key=f"k{n}")
    assert uploader.got == ["video", "of shop-1", "of shop-1"]


def test_a_video_that_wechat_lost_is_uploaded_anew_once(
    engine: Engine, account: Account, tmp_path: Path
) -> None:
    file, uploader = tmp_path / "clip.mp4", UploaderStub()
    file.write_bytes(media.mp4())
    submit(engine, account, film(file, permanent=True, title="a"), uploader=uploader)
    uploader.lost = ["shop-1"]
    submit(engine, account, film(file, permanent=True, title="a"), uploader=uploader, key="k2")
    assert uploader.got == ["video", "of shop-1"]
    mark_lost(engine, account, ["shop-2"])

    again = submit(
        engine, account, film(file, permanent=True, title="a"), uploader=uploader, key="k3"
    )

    assert uploader.got == ["video", "of shop-1", "video", "of shop-3"]
    assert stored_ids(engine, again) == ["shop-4"]
    uploader.lost = [f"shop-{n}" for n in range(9)]
    mark_lost(engine, account, ["shop-4"])
    with pytest.raises(MediaError) as told:
        submit(engine, account, film(file, permanent=True, title="a"), uploader=uploader, key="k4")
    assert told.value.message_id == "error.media.video_lost"


def test_the_same_command_finds_what_it_stored_though_its_media_died_since(
    still: tuple[Engine, StillClock], account: Account, photo: Path
) -> None:
    engine, clock = still
    uploader = UploaderStub()
    first = submit(engine, account, pictures(photo), uploader=uploader)
    clock.pass_(10 * DAY)

    again = submit(engine, account, pictures(photo), uploader=uploader)

    assert (again.id, again.created, len(uploader.got)) == (first.id, False, 1)
    photo.write_bytes(media.picture(seed=9))
    with pytest.raises(ConflictError):
        submit(engine, account, pictures(photo), uploader=uploader)


def upload_again(
    engine: Engine, account: Account, submitted: Submitted, uploader: UploaderStub
) -> None:
    """Do what a lane does before a call whose files have died."""
    shelf = UploadCache(engine, account)
    for one in renewals.kept_files(engine, submitted.id):
        local = LocalFile(
            path=Path(one.name),
            kind=one.kind,
            permanent=one.permanent,
            format=one.format,
            data=one.data,
        )
        words = VideoWords(title="年会") if one.kind is MediaKind.MPVIDEO else NO_WORDS
        put = shelf.get_or_upload(local, uploader, words)
        assert put.media_id
        ids = {one.media_id: put.media_id}
        assert renewals.renew(engine, submitted.id, ids, appid=account.appid)


@pytest.mark.parametrize("kind", [MediaKind.IMAGE, MediaKind.MPVIDEO])
@pytest.mark.parametrize("renewed", [True, False], ids=["renewed", "to be uploaded anew"])
def test_a_file_that_was_uploaded_again_is_the_same_content(
    still: tuple[Engine, StillClock],
    account: Account,
    tmp_path: Path,
    kind: MediaKind,
    renewed: bool,
) -> None:
    engine, clock = still
    file, uploader = tmp_path / "file", UploaderStub()
    file.write_bytes(media.picture() if kind is MediaKind.IMAGE else media.mp4())
    said = pictures(file) if kind is MediaKind.IMAGE else film(file, title="年会")
    late: dict[str, Any] = {"uploader": uploader, "scheduled_at": clock.now + 5 * DAY}
    first = submit(engine, account, said, people="monday", key="monday", **late)
    clock.pass_(5 * DAY + timedelta(minutes=1))
    if renewed:
        upload_again(engine, account, first, uploader)
    got = len(uploader.got)

    with pytest.raises(RepeatedSendError):
        submit(engine, account, said, uploader=uploader, people="monday", key="saturday")

    # Nothing is uploaded for what is refused, and the first command finds its broadcast.
    again = submit(engine, account, said, people="monday", key="monday", **late)
    assert (again.id, again.created, len(uploader.got)) == (first.id, False, got)
    other = film(file, title="团建") if kind is MediaKind.MPVIDEO else pictures(file, "elsewhere")
    assert submit(engine, account, other, uploader=uploader, people="monday", key="x").created


def test_where_wechat_is_away_nothing_is_stored_and_what_was_uploaded_is_kept(
    engine: Engine, account: Account, photo: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(media.picture("PNG"))
    with pytest.raises(WeChatAwayError):
        submit(engine, account, pictures(photo, other), uploader=UploaderStub(away_after=1))
    with engine.connect() as connection:
        assert connection.scalar(select(BroadcastRow.id)) is None

    back = UploaderStub()
    made = submit(engine, account, pictures(photo, other), uploader=back)
    assert len(back.got) == 1
    assert len(stored_ids(engine, made)) == 2


def test_a_stand_in_never_reaches_the_ledger(engine: Engine, account: Account, photo: Path) -> None:
    wanted = replace(order(account), content=pictures(photo))
    with openid_list.read(openids(6)) as audience:
        prepared = prepare(wanted, audience, engine=engine, quota=QuotaStub())
        with pytest.raises(MediaError, match="not_uploaded"):
            store(prepared, engine=engine, waker=WakerStub())
    with engine.connect() as connection:
        assert connection.scalar(select(BroadcastRow.id)) is None


def test_an_id_is_refused_that_is_not_good_for_this_account_this_use_or_this_time(
    still: tuple[Engine, StillClock], account: Account, photo: Path, tmp_path: Path
) -> None:
    engine, clock = still
    uploader = UploaderStub()
    file = tmp_path / "film.mp4"
    file.write_bytes(media.mp4())
    shelf = UploadCache(engine, account)
    picture = shelf.get_or_upload(read(photo), uploader).media_id or ""
    video = shelf.get_or_upload(read(file), uploader).media_id or ""
    mass_video = shelf.get_or_upload(read(file, MediaKind.MPVIDEO), uploader).media_id or ""
    twin = twin_of(account)

    stranger = refused(engine, twin, pictures(picture))
    assert stranger.message_id == "error.media.other_account"
    assert stranger.facts["other"] == "shop"
    assert refused(engine, account, pictures(video)).message_id == "error.media.other_kind"
    assert refused(engine, account, film(video)).message_id == "error.media.plain_video"
    articles = of_files({"msgtype": "mpnews", "mpnews": {"media_id": picture}}, [])
    assert refused(engine, account, articles).message_id == "error.media.no_article"
    late = refused(engine, account, pictures(picture), scheduled_at=clock.now + 3 * DAY)
    assert late.message_id == "error.media.dies_before"
    assert late.facts["name"] == "photo.jpg"
    late = refused(engine, account, film(mass_video), scheduled_at=clock.now + 3 * DAY)
    assert late.message_id == "error.media.dies_before"
    submit(
        engine,
        account,
        pictures(picture),
        uploader=uploader,
        key="k2",
        scheduled_at=clock.now + 2 * DAY,
    )

    clock.pass_(3 * DAY)
    assert refused(engine, account, pictures(picture)).message_id == "error.media.expired"
    # What was not uploaded here is WeChat's to judge.
    submit(engine, account, pictures("unknown-to-us"), uploader=uploader, key="k3")


@pytest.mark.parametrize("days", [2, 4])
def test_the_last_day_of_a_spread_counts_and_permanent_material_needs_no_other_upload(
    still: tuple[Engine, StillClock], account: Account, photo: Path, days: int
) -> None:
    engine, clock = still
    # Three calls, one a day, from today or from the day after tomorrow on.
    one_a_day: dict[str, Any] = {
        "quota": proof.Quota(daily_limit=1, used=0, remain=1),
        "batch_size": 2,
        "spread_days": True,
        "scheduled_at": clock.now + (days - 2) * DAY + timedelta(minutes=1),
    }
    uploader = UploaderStub()
    if days == 2:
        submit(engine, account, pictures(photo), uploader=uploader, **one_a_day)
        assert uploader.got == ["image"]
        return
    late = submit(engine, account, pictures(photo), uploader=uploader, key="k4", **one_a_day)
    assert [one.media_id for one in renewals.kept_files(engine, late.id)] == ["shop-1"]
    uploader.got.clear()
    made = submit(engine, account, pictures(photo, permanent=True), uploader=uploader, **one_a_day)
    assert list(renewals.kept_files(engine, made.id)) == []
    with engine.connect() as connection:
        newest = select(MediaRow.expires_at, MediaRow.permanent).order_by(MediaRow.id.desc())
        row = connection.execute(newest.limit(1)).one()
    assert (row.expires_at, row.permanent) == (None, True)
    assert stored_ids(engine, made) == ["shop-1"]
