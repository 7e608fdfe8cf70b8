"""WeChat over HTTP: a typed client that knows nothing of batches and imports nothing of ours.

``WeChatClient`` makes the calls, ``Session`` adds one account's access_token, and each endpoint is
a class of ``broadcast.wechat.api``: its fields are what is asked, and what comes back is typed.
What holds a secret is ``SecretStr``; what goes wrong is a ``WeChatError``.
``broadcast.wechat.callback`` reads and answers what WeChat pushes. The names below are imported
when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadcast.wechat.api.drafts import (
        Article,
        Draft,
        DraftAdd,
        DraftBatchGet,
        DraftGet,
        Drafts,
    )
    from broadcast.wechat.api.mass import (
        MassGet,
        MassPreview,
        MassReply,
        MassSend,
        MassSendAll,
        MassStatus,
        Previewed,
    )
    from broadcast.wechat.api.mass_control import MassDelete, Speed, SpeedGet, SpeedSet
    from broadcast.wechat.api.media import (
        AddMaterial,
        Material,
        MaterialGet,
        Media,
        MediaGet,
        MediaKind,
        MediaUpload,
        UploadImage,
        UploadVideo,
    )
    from broadcast.wechat.api.quotas import (
        ClearQuota,
        ClearQuotaBySecret,
        Quota,
        QuotaClear,
        QuotaGet,
        RidGet,
        SeenRequest,
    )
    from broadcast.wechat.api.tags import (
        AddToTag,
        RemoveFromTag,
        TagCreate,
        TagDelete,
        TagInfo,
        TagRename,
        TagsGet,
    )
    from broadcast.wechat.api.token import ClassicToken, Ping, Pong, StableToken, TokenReply
    from broadcast.wechat.api.users import Page, TagFollowers, UserGet, UserInfo, UserInfos
    from broadcast.wechat.call_errors import (
        APIError,
        InvalidRequestError,
        NotSentError,
        TransportError,
        TransportKind,
        UnknownOutcomeError,
        WeChatError,
    )
    from broadcast.wechat.client import Session, WeChatClient
    from broadcast.wechat.deadline import SendBy, Timeouts
    from broadcast.wechat.endpoint import Body, File, RawReply, Request
    from broadcast.wechat.errcodes import Errcode

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
    "MaterialGet",
    "Media",
    "MediaGet",
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
    "broadcast.wechat.client",
    "broadcast.wechat.call_errors",
    "broadcast.wechat.deadline",
    "broadcast.wechat.endpoint",
    "broadcast.wechat.errcodes",
    "broadcast.wechat.api.mass_control",
    "broadcast.wechat.api.drafts",
    "broadcast.wechat.api.mass",
    "broadcast.wechat.api.media",
    "broadcast.wechat.api.token",
    "broadcast.wechat.api.quotas",
    "broadcast.wechat.api.tags",
    "broadcast.wechat.api.users",
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
