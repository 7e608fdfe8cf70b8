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

from broadcast.wechat.csv_rows import rows

if TYPE_CHECKING:
    from broadcast.wechat.api.drafts import Article as Article
    from broadcast.wechat.api.drafts import Draft as Draft
    from broadcast.wechat.api.drafts import DraftAdd as DraftAdd
    from broadcast.wechat.api.drafts import DraftBatchGet as DraftBatchGet
    from broadcast.wechat.api.drafts import DraftGet as DraftGet
    from broadcast.wechat.api.drafts import Drafts as Drafts
    from broadcast.wechat.api.mass import MassGet as MassGet
    from broadcast.wechat.api.mass import MassPreview as MassPreview
    from broadcast.wechat.api.mass import MassReply as MassReply
    from broadcast.wechat.api.mass import MassSend as MassSend
    from broadcast.wechat.api.mass import MassSendAll as MassSendAll
    from broadcast.wechat.api.mass import MassStatus as MassStatus
    from broadcast.wechat.api.mass import Previewed as Previewed
    from broadcast.wechat.api.mass_control import MassDelete as MassDelete
    from broadcast.wechat.api.mass_control import Speed as Speed
    from broadcast.wechat.api.mass_control import SpeedGet as SpeedGet
    from broadcast.wechat.api.mass_control import SpeedSet as SpeedSet
    from broadcast.wechat.api.media import AddMaterial as AddMaterial
    from broadcast.wechat.api.media import Material as Material
    from broadcast.wechat.api.media import MaterialGet as MaterialGet
    from broadcast.wechat.api.media import Media as Media
    from broadcast.wechat.api.media import MediaGet as MediaGet
    from broadcast.wechat.api.media import MediaKind as MediaKind
    from broadcast.wechat.api.media import MediaUpload as MediaUpload
    from broadcast.wechat.api.media import UploadImage as UploadImage
    from broadcast.wechat.api.media import UploadVideo as UploadVideo
    from broadcast.wechat.api.quotas import ClearQuota as ClearQuota
    from broadcast.wechat.api.quotas import ClearQuotaBySecret as ClearQuotaBySecret
    from broadcast.wechat.api.quotas import Quota as Quota
    from broadcast.wechat.api.quotas import QuotaClear as QuotaClear
    from broadcast.wechat.api.quotas import QuotaGet as QuotaGet
    from broadcast.wechat.api.quotas import RidGet as RidGet
    from broadcast.wechat.api.quotas import SeenRequest as SeenRequest
    from broadcast.wechat.api.tags import AddToTag as AddToTag
    from broadcast.wechat.api.tags import RemoveFromTag as RemoveFromTag
    from broadcast.wechat.api.tags import TagCreate as TagCreate
    from broadcast.wechat.api.tags import TagDelete as TagDelete
    from broadcast.wechat.api.tags import TagInfo as TagInfo
    from broadcast.wechat.api.tags import TagRename as TagRename
    from broadcast.wechat.api.tags import TagsGet as TagsGet
    from broadcast.wechat.api.token import ClassicToken as ClassicToken
    from broadcast.wechat.api.token import Ping as Ping
    from broadcast.wechat.api.token import Pong as Pong
    from broadcast.wechat.api.token import StableToken as StableToken
    from broadcast.wechat.api.token import TokenReply as TokenReply
    from broadcast.wechat.api.users import Page as Page
    from broadcast.wechat.api.users import TagFollowers as TagFollowers
    from broadcast.wechat.api.users import UserGet as UserGet
    from broadcast.wechat.api.users import UserInfo as UserInfo
    from broadcast.wechat.api.users import UserInfos as UserInfos
    from broadcast.wechat.call_errors import APIError as APIError
    from broadcast.wechat.call_errors import InvalidRequestError as InvalidRequestError
    from broadcast.wechat.call_errors import NotSentError as NotSentError
    from broadcast.wechat.call_errors import TransportError as TransportError
    from broadcast.wechat.call_errors import TransportKind as TransportKind
    from broadcast.wechat.call_errors import UnknownOutcomeError as UnknownOutcomeError
    from broadcast.wechat.call_errors import WeChatError as WeChatError
    from broadcast.wechat.client import Session as Session
    from broadcast.wechat.client import WeChatClient as WeChatClient
    from broadcast.wechat.deadline import SendBy as SendBy
    from broadcast.wechat.deadline import Timeouts as Timeouts
    from broadcast.wechat.endpoint import Body as Body
    from broadcast.wechat.endpoint import File as File
    from broadcast.wechat.endpoint import RawReply as RawReply
    from broadcast.wechat.endpoint import Request as Request
    from broadcast.wechat.errcodes import Errcode as Errcode

#: Each name, and the module that it is imported from.
_HOMES = {row["name"]: row["home"] for row in rows("names.csv")}
__all__ = list(_HOMES)

# Hidden from type checkers, which would take any name for one that is there.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a name when it is first used."""
        if name in _HOMES:
            return getattr(import_module(f"broadcast.wechat.{_HOMES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
