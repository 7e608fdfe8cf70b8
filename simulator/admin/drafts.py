"""Drafts as a person edits them in WeChat's console."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from simulator.admin.request import AdminError, AdminRequest, Answer, Routes
from simulator.endpoints.draft.box import Draft, DraftBox


class Edit(BaseModel):
    """The article to edit, and its new fields; the others stay."""

    model_config = ConfigDict(extra="forbid")

    index: Annotated[int, Field(ge=0)] = 0
    fields: dict[str, Any]


async def drafts(request: AdminRequest) -> Answer:
    """List what is in the account's box."""
    return {"drafts": [_summary(one) for one in request.account.part(DraftBox).newest_first()]}


async def edit(request: AdminRequest) -> Answer:
    """Change fields of one article."""
    order, draft = Edit(**await request.json()), _named(request)
    if order.index >= len(draft.articles):
        message = f"the draft has {len(draft.articles)} articles"
        raise AdminError(message)
    draft.articles[order.index] |= order.fields
    draft.updated_at = request.world.now()
    return _summary(draft)


async def delete(request: AdminRequest) -> Answer:
    """Delete a draft."""
    request.account.part(DraftBox).delete(_named(request))
    return {"deleted": True}


ROUTES: Routes = (
    ("GET", "accounts/{appid}/drafts", drafts),
    ("POST", "accounts/{appid}/drafts/{media_id}", edit),
    ("DELETE", "accounts/{appid}/drafts/{media_id}", delete),
)


def _named(request: AdminRequest) -> Draft:
    draft = request.account.part(DraftBox).known(request.named["media_id"])
    if draft is None:
        message = f"the account has no draft {request.named['media_id']}"
        raise AdminError(message)
    return draft


def _summary(draft: Draft) -> Answer:
    return {
        "media_id": draft.media_id,
        "created_at": draft.created_at,
        "updated_at": draft.updated_at,
        "sent": draft.sent,
        "articles": draft.articles,
    }
