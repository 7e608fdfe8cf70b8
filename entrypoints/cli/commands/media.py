"""``media upload`` and ``media list``: files at WeChat, and until when they live there."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules.media import LIMITS, Media, MediaKind, VideoWords
from broadcast.views.objects import members
from broadcast.views.words import Moment, member
from entrypoints.cli.commands.options import AccountName, new_group
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import short

app, media = new_group("media")

#: What a person may call a file; pictures of articles are uploaded with their article.
KINDS = tuple(kind for kind in (*LIMITS, MediaKind.MPVIDEO) if kind is not MediaKind.ARTICLE_IMAGE)


@media.command(help="help.media.upload")
def upload(
    run: Run,
    *,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="help.media.upload.files")],
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="|".join(KINDS), help="help.media.upload.kind"),
    ] = None,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="help.media.upload.permanent")
    ] = False,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="help.media.upload.title")
    ] = None,
    description: Annotated[
        str | None,
        typer.Option("--description", metavar="TEXT", help="help.media.upload.description"),
    ] = None,
    account: AccountName = None,
) -> None:
    """Upload files, each once while it lives. All are checked before the first is uploaded."""
    from entrypoints.cli.wechat_calls import Uploads
    from producer.media.file import read
    from producer.media.upload import UploadCache

    wanted = None if kind is None else _kind(kind)
    owner = run.account(account)
    checked = [read(file, wanted, permanent=permanent) for file in files]
    videos = all(file.kind in {MediaKind.VIDEO, MediaKind.MPVIDEO} for file in checked)
    if (title or description) and not videos:
        raise InputError("error.media.words")
    cache, uploads = UploadCache(run.engine, owner), Uploads(run.wechat)
    words = VideoWords(title=title or "", description=description or "")
    done = []
    for file in checked:
        existing = cache.find(file, words)
        made = cache.get_or_upload(file, uploads, words)
        _say(run, made, "media.uploaded" if existing is None else "media.there")
        done.append(made)
    run.show_json({"media": [_as_json(one) for one in done]})


@media.command(name="list", help="help.media.list")
def listing(
    run: Run,
    *,
    account: AccountName = None,
    dead: Annotated[bool, typer.Option("--all", help="help.media.list.all")] = False,
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="help.media.list.most")] = 20,
) -> None:
    """List what was uploaded through this ledger, newest first."""
    from models.ledger.lists.media import listed

    owner = None if account is None else run.account(account)
    # One more than is shown, so that it is known whether there are more.
    found = listed(run.engine, owner, most=most + 1, dead=dead)
    shown = found.media[:most]
    if run.as_json:
        run.show_json({"media": [_as_json(one) for one in shown]})
        return
    for one in shown:
        _say(run, one, "media.line", now=found.now)
    if not shown:
        run.say("media.none")
    elif len(found.media) > most:
        run.say("media.more", n=most)


def _say(run: Run, one: Media, name: str, *, now: datetime | None = None) -> None:
    moment = now or one.uploaded_at
    run.say(
        name,
        name=one.name,
        kind=member(one.kind, prefix="media_kind."),
        account=one.account,
        media_id=one.media_id or one.url or "-",
        until=_until(one, moment),
    )


def _until(one: Media, now: datetime) -> Message:
    if one.expires_at is None:
        return Message("media.permanent")
    name = "media.until" if one.expires_at > now else "media.expired"
    return Message(name, at=Moment(one.expires_at, now))


def _kind(word: str) -> MediaKind:
    if word not in KINDS:
        raise InputError("error.media.kind", text=short(word), known=", ".join(KINDS))
    return MediaKind(word)


def _as_json(one: Media) -> dict[str, object]:
    return members(
        one,
        "account",
        "kind",
        "permanent",
        "name",
        "size",
        "fingerprint",
        "media_id",
        "url",
        "uploaded_at",
        "expires_at",
    )
