"""``draft add``: from files to a draft; whatever it does is said, and nothing is uploaded twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broadcast.errors import ArticleError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account
from broadcast.rules.drafts import Written
from broadcast.rules.media import LocalFile
from entrypoints.cli.draft_looks import send_line
from producer.articles import added_drafts, article_files
from producer.articles.added_drafts import Added
from producer.articles.article_files import Illustrated

if TYPE_CHECKING:
    from entrypoints.cli.commands.draft import Overrides


def prepared(path: Path, overrides: Overrides) -> Sequence[Illustrated]:
    """Return the articles at *path* with their files, all of it checked, nothing uploaded.

    Raises ArticleError.
    """
    written = [
        _with(one, overrides) for one in _alone(article_files.read_article(path), overrides, path)
    ]
    return added_drafts.checked(written, where=path.name)


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
    command = send_line(account, added.media_id)
    yield Message("draft.add.done", media_id=added.media_id, command=command)


def _of_file(added: Added, file: LocalFile) -> str:
    """Return the id of the text for the result of a file."""
    if not added.uploaded[added_drafts.use_of(file)]:
        return "draft.add.file_before"
    return "draft.add.file_to_upload" if added.media_id is None else "draft.add.file"


def _files(one: Illustrated) -> Sequence[LocalFile]:
    covers = [one.cover] if isinstance(one.cover, LocalFile) else []
    return [*covers, *one.pictures.values()]


def as_json(added: Added) -> dict[str, Any]:
    """Return the object of ``--json``, without an error."""
    return {
        "media_id": added.media_id,
        "articles": [
            {
                "title": one.written.title.strip(),
                "characters": len(html),
                "files": [
                    {
                        "file": str(file.path),
                        "kind": file.kind.value,
                        "uploaded": added.uploaded[added_drafts.use_of(file)],
                    }
                    for file in _files(one)
                ],
                "removed": dict(one.found.removed),
            }
            for one, html in zip(added.articles, added.contents, strict=True)
        ],
    }
