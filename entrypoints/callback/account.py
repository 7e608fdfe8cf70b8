"""One account's side of the server: is a request WeChat's, what is kept of it, what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from broadcast import openid
from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.rules.pushes import Keywords, MessageMeaning, Push, push_of
from broadcast.wechat.callback import Receiver
from broadcast.wechat.callback.push_body import Fields, Form

#: What WeChat takes for "handled, and nothing to say".
SUCCESS = b"success"
#: Repeats come within a minute; the clocks of two machines may differ by a day. A stored push is
#: kept for longer (models.ledger.boxes.pushes), so a request that somebody sends again is always
#: known.
MOST_AGE_S = 7 * 86_400
_NOTHING = MessageMeaning()


@frozen
class Taken:
    """A request of WeChat's, ready to be stored and answered."""

    push: Push
    answer: bytes = field(repr=False)
    form: Form


class ServedAccount:
    """An account whose pushes are taken."""

    def __init__(self, account: Account, keywords: Keywords) -> None:
        """*account* has a token; *keywords* say what a follower's text does."""
        assert account.callback_token is not None
        self.name = account.name
        self._keywords = keywords
        self._receiver = Receiver(
            appid=account.appid,
            token=account.callback_token,
            aes_key=account.encoding_aes_key,
            max_age_s=MOST_AGE_S,
        )

    def check_url(self, query: Mapping[str, str]) -> str:
        """Return the answer to a check of the URL. Raises RefusedError."""
        return self._receiver.check_url(query)

    def accept(self, query: Mapping[str, str], body: bytes) -> Taken:
        """Read a request. Raises RefusedError."""
        incoming = self._receiver.receive(query, body)
        heard = self._answer_to(incoming.fields)
        push = push_of(self.name, incoming.fields, text=incoming.text, action=heard.action)
        answer = SUCCESS if heard.reply is None else self._receiver.reply(incoming, heard.reply)
        return Taken(push=push, answer=answer, form=incoming.form)

    def _answer_to(self, fields: Fields) -> MessageMeaning:
        # WeChat's own test tool writes under names of its own: no follower of anybody.
        if not openid.is_openid(str(fields.get("FromUserName", "")).encode()):
            return _NOTHING
        text = fields.get("Content")
        if fields["MsgType"] != "text" or not isinstance(text, str):
            return _NOTHING
        return self._keywords.meaning_of(text)
