"""Files: media/* are temporary, material/* are permanent (section 7)."""

from __future__ import annotations

import orjson

from simulator.core.accounts import Account
from simulator.core.body import Message
from simulator.core.endpoint import Answer, Call, Download, Endpoint, Fields
from simulator.core.errors import RefusalError
from simulator.endpoints.media.paging import page_of
from simulator.endpoints.media.store import TEMPORARY_LENGTH, Media, MediaStore
from simulator.endpoints.media.upload import (
    IN_ARTICLES,
    PERMANENT,
    TEMPORARY,
    picture_url,
    rule_of,
    stored,
    taken,
)


def upload(call: Call) -> Fields:
    """POST media/upload: a file that lives three days."""
    kind, rule = rule_of(TEMPORARY, call.query.get("type"))
    media = stored(call, kind, rule, permanent=False)
    name = call.world.switches.thumb_reply_key if kind == "thumb" else "media_id"
    return {"type": kind, name: media.media_id, "created_at": int(media.created_at)}


def upload_picture(call: Call) -> Fields:
    """POST media/uploadimg: a picture inside of an article, which is known by its address."""
    part, format_ = taken(call, IN_ARTICLES)
    pictures, store = call.account.part(Pictures), call.world.part(MediaStore)
    url = picture_url(store, format_)
    pictures.held[url] = part.content
    return {"url": url}


def upload_video(call: Call) -> Fields:
    """POST media/uploadvideo: the id with which a video may be mass-sent (section 7.3)."""
    world, message = call.world, call.message
    store, now = world.part(MediaStore), world.now()
    video = store.get(call.account, message.get("media_id"))
    if video.kind != "video":
        raise RefusalError(world.switches.media_mismatch_errcode)
    media = store.add(
        Media(
            media_id=store.new_id(TEMPORARY_LENGTH),
            appid=call.account.appid,
            kind="mass video",
            permanent=False,
            created_at=now,
            expires_at=now + world.switches.media_lifetime_s,
            content_type=video.content_type,
            content=video.content,
            title=_text(message, "title"),
            description=_text(message, "description"),
        )
    )
    return {"type": "video", "media_id": media.media_id, "created_at": int(media.created_at)}


def download(call: Call) -> Answer:
    """GET media/get: the file, of a video its address."""
    media = call.world.part(MediaStore).get(call.account, call.query.get("media_id"))
    if media.kind in {"video", "mass video"}:
        return {"video_url": f"http://mp.weixin.qq.com/mp/mp/video?{media.media_id}"}
    return _file(media)


def add_material(call: Call) -> Fields:
    """POST material/add_material: a file that stays; a video needs title and introduction."""
    kind, rule = rule_of(PERMANENT, call.query.get("type"))
    words = _description(call) if kind == "video" else {}
    media = stored(call, kind, rule, permanent=True, **words)
    return {"media_id": media.media_id} | ({"url": media.url} if media.url else {})


def get_material(call: Call) -> Answer:
    """POST material/get_material."""
    media = _material(call)
    if media.kind == "video":
        address = f"http://mp.weixin.qq.com/mp/mp/video?{media.media_id}"
        return {"title": media.title, "description": media.description, "down_url": address}
    return _file(media)


def delete_material(call: Call) -> Fields:
    """POST material/del_material."""
    call.world.part(MediaStore).delete(_material(call))
    return {"errcode": 0, "errmsg": "ok"}


def list_material(call: Call) -> Fields:
    """POST material/batchget_material: 20 at most, newest first; news are drafts since 2022."""
    message, kind = call.message, call.message.get("type")
    if not isinstance(kind, str) or kind not in {"image", "voice", "video", "news"}:
        raise RefusalError(40004)
    offset, count = page_of(message)
    found = call.world.part(MediaStore).permanent(call.account, kind)
    page = found[offset : offset + count]
    items = [
        {"media_id": one.media_id, "name": one.filename, "update_time": int(one.created_at)}
        | ({"url": one.url} if one.url else {})
        for one in page
    ]
    return {"total_count": len(found), "item_count": len(page), "item": items}


def count_material(call: Call) -> Fields:
    """GET material/get_materialcount."""
    store = call.world.part(MediaStore)
    kinds = ("voice", "video", "image", "news")
    return {f"{kind}_count": len(store.permanent(call.account, kind)) for kind in kinds}


def unsupported(_call: Call) -> Fields:
    """Refuse what drafts have replaced in 2022 (section 7): 45103."""
    raise RefusalError(45103)


class Pictures:
    """The pictures of an account's articles, by their addresses."""

    def __init__(self, _account: Account) -> None:
        self.held: dict[str, bytes] = {}


ENDPOINTS = (
    Endpoint(path="/cgi-bin/media/upload", handler=upload, daily_limit=100_000, json=False),
    Endpoint(path="/cgi-bin/media/uploadimg", handler=upload_picture, json=False),
    Endpoint(path="/cgi-bin/media/uploadvideo", handler=upload_video),
    Endpoint(
        path="/cgi-bin/media/get", handler=download, method="GET", daily_limit=200_000, json=False
    ),
    Endpoint(path="/cgi-bin/media/uploadnews", handler=unsupported),
    Endpoint(path="/cgi-bin/material/add_material", handler=add_material, json=False),
    Endpoint(path="/cgi-bin/material/add_news", handler=unsupported),
    Endpoint(path="/cgi-bin/material/update_news", handler=unsupported),
    Endpoint(path="/cgi-bin/material/get_material", handler=get_material),
    Endpoint(path="/cgi-bin/material/del_material", handler=delete_material),
    Endpoint(path="/cgi-bin/material/batchget_material", handler=list_material),
    Endpoint(
        path="/cgi-bin/material/get_materialcount", handler=count_material, method="GET", json=False
    ),
)


def _material(call: Call) -> Media:
    media = call.world.part(MediaStore).get(call.account, call.message.get("media_id"))
    if not media.permanent:
        raise RefusalError(40007)
    return media


def _file(media: Media) -> Download:
    name = media.filename.encode("ascii", "replace").decode().replace('"', "")
    return Download(
        content=media.content, content_type=media.content_type, filename=name or media.media_id
    )


def _description(call: Call) -> dict[str, str]:
    """Section 7.4: a form field with JSON; some clients put it into the query."""
    part = call.form.get("description")
    text = part.content if part else call.query.get("description", "").encode()
    try:
        words = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusalError(47001) from error
    if not isinstance(words, dict) or not words.get("title"):
        raise RefusalError(41011)
    return {"title": _text(words, "title"), "description": _text(words, "introduction")}


def _text(message: Message, name: str) -> str:
    value = message.get(name, "")
    return value if isinstance(value, str) else ""
