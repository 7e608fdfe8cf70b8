"""A checked local file as WeChat takes it: which request gives it, and what the answer names."""

from __future__ import annotations

from typing import Any, TypeAlias

from broadcast.rules.media import CONTENT_TYPES, LocalFile, MediaKind, VideoWords
from broadcast.wechat.api.media import AddMaterial, Material, Media, MediaUpload, UploadImage
from broadcast.wechat.api.media import MediaKind as WeChatsKind
from broadcast.wechat.endpoint import File, Request

#: media/upload's, add_material's, or the address of a picture of an article.
Answer: TypeAlias = Media | Material | str


def upload_request_of(file: LocalFile, words: VideoWords) -> Request[Any]:
    """Return the request that uploads *file*; its answer is of :data:`Answer`.

    *words*: of a permanent video.
    """
    sent = File(name=file.name, data=file.data, content_type=CONTENT_TYPES[file.format])
    if file.kind is MediaKind.ARTICLE_IMAGE:
        return UploadImage(file=sent)
    kind = WeChatsKind(file.kind.value)
    if not file.permanent:
        return MediaUpload(kind=kind, file=sent)
    return AddMaterial(
        kind=kind, file=sent, title=words.title or file.path.stem, introduction=words.description
    )


def media_ids_of(answer: Answer) -> tuple[str | None, str | None]:
    """Return the media_id and the address that an answer names, where it has them."""
    match answer:
        case Media():
            return answer.media_id, None
        case Material():
            return answer.media_id, answer.url
    return None, answer
