"""One content, as each endpoint wants it written.

A content is WeChat's own object in the form of mass/send (``msgtype`` and the part of that type).
The three endpoints differ in three places: sendall has the title of a video from media/uploadvideo
and takes its media_id alone, preview takes a single image, under an older name, and only preview
takes the ``card_ext`` of a coupon.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Content = Mapping[str, Any]


def of_send(content: Content) -> Content:
    """Return *content* as message/mass/send has it."""
    card = content.get("wxcard")
    if not isinstance(card, Mapping):
        return content
    return {**content, "wxcard": _only(card, "card_id")}


def of_sendall(content: Content) -> Content:
    """Return *content* as message/mass/sendall has it."""
    video = content.get("mpvideo")
    if not isinstance(video, Mapping):
        return of_send(content)
    return {**content, "mpvideo": _only(video, "media_id")}


def of_preview(content: Content) -> tuple[Content, ...]:
    """Return what message/mass/preview shows of *content*, a call each: of images one a call.

    Recommendation and comments have no place there, nor has ``send_ignore_reprint``.
    """
    shown = {name: part for name, part in content.items() if name != "send_ignore_reprint"}
    images = shown.pop("images", None)
    if not isinstance(images, Mapping):
        return (shown,)
    return tuple({**shown, "image": {"media_id": one}} for one in images.get("media_ids", ()))


def _only(part: Content, *names: str) -> Content:
    return {name: value for name, value in part.items() if name in names}
