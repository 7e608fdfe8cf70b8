"""``draft add``: from files to a draft; whatever it does is said, and nothing is uploaded twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from broadcast.errors import ArticleError, OutOfReachError, WeChatAwayError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account
from broadcast.rules.drafts import Comments, Written, check_articles, check_content
from broadcast.rules.media import NO_SUCH_MEDIA, LocalFile, Media, MediaKind
from broadcast.wechat.api.drafts import Article, DraftAdd
from entrypoints.cli.terminal import command_line
from entrypoints.cli.wechat_calls import TIMEOUTS, Uploads
from producer.articles import article_files
from producer.articles.article_files import Illustrated
from producer.articles.cleaning import clean
from producer.media.upload import UploadCache
from producer.wiring.wechat import WeChatRefusedError

if TYPE_CHECKING:
    from entrypoints.cli.run import Run

#: Stands for WeChat's address of a picture before it has one; those that were seen are no longer.
_ADDRESS = "http://mmbiz.qpic.cn/" + "x" * 130
#: One file may be a cover and a picture as well: to WeChat these are two uploads.
Use: TypeAlias = tuple[MediaKind, str]


@frozen
class Overrides:
    """Options of the command line that override the file of the one article."""

    title: str | None = None
    author: str | None = None
    digest: str | None = None
    cover: str | None = None
    source_url: str | None = None
    comments: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the options that were given."""
        options = dataclasses.asdict(self)
        return {name: value for name, value in options.items() if value is not None}


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


def prepared(path: Path, overrides: Overrides) -> Sequence[Illustrated]:
    """Return the articles at *path* with their files, all of it checked, nothing uploaded.

    Raises ArticleError.
    """
    written = [
        _with(one, overrides) for one in _alone(article_files.read_article(path), overrides, path)
    ]
    check_articles(written, where=path.name)
    articles = article_files.illustrated(written)
    for one in articles:
        html = clean(one.written.html, dict.fromkeys(one.pictures, _ADDRESS))
        check_content(html, where=one.written.where)
    return articles


def _alone(written: Sequence[Written], overrides: Overrides, path: Path) -> Sequence[Written]:
    if overrides.as_dict() and len(written) > 1:
        raise ArticleError("error.article.options_for_several", where=path.name, n=len(written))
    return written


def _with(written: Written, overrides: Overrides) -> Written:
    """Return *written* with the command line's options; a cover there is found from here."""
    options = overrides.as_dict()
    if "cover" in options and Path(options["cover"]).exists():
        options["cover"] = str(Path(options["cover"]).absolute())
    if "comments" in options:
        options["comments"] = article_files.comments(options["comments"], where="--comments")
    return dataclasses.replace(written, **options)


def dry_run(articles: Sequence[Illustrated], *, cache: UploadCache | None) -> Added:
    """Return the result of a dry run; *cache* knows what is uploaded already."""
    is_new = {
        _use(file): cache is None or cache.find(file) is None
        for file in article_files.files(articles)
    }
    contents = [clean(one.written.html, dict.fromkeys(one.pictures, _ADDRESS)) for one in articles]
    return Added(media_id=None, articles=articles, uploaded=is_new, contents=contents)


def add(run: Run, account: Account, articles: Sequence[Illustrated]) -> Added:
    """Upload what is not uploaded yet, and store the draft.

    Raises what keeps WeChat from it; what was uploaded before is not uploaded again then.
    """
    adding = _Adding(run, account, articles)
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

    def __init__(self, run: Run, account: Account, articles: Sequence[Illustrated]) -> None:
        """Upload the files that WeChat lacks."""
        self._run, self._account, self._articles = run, account, articles
        self._cache, self._uploader = UploadCache(run.engine, account), Uploads(run.wechat)
        self.uploaded: dict[Use, bool] = {}
        #: A media_id of a cover, an address of a picture.
        self._ids: dict[Use, str] = {}
        for file in article_files.files(articles):
            self.uploaded[_use(file)] = self._cache.find(file) is None
            self._note_upload(file, self._cache.get_or_upload(file, self._uploader))
        self.contents = [self._content(one) for one in articles]

    def renew_covers(self) -> bool:
        """Upload covers again that were uploaded before: somebody may have deleted them there.

        Return whether there are any.
        """
        before = {
            _use(one.cover): one.cover
            for one in self._articles
            if isinstance(one.cover, LocalFile) and not self.uploaded[_use(one.cover)]
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
            return self._run.wechat.ask(self._account, request, timeouts=TIMEOUTS)
        except WeChatAwayError as error:
            problem = OutOfReachError("error.draft.maybe_added", problem=error)
        raise problem

    def _note_upload(self, file: LocalFile, media: Media) -> None:
        self._ids[_use(file)] = media.media_id or media.url or ""

    def _id(self, file: LocalFile) -> str:
        return self._ids[_use(file)]

    def _content(self, one: Illustrated) -> str:
        html = clean(one.written.html, {name: self._id(f) for name, f in one.pictures.items()})
        check_content(html, where=one.written.where)
        return html

    def _article(self, one: Illustrated, html: str) -> Article:
        written, cover = one.written, one.cover
        return Article(
            title=written.title.strip(), author=written.author, digest=written.digest, content=html,
            content_source_url=written.source_url,
            thumb_media_id=self._id(cover) if isinstance(cover, LocalFile) else cover,
            need_open_comment=int(written.comments is not Comments.NOBODY),
            only_fans_can_comment=int(written.comments is Comments.FOLLOWERS),
        )  # fmt: skip


def lines(added: Added, account: Account) -> Iterator[Message]:
    """Yield the result, done or to be done, article by article."""
    for one, html in zip(added.articles, added.contents, strict=True):
        yield Message("draft.add.article", title=one_line(one.written.title), n=len(html))
        for file in _files(one):
            yield Message(_of_file(added, file), file=file.shown)
        for what, n in one.found.removed.items():
            yield Message("draft.add.removed", what=what, n=n)
    if added.media_id is None:
        yield Message("draft.add.dry_run")
        return
    # Another draft may have the same title.
    words = ["broadcast", "send", "--openids", "FILE", "--mpnews", added.media_id]
    words += ["--account", account.name]
    yield Message("draft.add.done", media_id=added.media_id, command=command_line(words))


def _of_file(added: Added, file: LocalFile) -> str:
    """Return the id of the text for the result of a file."""
    if not added.uploaded[_use(file)]:
        return "draft.add.file_before"
    return "draft.add.file_to_upload" if added.media_id is None else "draft.add.file"


def _use(file: LocalFile) -> Use:
    return file.kind, file.fingerprint


def _files(one: Illustrated) -> Sequence[LocalFile]:
    covers = [one.cover] if isinstance(one.cover, LocalFile) else []
    return [*covers, *one.pictures.values()]


def as_json(added: Added) -> dict[str, Any]:
    """Return the object of ``--json``."""
    return {
        "media_id": added.media_id,
        "articles": [
            {
                "title": one.written.title.strip(), "characters": len(html),
                "files": [
                    {
                        "file": str(file.path), "kind": file.kind.value,
                        "uploaded": added.uploaded[_use(file)],
                    }
                    for file in _files(one)
                ],
                "removed": dict(one.found.removed),
            }
            for one, html in zip(added.articles, added.contents, strict=True)
        ],
        "error": None,
    }  # fmt: skip
