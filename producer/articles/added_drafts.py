"""Drafts made of files: whatever was uploaded is used again, and each draft is stored once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from broadcast.errors import OutOfReachError, WeChatAwayError
from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.rules.drafts import Comments, Written, check_articles, check_content
from broadcast.rules.media import NO_SUCH_MEDIA, LocalFile, Media, MediaKind
from broadcast.wechat.api.drafts import Article, DraftAdd
from producer.articles import article_files
from producer.articles.article_files import Illustrated
from producer.articles.cleaning import clean
from producer.media.upload import UploadCache, Uploader
from producer.wiring.wechat import WeChatRefusedError
from producer.wiring.wechat_uploads import TIMEOUTS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from producer.wiring.wechat import WeChat

#: Stands for WeChat's address of a picture before it has one; those that were seen are no longer.
_ADDRESS = "http://mmbiz.qpic.cn/" + "x" * 130
#: One file may be a cover and a picture as well: to WeChat these are two uploads.
Use: TypeAlias = tuple[MediaKind, str]


@frozen
class Added:
    """The result of ``draft add``."""

    #: None in a dry run.
    media_id: str | None
    articles: Sequence[Illustrated]
    #: Of what files are used as: uploaded now (True), or before.
    uploaded: Mapping[Use, bool]
    #: The HTML of each article as WeChat got it.
    contents: Sequence[str]


def checked(written: Sequence[Written], *, where: str) -> Sequence[Illustrated]:
    """Return articles with their files, all of it checked, nothing uploaded. Raises ArticleError.

    *where*: the name of their file.
    """
    check_articles(written, where=where)
    articles = article_files.illustrated(written)
    for one in articles:
        html = clean(one.written.html, dict.fromkeys(one.pictures, _ADDRESS))
        check_content(html, where=one.written.where)
    return articles


def dry_run(articles: Sequence[Illustrated], *, cache: UploadCache | None) -> Added:
    """Return the result of a dry run; *cache* knows what is uploaded already."""
    is_new = {
        use_of(file): cache is None or cache.find(file) is None
        for file in article_files.files(articles)
    }
    contents = [clean(one.written.html, dict.fromkeys(one.pictures, _ADDRESS)) for one in articles]
    return Added(media_id=None, articles=articles, uploaded=is_new, contents=contents)


def add(
    account: Account,
    articles: Sequence[Illustrated],
    *,
    engine: Engine,
    wechat: WeChat,
    uploader: Uploader,
) -> Added:
    """Upload what is not uploaded yet, and store the draft.

    Raises what keeps WeChat from it; what was uploaded before is not uploaded again then.
    """
    adding = _Adding(
        account, articles, cache=UploadCache(engine, account), wechat=wechat, uploader=uploader
    )
    try:
        media_id = adding.store()
    except WeChatRefusedError as error:
        if error.facts.get("errcode") != NO_SUCH_MEDIA or not adding.renew_covers():
            raise
        media_id = adding.store()
    return Added(
        media_id=media_id, articles=articles, uploaded=adding.uploaded, contents=adding.contents
    )


class _Adding:
    """One ``draft add`` under way: which files WeChat has, and as what."""

    def __init__(
        self,
        account: Account,
        articles: Sequence[Illustrated],
        *,
        cache: UploadCache,
        wechat: WeChat,
        uploader: Uploader,
    ) -> None:
        """Upload the files that WeChat lacks."""
        self._account, self._articles = account, articles
        self._cache, self._wechat, self._uploader = cache, wechat, uploader
        self.uploaded: dict[Use, bool] = {}
        #: A media_id of a cover, an address of a picture.
        self._ids: dict[Use, str] = {}
        for file in article_files.files(articles):
            self.uploaded[use_of(file)] = self._cache.find(file) is None
            self._note_upload(file, self._cache.get_or_upload(file, self._uploader))
        self.contents = [self._content(one) for one in articles]

    def renew_covers(self) -> bool:
        """Upload covers again that were uploaded before: somebody may have deleted them there.

        Return whether there are any.
        """
        before = {
            use_of(one.cover): one.cover
            for one in self._articles
            if isinstance(one.cover, LocalFile) and not self.uploaded[use_of(one.cover)]
        }
        for use, file in before.items():
            self.uploaded[use] = True
            self._note_upload(file, self._cache.upload(file, self._uploader))
        return bool(before)

    def store(self) -> str:
        """Store the draft; return its media_id."""
        each = zip(self._articles, self.contents, strict=True)
        request = DraftAdd(articles=[self._article(one, html) for one, html in each])
        try:
            return self._wechat.ask(self._account, request, timeouts=TIMEOUTS)
        except WeChatAwayError as error:
            raise OutOfReachError("error.draft.maybe_added", problem=error) from None

    def _note_upload(self, file: LocalFile, media: Media) -> None:
        self._ids[use_of(file)] = media.media_id or media.url or ""

    def _id(self, file: LocalFile) -> str:
        return self._ids[use_of(file)]

    def _content(self, one: Illustrated) -> str:
        html = clean(one.written.html, {name: self._id(f) for name, f in one.pictures.items()})
        check_content(html, where=one.written.where)
        return html

    def _article(self, one: Illustrated, html: str) -> Article:
        written, cover = one.written, one.cover
        return Article(
            title=written.title.strip(),
            author=written.author,
            digest=written.digest,
            content=html,
            content_source_url=written.source_url,
            thumb_media_id=self._id(cover) if isinstance(cover, LocalFile) else cover,
            need_open_comment=int(written.comments is not Comments.NOBODY),
            only_fans_can_comment=int(written.comments is Comments.FOLLOWERS),
        )


def use_of(file: LocalFile) -> Use:
    """Return the use of a file."""
    return file.kind, file.fingerprint
