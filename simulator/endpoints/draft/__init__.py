"""Articles before they are sent: draft/* (section 7.5)."""

from __future__ import annotations

from simulator.core.endpoint import Call, Endpoint, Fields
from simulator.core.errors import RefusalError
from simulator.endpoints.draft.articles import checked, shown
from simulator.endpoints.draft.box import Draft, DraftBox
from simulator.endpoints.media.paging import page_of

_DONE: Fields = {"errcode": 0, "errmsg": "ok"}


def add(call: Call) -> Fields:
    """POST draft/add: one to eight articles."""
    listed = call.message.get("articles")
    if not isinstance(listed, list) or not listed:
        raise RefusalError(44003)
    if len(listed) > call.world.switches.max_articles:
        raise RefusalError(45008)
    articles = [checked(call, article) for article in listed]
    return {"media_id": _box(call).add(articles, now=call.world.now()).media_id}


def get(call: Call) -> Fields:
    """POST draft/get."""
    draft = _draft(call)
    items = [shown(call, draft, index=index) for index in range(len(draft.articles))]
    return {"news_item": items, **_times(draft)}


def list_(call: Call) -> Fields:
    """POST draft/batchget: 20 at most, what was edited last comes first."""
    offset, count = page_of(call.message)
    drafts = _box(call).newest_first()
    page = drafts[offset : offset + count]
    bare = call.message.get("no_content") == 1
    return {
        "total_count": len(drafts),
        "item_count": len(page),
        "item": [_item(call, draft, bare=bare) for draft in page],
    }


def count_(call: Call) -> Fields:
    """GET draft/count."""
    return {"total_count": len(_box(call))}


def update(call: Call) -> Fields:
    """POST draft/update: one article in place of another."""
    draft, index = _draft(call), call.message.get("index", 0)
    if not isinstance(index, int) or not 0 <= index < len(draft.articles):
        raise RefusalError(40060)
    draft.articles[index] = checked(call, call.message.get("articles"))
    draft.updated_at = call.world.now()
    return _DONE


def delete(call: Call) -> Fields:
    """POST draft/delete."""
    _box(call).delete(_draft(call))
    return _DONE


ENDPOINTS = (
    Endpoint(path="/cgi-bin/draft/add", handler=add, daily_limit=1000),
    Endpoint(path="/cgi-bin/draft/get", handler=get, daily_limit=500),
    Endpoint(path="/cgi-bin/draft/batchget", handler=list_, daily_limit=1000),
    Endpoint(
        path="/cgi-bin/draft/count", handler=count_, method="GET", daily_limit=1000, json=False
    ),
    Endpoint(path="/cgi-bin/draft/update", handler=update, daily_limit=1000),
    Endpoint(path="/cgi-bin/draft/delete", handler=delete, daily_limit=1000),
)


def _box(call: Call) -> DraftBox:
    return call.account.part(DraftBox)


def _draft(call: Call) -> Draft:
    media_id = call.message.get("media_id")
    draft = _box(call).get(media_id) if isinstance(media_id, str) else None
    if draft is None:
        raise RefusalError(40007)
    return draft


def _item(call: Call, draft: Draft, *, bare: bool) -> Fields:
    items = [shown(call, draft, index=index) for index in range(len(draft.articles))]
    if bare:
        items = [{**item, "content": ""} for item in items]
    return {
        "media_id": draft.media_id,
        "content": {"news_item": items, **_times(draft)},
        "update_time": int(draft.updated_at),
    }


def _times(draft: Draft) -> Fields:
    return {"create_time": int(draft.created_at), "update_time": int(draft.updated_at)}
