"""WeChat over HTTP: a typed client that knows nothing of batches and imports nothing of ours.

``WeChatClient`` makes the calls, ``Session`` adds one account's access_token, and each endpoint is
a class of ``wechat.api``: its fields are what is asked, and what comes back is typed. What holds a
secret is ``SecretStr``; what goes wrong is a ``WeChatError``. ``wechat.callback`` reads and answers
what WeChat pushes. The names below are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wechat.api.delete import MassDelete
    from wechat.api.draft import Article, Draft, DraftAdd, DraftBatchGet, DraftGet, Drafts
    from wechat.api.mass import MassGet, MassReply, MassSend, MassSendAll, MassStatus
    from wechat.api.media import (
        AddMaterial,
        Material,
        Media,
        MediaKind,
        MediaUpload,
        UploadImage,
        UploadVideo,
    )
    from wechat.api.ping import Ping, Pong
    from wechat.api.preview import MassPreview, Previewed
    from wechat.api.quota import (
        ClearQuota,
        ClearQuotaBySecret,
        Quota,
        QuotaClear,
        QuotaGet,
        RidGet,
        SeenRequest,
    )
    from wechat.api.speed import Speed, SpeedGet, SpeedSet
    from wechat.api.tags import (
        AddToTag,
        RemoveFromTag,
        TagCreate,
        TagDelete,
        TagInfo,
        TagRename,
        TagsGet,
    )
    from wechat.api.token import ClassicToken, StableToken, TokenReply
    from wechat.api.users import Page, TagFollowers, UserGet, UserInfo, UserInfos
    from wechat.client import WeChatClient
    from wechat.deadline import SendBy, Timeouts
    from wechat.errcodes import Errcode
    from wechat.errors import (
        APIError,
        InvalidRequestError,
        NotSentError,
        TransportError,
        TransportKind,
        UnknownOutcomeError,
        WeChatError,
    )
    from wechat.reply import RawReply
    from wechat.request import Body, File, Request
    from wechat.session import Session

__all__ = [
    "APIError",
    "AddMaterial",
    "AddToTag",
    "Article",
    "Body",
    "ClassicToken",
    "ClearQuota",
    "ClearQuotaBySecret",
    "Draft",
    "DraftAdd",
    "DraftBatchGet",
    "DraftGet",
    "Drafts",
    "Errcode",
    "File",
    "InvalidRequestError",
    "MassDelete",
    "MassGet",
    "MassPreview",
    "MassReply",
    "MassSend",
    "MassSendAll",
    "MassStatus",
    "Material",
    "Media",
    "MediaKind",
    "MediaUpload",
    "NotSentError",
    "Page",
    "Ping",
    "Pong",
    "Previewed",
    "Quota",
    "QuotaClear",
    "QuotaGet",
    "RawReply",
    "RemoveFromTag",
    "Request",
    "RidGet",
    "SeenRequest",
    "SendBy",
    "Session",
    "Speed",
    "SpeedGet",
    "SpeedSet",
    "StableToken",
    "TagCreate",
    "TagDelete",
    "TagFollowers",
    "TagInfo",
    "TagRename",
    "TagsGet",
    "Timeouts",
    "TokenReply",
    "TransportError",
    "TransportKind",
    "UnknownOutcomeError",
    "UploadImage",
    "UploadVideo",
    "UserGet",
    "UserInfo",
    "UserInfos",
    "WeChatClient",
    "WeChatError",
]

#: Where they are, in the order in which they are looked for.
_HOMES = (
    "wechat.client",
    "wechat.session",
    "wechat.errors",
    "wechat.deadline",
    "wechat.request",
    "wechat.reply",
    "wechat.errcodes",
    "wechat.api.delete",
    "wechat.api.draft",
    "wechat.api.mass",
    "wechat.api.media",
    "wechat.api.ping",
    "wechat.api.preview",
    "wechat.api.quota",
    "wechat.api.speed",
    "wechat.api.tags",
    "wechat.api.token",
    "wechat.api.users",
)

# Hidden from type checkers, which would take any name for one that is there.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a name when it is first used."""
        if name in __all__:
            for home in map(import_module, _HOMES):
                if hasattr(home, name):
                    return getattr(home, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
