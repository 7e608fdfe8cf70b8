"""Options for the content of a broadcast, shared by ``send`` and others."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from broadcast.errors import ContentError, InputError, MediaError, of_file
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules import content as contents
from broadcast.rules.content import MOST_BYTES, Content
from broadcast.rules.media import ID_MARK, MediaKind, is_like_an_id
from entrypoints.cli.group import OptionGroup
from entrypoints.cli.terminal import short

if TYPE_CHECKING:
    from broadcast.rules.media import LocalFile

#: Who may comment on pictures: WeChat's two switches.
COMMENTS: Final = {
    "all": {"need_open_comment": 1, "only_fans_can_comment": 0},
    "followers": {"need_open_comment": 1, "only_fans_can_comment": 1},
}


def _no_draft(title: str) -> str:
    raise InputError("error.usage.no_draft_here", title=title)


@frozen
class ContentOptions(OptionGroup):
    """Options for one content, with those of its kind."""

    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="help.content.text")
    ] = None
    text_file: Annotated[
        list[str] | None, typer.Option("--text-file", metavar="FILE", help="help.content.text_file")
    ] = None
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="MEDIA_ID|FILE", help="help.content.image"),
    ] = None
    recommend: Annotated[
        str | None, typer.Option("--recommend", metavar="TEXT", help="help.content.recommend")
    ] = None
    comments: Annotated[
        str | None,
        typer.Option("--comments", metavar="all|followers", help="help.content.comments"),
    ] = None
    voice: Annotated[
        list[str] | None,
        typer.Option("--voice", metavar="MEDIA_ID|FILE", help="help.content.voice"),
    ] = None
    video: Annotated[
        list[str] | None,
        typer.Option("--video", metavar="MEDIA_ID|FILE", help="help.content.video"),
    ] = None
    video_title: Annotated[
        str | None, typer.Option("--video-title", metavar="TEXT", help="help.content.video_title")
    ] = None
    video_description: Annotated[
        str | None,
        typer.Option("--video-description", metavar="TEXT", help="help.content.video_description"),
    ] = None
    permanent: Annotated[bool, typer.Option("--permanent", help="help.content.permanent")] = False
    mpnews: Annotated[
        list[str] | None, typer.Option("--mpnews", metavar="MEDIA_ID", help="help.content.mpnews")
    ] = None
    draft: Annotated[
        list[str] | None, typer.Option("--draft", metavar="TITLE", help="help.content.draft")
    ] = None
    send_ignore_reprint: Annotated[
        bool, typer.Option("--send-ignore-reprint", help="help.content.send_ignore_reprint")
    ] = False
    card: Annotated[
        list[str] | None, typer.Option("--card", metavar="CARD_ID", help="help.content.card")
    ] = None
    content: Annotated[
        list[Path] | None, typer.Option("--content", metavar="FILE", help="help.content.content")
    ] = None

    def check(self) -> None:
        """Raise InputError unless there is exactly one, and nothing that belongs to another."""
        kinds = (
            self.text,
            self.text_file,
            self.image,
            self.voice,
            self.video,
            self.mpnews,
            self.draft,
            self.card,
            self.content,
        )
        given = [kind for kind in kinds if kind]
        if not given:
            raise InputError("error.usage.no_content")
        # Several images are one content.
        if len(given) > 1 or (given != [self.image] and len(given[0]) > 1):
            raise InputError("error.usage.two_contents")
        for option, is_given, needed, is_there in self._belonging():
            if is_given and not is_there:
                raise InputError("error.usage.belongs_to", option=option, needed=needed)
        if self.comments is not None and self.comments not in COMMENTS:
            raise InputError("error.usage.comments", text=short(self.comments))

    def _belonging(self) -> tuple[tuple[str, bool, str, bool], ...]:
        """Return each option of one kind of content: is it given, whose is it, is that there."""
        images, video = bool(self.image), bool(self.video)
        return (
            ("--recommend", self.recommend is not None, "--image", images),
            ("--comments", self.comments is not None, "--image", images),
            ("--video-title", self.video_title is not None, "--video", video),
            ("--video-description", self.video_description is not None, "--video", video),
            (
                "--send-ignore-reprint",
                self.send_ignore_reprint,
                "--mpnews, --draft",
                bool(self.mpnews or self.draft),
            ),
            (
                "--permanent",
                self.permanent,
                "--image, --voice, --video",
                images or video or bool(self.voice),
            ),
        )

    def read(self, *, limit: int, draft: Callable[[str], str] = _no_draft) -> Content:
        """Return the content; *limit* is the most characters of a text. Files are checked.

        *draft* returns the media_id of a draft by its title. Raises ContentError and MediaError.
        """
        if self.text:
            made = contents.of_text(self.text[0], limit=limit)
            if r"\n" not in self.text[0]:
                return made
            return replace(made, notices=(*made.notices, Message("notice.content.backslash_n")))
        if self.text_file:
            return contents.of_text(read_text_file(self.text_file[0]), limit=limit)
        if self.content:
            return contents.of_object(read_content_file(self.content[0]), limit=limit)
        if self.draft or self.mpnews:
            media_id = draft(self.draft[0]) if self.draft else self._article()
            return contents.of_object(self._articles(media_id), limit=limit)
        return self._of_media()

    def _of_media(self) -> Content:
        from producer.media.file import of_files

        files: list[LocalFile] = []
        if self.image:
            ids = [self._media_id(word, MediaKind.IMAGE, files) for word in self.image]
            return of_files({"msgtype": "image", "images": self._images(ids)}, files)
        if self.voice:
            media_id = self._media_id(self.voice[0], MediaKind.VOICE, files)
            return of_files({"msgtype": "voice", "voice": {"media_id": media_id}}, files)
        if self.video:
            media_id = self._media_id(self.video[0], MediaKind.MPVIDEO, files)
            words = {"title": self.video_title, "description": self.video_description}
            texts = {name: text for name, text in words.items() if text is not None}
            video = {"msgtype": "mpvideo", "mpvideo": {"media_id": media_id, **texts}}
            return of_files(video, files)
        assert self.card
        return of_files({"msgtype": "wxcard", "wxcard": {"card_id": self.card[0]}}, files)

    def _media_id(self, word: str, kind: MediaKind, files: list[LocalFile]) -> str:
        """Return a media_id, or what stands for a file, which is added to *files*."""
        from producer.media.file import named, stand_in

        found = named(word, kind, permanent=self.permanent)
        if isinstance(found, str):
            return found
        files.append(found)
        return stand_in(found)

    def _images(self, ids: list[str]) -> dict[str, Any]:
        recommendation = {} if self.recommend is None else {"recommend": self.recommend}
        return {"media_ids": ids, **recommendation, **COMMENTS.get(self.comments or "", {})}

    def _article(self) -> str:
        """Return the media_id of the articles that WeChat has."""
        assert self.mpnews
        word = self.mpnews[0]
        if not word.startswith(ID_MARK) and not is_like_an_id(word):
            raise MediaError("error.media.no_id", word=short(word))
        return word.removeprefix(ID_MARK)

    def _articles(self, media_id: str) -> dict[str, Any]:
        reprint = {"send_ignore_reprint": 1} if self.send_ignore_reprint else {}
        return {"msgtype": "mpnews", "mpnews": {"media_id": media_id}, **reprint}


#: Larger files are no content; reading one would only cost memory.
MOST_FILE_BYTES: Final = 1_000_000


def read_text_file(source: str) -> str:
    """Return the text of a file, or of standard input (``-``), without its last line break.

    Editors end the last line with one, which WeChat would show as an empty line. Raises
    ContentError.
    """
    path = Path(source)
    if source != "-":
        data = _bytes_of(path, option="--text-file")
    elif sys.stdin is None or sys.stdin.isatty():
        raise ContentError("error.content.no_pipe")
    else:
        data = _fitting(sys.stdin.buffer.read(MOST_FILE_BYTES + 1))
    text = _decoded(data, path, option="--text-file")
    return text.replace("\r\n", "\n").removesuffix("\n")


def read_content_file(path: Path) -> Any:
    """Return WeChat's content object in the file *path*. Raises ContentError."""
    from producer.request.shape import TwiceError, each_once

    text = _decoded(_bytes_of(path, option="--content"), path, option="--content")
    try:
        return json.loads(text, object_pairs_hook=each_once)
    except TwiceError as error:
        raise ContentError("error.content.twice", path=path, name=error.args[0]) from None
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
    except RecursionError:
        line, column = 1, 1
    raise ContentError("error.content.json", path=path, line=line, column=column)


def _bytes_of(path: Path, *, option: str) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            # A pipe or a device may never end.
            raise ContentError("error.content.not_regular", option=option, path=path)
        with path.open("rb") as file:
            return _fitting(file.read(MOST_FILE_BYTES + 1))
    except OSError as error:
        raise ContentError(
            "error.content.file", option=option, path=path, reason=of_file(error)
        ) from error


def _fitting(data: bytes) -> bytes:
    if len(data) > MOST_FILE_BYTES:
        raise ContentError(
            "error.content.too_big", field="content", size=len(data), most=MOST_BYTES
        )
    return data


def _decoded(data: bytes, path: Path, *, option: str) -> str:
    """Return UTF-8, with or without a mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContentError(
            "error.content.encoding", option=option, path=path, byte=error.start
        ) from error
