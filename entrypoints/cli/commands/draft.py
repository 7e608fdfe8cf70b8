"""``draft list|show|add``: the articles that can be sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broadcast.errors import OutOfReachError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account
from broadcast.views.objects import utc_if_any
from broadcast.wechat.api.drafts import NO_SUCH_DRAFT, Article, Draft, DraftGet
from entrypoints.cli import draft_looks
from entrypoints.cli.commands.options import AccountName, new_group
from entrypoints.cli.group import OptionGroup, grouped
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import AsWritten
from models.ledger.rows.transaction import present
from producer import draft_box

if TYPE_CHECKING:
    from producer.articles.added_drafts import Added
    from producer.articles.article_files import Illustrated
    from producer.media.upload import UploadCache

app, draft = new_group("draft")

#: How many drafts are listed where nobody says: one page, one call.
USUAL_MOST = 20


@draft.command("list", help="help.draft.list")
def list_(
    run: Run,
    *,
    account: AccountName = None,
    most: Annotated[
        int, typer.Option("--most", min=1, max=draft_box.MOST_READ, help="help.draft.list.most")
    ] = USUAL_MOST,
) -> None:
    """List the drafts of an account, newest first."""
    whose = run.account(account)
    found = list(islice(draft_box.listed_drafts(run.wechat, whose), most))
    run.say_all(_listed(found, whose))
    run.show_done({"drafts": [_in_a_list(one) for one in found]})


def _listed(found: Sequence[Draft], account: Account) -> Iterator[Message]:
    now = datetime.now(UTC)
    if not found:
        yield Message("draft.list.none", account=account.name)
    for one in found:
        count, first = len(one.articles), one.articles[0] if one.articles else None
        facts = {
            "title": draft_looks.name_of(one),
            "at": draft_looks.edited(one, now),
            "media_id": one.media_id,
            "cover": (first.thumb_media_id if first else "") or "-",
        }
        if count > 1:
            yield Message("draft.list.several", n=count, **facts)
        else:
            yield Message("draft.list.line", **facts)


def _in_a_list(one: Draft) -> dict[str, Any]:
    return {
        "media_id": one.media_id,
        "edited_at": utc_if_any(one.updated_at),
        "articles": [
            {"title": each.title, "cover": each.thumb_media_id, "cover_url": each.thumb_url or None}
            for each in one.articles
        ],
    }


@draft.command(help="help.draft.show")
def show(
    run: Run,
    which: Annotated[
        str, typer.Argument(metavar="MEDIA_ID|TITLE", help="help.draft.which", show_default=False)
    ],
    *,
    account: AccountName = None,
) -> None:
    """Show the articles of a draft."""
    whose = run.account(account)
    media_id, articles = _one(run, whose, which)
    run.say_all(_shown(whose, media_id, articles))
    each = [_as_json(one) for one in articles]
    run.show_done({"media_id": media_id, "articles": each})


def _one(run: Run, account: Account, which: str) -> tuple[str, Sequence[Article]]:
    """Return the draft of this media_id, or else of this title."""
    if which.isascii() and which.isprintable() and " " not in which:
        request = DraftGet(media_id=which)
        articles = run.wechat.ask_for(account, request, absent=NO_SUCH_DRAFT)
        if articles is not None:
            return which, articles
    found = draft_looks.find_draft(run.wechat, account, which)
    return found.media_id, run.wechat.ask(account, DraftGet(media_id=found.media_id))


def _shown(
    account: Account, media_id: str, articles: Sequence[Article]
) -> Iterator[Message | AsWritten]:
    yield Message("draft.show.head", media_id=media_id, n=len(articles))
    for n, one in enumerate(articles, start=1):
        yield Message("draft.show.article", n=n, title=one_line(one.title))
        for name, value in _facts(one):
            yield Message(f"draft.show.{name}", value=value)
    yield Message("draft.show.send", command=draft_looks.send_line(account, media_id))


def _facts(one: Article) -> Iterator[tuple[str, object]]:
    """Yield the parts of an article, in the order in which it is read."""
    facts_by_name = {
        "author": one.author,
        "digest": one.digest,
        "cover": one.thumb_media_id,
        "source_url": one.content_source_url,
        "url": one.url,
    }
    yield from ((name, one_line(text)) for name, text in facts_by_name.items() if text)
    if one.images:
        yield "images", len(one.images)
    if one.content:
        yield "length", len(one.content)
    if one.need_open_comment:
        yield (
            "comments",
            Message(
                "draft.comments.followers" if one.only_fans_can_comment else "draft.comments.all"
            ),
        )


def _as_json(one: Article) -> dict[str, Any]:
    return {
        **one.written(),
        "images": list(one.images),
        "url": one.url or None,
        "thumb_url": one.thumb_url or None,
    }


@frozen
class Overrides(OptionGroup):
    """Options that override the file of the one article."""

    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="help.draft.add.title")
    ] = None
    author: Annotated[
        str | None, typer.Option("--author", metavar="TEXT", help="help.draft.add.author")
    ] = None
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="TEXT", help="help.draft.add.digest")
    ] = None
    cover: Annotated[
        str | None, typer.Option("--cover", metavar="FILE|MEDIA_ID", help="help.draft.add.cover")
    ] = None
    source_url: Annotated[
        str | None, typer.Option("--source-url", metavar="URL", help="help.draft.add.source_url")
    ] = None
    comments: Annotated[
        str | None,
        typer.Option("--comments", metavar="all|followers", help="help.draft.add.comments"),
    ] = None

    def as_dict(self) -> dict[str, Any]:
        """Return the options that were given."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@draft.command(help="help.draft.add")
@grouped
def add(
    run: Run,
    path: Annotated[
        Path, typer.Argument(metavar="FILE|FOLDER", help="help.draft.path", show_default=False)
    ],
    *,
    account: AccountName = None,
    overrides: Overrides,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="help.draft.add.dry_run")] = False,
) -> None:
    """Make a draft of files."""
    from entrypoints.cli import draft_adding

    whose = run.account(account)
    articles = draft_adding.prepared(path, overrides)
    cache = _upload_cache(run, whose)
    if cache is not None:
        _refuse_covers(run, whose, articles)
    added = _added(run, whose, articles, cache=cache, dry_run=dry_run)
    run.say_all(draft_adding.lines(added, whose))
    run.show_done(draft_adding.as_json(added))


def _added(
    run: Run,
    account: Account,
    articles: Sequence[Illustrated],
    *,
    cache: UploadCache | None,
    dry_run: bool,
) -> Added:
    from entrypoints.cli.wechat_calls import Uploads
    from producer.articles import added_drafts

    if dry_run:
        return added_drafts.dry_run(articles, cache=cache)
    uploads = Uploads(run.wechat)
    return added_drafts.add(
        account, articles, engine=run.engine, wechat=run.wechat, uploader=uploads
    )


def _refuse_covers(run: Run, account: Account, articles: Sequence[Illustrated]) -> None:
    """Raise MediaError for a media_id that is no cover, as far as is known here."""
    from producer.media.upload import refuse_unusable_cover

    for one in articles:
        if isinstance(one.cover, str):
            refuse_unusable_cover(run.engine, account, one.cover, now=present(run.engine))


def _upload_cache(run: Run, account: Account) -> UploadCache | None:
    """Return the cache of uploads; None where there is no ledger."""
    from producer.media.upload import UploadCache

    try:
        return UploadCache(run.engine, account)
    except OutOfReachError:
        return None
