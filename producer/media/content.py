"""A content some of whose media are local files, which are uploaded when it is submitted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from broadcast.errors import MediaError
from broadcast.frozen import frozen
from broadcast.rules import content as contents
from broadcast.rules import media
from broadcast.rules.content import Content
from broadcast.rules.media import ID_MARK, STAND_IN, KeptFile, LocalFile, MediaKind
from producer.media.file import read


@frozen
class ContentWithFiles(Content):
    """A content in which stand-ins take the place of the media_ids of *files*."""

    files: Mapping[str, LocalFile] = field(repr=False)
    #: Those that WeChat has, by their media_id.
    uploaded: Mapping[str, LocalFile] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> Mapping[str, str]:
        """Name each file, and what it is."""
        every = {**self.files, **self.uploaded}
        return {media_id: file.shown for media_id, file in every.items()}

    def saying(self, ids: Mapping[str, str]) -> Content:
        """Return the content with media_ids in the place of stand-ins; files left keep theirs."""
        said = media.replaced(json.loads(self.canonical), ids)
        made = contents.of_object(said, limit=contents.MOST_BYTES)
        left = {name: file for name, file in self.files.items() if name not in ids}
        there = {ids[name]: file for name, file in self.files.items() if name in ids}
        return with_files(made, left, uploaded={**self.uploaded, **there})


def with_files(
    content: Content,
    files: Mapping[str, LocalFile],
    *,
    uploaded: Mapping[str, LocalFile] = MappingProxyType({}),
) -> Content:
    """Return *content* with the files for which stand-ins or media_ids stand in it."""
    if not files and not uploaded:
        return content
    return ContentWithFiles(
        msgtype=content.msgtype, canonical=content.canonical, notices=content.notices, files=files,
        uploaded=uploaded,
    )  # fmt: skip


def of_files(value: Mapping[str, Any], files: Iterable[LocalFile]) -> Content:
    """Return the content *value*, whose media_ids may be stand-ins of *files*."""
    made = contents.of_object(value, limit=contents.MOST_BYTES)
    return with_files(made, {stand_in(file): file for file in files})


def stand_in(file: LocalFile) -> str:
    """Return what stands for a file that is not uploaded."""
    return f"{STAND_IN}{file.fingerprint}"


def named(word: str, kind: MediaKind, *, permanent: bool) -> str | LocalFile:
    """Return the media_id that *word* is, or the checked file that it names.

    A word of the form of a media_id is one, unless a file has that very name: then neither is
    taken. Anything else names a file. Raises MediaError.
    """
    if word.startswith(ID_MARK):
        return word.removeprefix(ID_MARK)
    path = Path(word)
    if media.is_like_an_id(word):
        if path.exists():
            raise MediaError("error.media.ambiguous", word=word)
        return word
    return read(path, kind, permanent=permanent)


def unresolved(content: str) -> Iterator[str]:
    """Yield the stand-ins in a canonical content: what WeChat does not have."""
    for media_id, _ in media.used(json.loads(content)):
        if media_id.startswith(STAND_IN):
            yield media_id


def kept(content: Content) -> list[KeptFile]:
    """Return the uploaded files of *content* whose media_ids die, as they are kept."""
    there = content.uploaded if isinstance(content, ContentWithFiles) else {}
    return [
        KeptFile(
            media_id=media_id, kind=file.kind, permanent=file.permanent, format=file.format,
            name=file.path.name, data=file.data,
        )
        for media_id, file in there.items()
        if media.is_mortal(file.kind, permanent=file.permanent)
    ]  # fmt: skip


def refuse_what_no_file_has(content: Content) -> None:
    """Raise MediaError where a stand-in is written that stands for none of the files."""
    files = content.files if isinstance(content, ContentWithFiles) else {}
    for media_id in unresolved(content.canonical):
        if media_id not in files:
            raise MediaError("error.media.not_uploaded", media_id=media_id)
