"""Templates: the request of a campaign's runs, and what each run finds anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns.launches import Agreed

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from producer.articles.article_files import Illustrated
    from producer.wiring.wechat import WeChat

#: The audience of a request whose list is a file's.
OF_FILE: Final[Mapping[str, Any]] = {"upload": True}
#: Stands for an article that is not there yet.
_NO_ARTICLE: Final = {"msgtype": "text", "text": {"content": "-"}}


@frozen
class Template:
    """A request with its variables, or one whose variables were rendered for a due time."""

    #: As :mod:`producer.request.shape` has it; an article that is found anew has no media_id yet.
    request: dict[str, Any]
    audience_file: str | None = None
    draft_title: str | None = None
    article_file: str | None = None
    #: Of people who are left out.
    exclude_files: Sequence[str] = ()
    #: Of a run that a person let go.
    agreed: Agreed | None = None

    @property
    def reads_lists(self) -> bool:
        """Whether each run reads lists of people from files."""
        return self.audience_file is not None or bool(self.exclude_files)

    @property
    def stored(self) -> str:
        """The template as JSON."""
        # Of a run alone: a campaign is shown with its members.
        left_out = {"agreed"} if self.agreed is None else None
        return _form().dump_json(self, exclude=left_out).decode()

    @property
    def to_all(self) -> bool:
        """Whether it goes to everybody, by WeChat's own list."""
        return "to_all" in self.request["audience"]

    def with_draft(self, media_id: str) -> Template:
        """Return it with the draft that was found or made for it."""
        article = {"msgtype": "mpnews", "mpnews": {"media_id": media_id}}
        request = {**self.request, "content": {**self.request["content"], **article}}
        return replace(self, request=request, draft_title=None, article_file=None)

    def without_article(self) -> Template:
        """Return it with a text in the place of an article that is to be found or made."""
        if self.draft_title is None and self.article_file is None:
            return self
        request = {**self.request, "content": _NO_ARTICLE}
        return replace(self, request=request, draft_title=None, article_file=None)


def load(stored: str) -> Template:
    """Return the template of its JSON."""
    return _form().validate_json(stored)


@cache
def _form() -> TypeAdapter[Template]:
    return TypeAdapter(Template)


def with_its_draft(
    template: Template, account: Account, *, engine: Engine, wechat: WeChat
) -> Template:
    """Return a rendered template with its article's draft, found by its title or made of its file.

    Raises InputError where none or several have the title, ArticleError, MediaError, and what keeps
    WeChat from it.
    """
    if template.article_file is not None:
        made = _made(Path(template.article_file), account, engine=engine, wechat=wechat)
        return template.with_draft(made)
    return rehearsed(template, account, wechat=wechat)


def rehearsed(template: Template, account: Account, *, wechat: WeChat) -> Template:
    """Return a rendered template with its article's draft; one of a file is checked, not made.

    Raises as :func:`with_its_draft`.
    """
    if template.article_file is not None:
        _articles(Path(template.article_file))
        return template.without_article()
    if template.draft_title is not None:
        return template.with_draft(_found(template.draft_title, account, wechat=wechat))
    return template


def _articles(file: Path) -> Sequence[Illustrated]:
    # Markdown, nh3 and Pillow, for this alone.
    from producer.articles import added_drafts, article_files  # noqa: PLC0415

    return added_drafts.checked(article_files.read_article(file), where=file.name)


def _made(file: Path, account: Account, *, engine: Engine, wechat: WeChat) -> str:
    from producer.articles import added_drafts  # noqa: PLC0415 - as above
    from producer.wiring.wechat_uploads import Uploads  # noqa: PLC0415

    added = added_drafts.add(
        account, _articles(file), engine=engine, wechat=wechat, uploader=Uploads(wechat)
    )
    return added.media_id or ""


def _found(title: str, account: Account, *, wechat: WeChat) -> str:
    from producer import draft_box  # noqa: PLC0415 - as above

    wanted = title.strip()
    _, found = draft_box.titled(wechat, account, wanted)
    if len(found) != 1:
        name = "several" if found else "none"
        raise InputError(
            f"error.launch.drafts_{name}", title=one_line(wanted), account=account.name,
            ids=", ".join(one.media_id for one in found),
        )  # fmt: skip
    return found[0].media_id
