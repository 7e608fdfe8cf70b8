"""What a command asks WeChat of an account before it stores what another program asked for."""

from __future__ import annotations

from collections.abc import Sequence

from broadcast.accounts import Account
from broadcast.drafts.mark import Marks
from broadcast.errors import BroadcastError
from cli.drafts import looking
from cli.wiring.wechat import WeChat
from wechat.api.tags import TagInfo, TagsGet


class Looks:
    """:class:`producer.looks.Looks` of a command."""

    def __init__(self, wechat: WeChat) -> None:
        """Take the way to WeChat."""
        self._wechat = wechat

    def tags(self, account: Account) -> Sequence[TagInfo] | None:
        """Return every tag, or None where WeChat gives no answer."""
        try:
            return self._wechat.ask(account, TagsGet())
        except BroadcastError:
            # What keeps WeChat from an answer is said of its quota; the plan asks for the people.
            return None

    def draft(self, account: Account, media_id: str) -> Marks | None:
        """Return what a draft says; None: there is none. Raises WeChatAwayError and alike."""
        return looking.look(self._wechat, account, media_id)
