"""The draft of a run's article: found by its title, or made of its file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from broadcast.errors import InputError
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns.template import Template

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from broadcast.wechat.api.drafts import Draft
    from producer.articles.article_files import Illustrated
    from producer.wiring.wechat import WeChat


def with_its_draft(
    template: Template,
    account: Account,
    *,
    engine: Engine,
    wechat: WeChat,
    since: datetime | None = None,
) -> Template:
    """Return a rendered template with its article's draft, found by its title or made of its file.

    *since*: from when on somebody may have made that draft; None: nobody did. Raises InputError
    where none or several have the title, ArticleError, MediaError, and what keeps WeChat from it.
    """
    if template.article_file is not None:
        articles = articles_of(template.article_file)
        media_id = since and _made_since(since, articles, account, wechat=wechat)
        return template.with_draft(
            media_id or _made(articles, account, engine=engine, wechat=wechat)
        )
    return rehearsed(template, account, wechat=wechat)


def rehearsed(template: Template, account: Account, *, wechat: WeChat) -> Template:
    """Return a rendered template with its article's draft; one of a file is checked, not made.

    Raises as :func:`with_its_draft`.
    """
    if template.article_file is not None:
        articles_of(template.article_file)
        return template.without_article()
    if template.draft_title is not None:
        return template.with_draft(_found(template.draft_title, account, wechat=wechat))
    return template


def articles_of(path: str) -> Sequence[Illustrated]:
    """Return the articles of a file. Raises ArticleError and MediaError."""
    # Markdown, nh3 and Pillow, for this alone.
    from producer.articles import added_drafts, article_files

    file = Path(path)
    return added_drafts.checked(article_files.read_article(file), where=file.name)


def _made(
    articles: Sequence[Illustrated], account: Account, *, engine: Engine, wechat: WeChat
) -> str:
    from producer.articles import added_drafts
    from producer.wiring.wechat_uploads import Uploads

    added = added_drafts.add(
        account, articles, engine=engine, wechat=wechat, uploader=Uploads(wechat)
    )
    return added.media_id or ""


def _found(title: str, account: Account, *, wechat: WeChat) -> str:
    found = _titled(title, account, wechat=wechat)
    if len(found) != 1:
        name = "several" if found else "none"
        raise InputError(
            f"error.launch.drafts_{name}",
            title=one_line(title.strip()),
            account=account.name,
            ids=[one.media_id for one in found],
        )
    return found[0].media_id


def _made_since(
    since: datetime, articles: Sequence[Illustrated], account: Account, *, wechat: WeChat
) -> str | None:
    there = _titled(articles[0].written.title, account, wechat=wechat)
    made = (one.media_id for one in there if one.updated_at and one.updated_at >= since)
    return next(made, None)


def _titled(title: str, account: Account, *, wechat: WeChat) -> Sequence[Draft]:
    from producer import draft_box

    return draft_box.titled(wechat, account, title.strip())[1]
