"""Notices to people's chats: of which gates, in what form each bot takes one, when it has it.

Limits, signatures and answers are those of the bots' own pages:
https://developer.work.weixin.qq.com/document/path/91770 (WeCom),
https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot (Feishu),
https://open.dingtalk.com/document/robots/custom-robot-access (DingTalk),
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (Slack).
"""

from __future__ import annotations

import base64
import hmac
import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, quote_plus, unquote, urlencode, urlsplit

from broadcast.digests import sha256
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.quoting import quoted
from broadcast.redaction import MASK, SHORTEST_SECRET
from broadcast.rules.gates.gate import CLOSED_UNASKED, GateKind
from broadcast.rules.reports import Report
from broadcast.rules.states import BroadcastState, NoticeState, Phase

#: Kinds of notices that are derived of what the ledger has: a broadcast or an account that waits
#: for a person, and a broadcast that ended. Others are added by who knows of them. Each has its
#: text, ``notice.`` and the kind.
WAITS: Final = "waits"
STOPPED: Final = "stopped"
ENDED: Final = "ended"

#: What their kinds begin with of which a person must act: they are posted again until one does.
_REPEATED: Final = (WAITS, STOPPED, "launch_held")
#: Pauses double from the first post on, up to this one.
_LONGEST_PAUSE: Final = timedelta(days=1)

#: Gates of which there are notices: no person closed them, and a person has to open them.
REPORTED: Final = CLOSED_UNASKED | {GateKind.STOP}
#: Between two posts to one bot: each takes 20 a minute, and others may post there, too.
PACE: Final = timedelta(seconds=4)


@frozen
class Notice:
    """A notice on its way to one receiver."""

    id: int
    #: What it reports.
    key: str
    message: Message
    #: By name.
    receiver: str
    state: NoticeState
    tries: int
    #: Why the last try failed.
    problem: Message | None
    due_at: datetime | None
    #: When its receiver had it last; None: not yet.
    posted_at: datetime | None
    #: When it was added, or a person had it tried again.
    since: datetime

    @property
    def kind(self) -> str:
        """Kind of what it reports."""
        return self.message.id.rpartition(".")[2]

    @property
    def subject(self) -> str:
        """Id or name of what it is about."""
        return str(self.message.facts.get("subject"))

    @property
    def was_posted(self) -> bool:
        """True if its receiver has it, and hears it again."""
        return self.state is NoticeState.WAITING and self.posted_at is not None

    @property
    def asks_for_a_person(self) -> bool:
        """True if it is posted again until a person acts."""
        return self.kind.startswith(_REPEATED)

    def again_at(self, now: datetime, *, again: timedelta) -> datetime | None:
        """Return when to post it again, *again* after the first post at least; None: never."""
        if not self.asks_for_a_person or not again:
            return None
        return now + min(max(again, now - self.since), _LONGEST_PAUSE)


def is_still_so(kind: str, report: Report) -> bool:
    """Return whether a broadcast stands as a notice of this *kind* says."""
    if kind == ENDED:
        return report.phase is Phase.ENDED
    is_kept_back = report.state in {BroadcastState.HELD, BroadcastState.PAUSED}
    return is_kept_back or report.batches["in_doubt"] > 0


#: Kind of a receiver, by the path of its URL, so that a proxy may stand before it.
Bot = StrEnum(
    "Bot",
    [
        "WECOM",
        "FEISHU",
        "DINGTALK",
        "SLACK",  #: and whatever else takes the form of Slack
        "MAIL",  #: a mail server
    ],
)


_PATHS: Final = (
    ("/cgi-bin/webhook/send", Bot.WECOM),
    ("/open-apis/bot/v2/hook/", Bot.FEISHU),
    ("/robot/send", Bot.DINGTALK),
)
#: Bytes of a text. Feishu and DingTalk count the whole request.
LONGEST: Final = {
    Bot.WECOM: 2048,
    Bot.FEISHU: 15_000,
    Bot.DINGTALK: 15_000,
    Bot.SLACK: 12_000,
    Bot.MAIL: 100_000,
}
#: TLS from the first byte; TLS from STARTTLS on; this machine's own server.
MAIL_SCHEMES: Final = ("smtps", "smtp", "mailto")
_MAILBOX: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+", re.ASCII)


@frozen
class Receiver:
    """Receiver of notices. Its URL lets everybody post there."""

    bot: Bot
    #: As it is posted to: without the secret that signs.
    url: str = field(repr=False)
    #: Empty: its bot does not ask for a signature.
    secret: str = field(repr=False)

    @property
    def name(self) -> str:
        """Its name, which shows nothing secret: kind, host, a fingerprint."""
        fingerprint = sha256(self.url)[:8]
        host = urlsplit(self.url).netloc.rpartition("@")[2].lower()
        return f"{self.bot}:{host}:{fingerprint}"

    def secrets(self) -> list[str]:
        """Return what must not be shown of it."""
        if self.bot is Bot.MAIL:
            return [self.secret] if len(self.secret) >= SHORTEST_SECRET else []
        parts = urlsplit(self.url)
        # WeCom's and DingTalk's paths are everybody's.
        path = parts.path if self.bot in {Bot.FEISHU, Bot.SLACK} else ""
        own = (one for one in path.split("/") if one not in _NOT_SECRET)
        queries = (value for _, value in parse_qsl(parts.query))
        return [one for one in (self.secret, path, *own, *queries) if len(one) >= SHORTEST_SECRET]

    def masked(self, answer: bytes) -> bytes:
        """Return what its bot answered without what must not be shown, however that is escaped."""
        words = answer.decode(errors="replace")
        plain = {one for written in self.secrets() for one in (written, unquote(written))}
        hidden = plain.union(*map(_in_base64, plain))
        # One may be in another one.
        for secret in sorted(hidden, key=len, reverse=True):
            pattern = "".join(map(_any_form, secret))
            words = re.sub(pattern, MASK, words, flags=re.IGNORECASE)
        return words.encode()


#: Parts of paths that stand in many addresses.
_NOT_SECRET: Final = frozenset({"open-apis", "services", "webhook", "webhooks", "workflows"})


def _in_base64(secret: str) -> Iterator[str]:
    """Yield what base64 makes of a secret alone, wherever it stands in the text that is coded."""
    for ahead in range(3):
        text = bytes(ahead) + secret.encode()
        # Six bits a sign; the first and the last one may be of what stands around it, too.
        own = slice(-(-ahead * 8 // 6), len(text) * 8 // 6)
        for coded in (base64.b64encode(text), base64.urlsafe_b64encode(text)):
            yield coded.decode()[own]


def _any_form(sign: str) -> str:
    """Return the pattern of a sign as it stands, in JSON, in a URL, or in a URL within one."""
    forms = []
    # In a query a plus is a space.
    for one in " +" if sign == " " else sign:
        coded = "".join(f"%(?:25){{0,2}}{byte:02x}" for byte in one.encode())
        forms += [re.escape(one), coded, f"u{ord(one):04x}"]
    return rf"\\{{0,3}}(?:{'|'.join(forms)})"


def receiver_of(url: str) -> Receiver:
    """Return the receiver at *url*. Raises ValueError.

    ``secret`` in the query is the key of a bot that signs, and no part of the address.
    """
    parts = urlsplit(url)
    if parts.scheme in MAIL_SCHEMES:
        login, at, host = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        address = parts._replace(netloc=f"{user}{at}{host}").geturl()
        return Receiver(bot=Bot.MAIL, url=address, secret=unquote(password))
    bot = next((bot for path, bot in _PATHS if parts.path.startswith(path)), Bot.SLACK)
    if bot is Bot.SLACK:
        return Receiver(bot=bot, url=url, secret="")
    query = dict(parse_qsl(parts.query))
    secret = query.pop("secret", "")
    return Receiver(bot=bot, url=parts._replace(query=urlencode(query)).geturl(), secret=secret)


@frozen
class MailAddress:
    """The address of a mail server, and of the mails that it is given."""

    scheme: str
    host: str
    port: int
    user: str
    sender: str
    recipients: Sequence[str]


def mail_address(url: str) -> MailAddress:
    """Return what the *url* of a mail server says. Raises ValueError for one that says too little.

    ``to``, which may stand several times, and ``from`` are its query.
    """
    parts = urlsplit(url)
    queries = parse_qs(parts.query, strict_parsing=bool(parts.query))
    user, host = unquote(parts.username or ""), parts.hostname or "localhost"
    is_local = parts.scheme == "mailto"
    recipients = queries.pop("to", []) + [unquote(parts.path)] * is_local
    [sender] = queries.pop("from", [user if "@" in user else f"broadcast@{host}"])
    are_boxes = all(map(_MAILBOX.fullmatch, [sender, *recipients]))
    if queries or not recipients or not are_boxes or not (parts.hostname or is_local):
        raise ValueError("no address of mail")
    port = parts.port or {"smtps": 465, "smtp": 587, "mailto": 25}[parts.scheme]
    return MailAddress(
        scheme=parts.scheme,
        host=host,
        port=port,
        user=user,
        sender=sender,
        recipients=recipients,
    )


def request_of(receiver: Receiver, text: str, *, at: datetime) -> tuple[str, bytes]:
    """Return where and what to post so that *text* is said, signed as of *at*."""
    url, key = receiver.url, receiver.secret
    body: dict[str, Any] = {"msgtype": "text", "text": {"content": text}}
    if receiver.bot is Bot.SLACK:
        body = {"text": text}
    elif receiver.bot is Bot.FEISHU:
        body = {"msg_type": "text", "content": {"text": text}}
        if key:
            stamp = f"{at.timestamp():.0f}"
            # What others sign is the key here, and it signs nothing.
            body |= {"timestamp": stamp, "sign": _signature(f"{stamp}\n{key}", "")}
    elif key:
        stamp = f"{at.timestamp() * 1000:.0f}"
        sign = _signature(key, f"{stamp}\n{key}")
        url += f"&timestamp={stamp}&sign={quote_plus(sign)}"
    return url, json.dumps(body, ensure_ascii=False).encode()


def _signature(key: str, words: str) -> str:
    return base64.b64encode(hmac.digest(key.encode(), words.encode(), "sha256")).decode()


def refusal(bot: Bot, answer: bytes) -> Message | None:
    """Return why a bot's answer of HTTP 2xx confirms nothing; None: it has the text."""
    words = quoted(answer.decode(errors="replace").strip(), 200)
    try:
        parsed = json.loads(answer)
    except (ValueError, RecursionError):
        parsed = None
    said = parsed if isinstance(parsed, dict) else {}
    if bot is Bot.SLACK:
        # Mattermost and Discord say so as well; Rocket.Chat says it in JSON.
        confirmed = words == "ok" or said.get("ok") is True or said.get("success") is True
    else:
        # WeCom and DingTalk; Feishu; Feishu of before.
        code = said.get("errcode", said.get("code", said.get("StatusCode")))
        confirmed = code == 0 and code is not False
    return None if confirmed else Message("notice.problem.unconfirmed", answer=words)


#: WeChat may name a follower in its errmsg.
_OPENID: Final = re.compile(r"(?<![\w-])o[\w-]{27}(?![\w-])", re.ASCII)


def fitted(lines: Sequence[str], rest: str, *, bot: Bot) -> str:
    """Return *lines* as one text that *bot* takes; for those that it has no room for stands *rest*.

    Without OpenIDs, and without marks that the bot would take for more than words.
    """
    text = _harmless("\n".join(lines), bot)
    while len(text.encode()) > LONGEST[bot] and lines:
        lines = lines[:-1]
        text = _harmless("\n".join([*lines, rest]), bot)
    return text


def _harmless(text: str, bot: Bot) -> str:
    text = _OPENID.sub("o…", text)
    # In a text of Feishu's such a mark calls everybody.
    return html.escape(text, quote=False) if bot is Bot.SLACK else text.replace("<at", "< at")


def fit_together(texts: Sequence[str], *, bot: Bot) -> int:
    """Return how many of *texts*, from the first on, one post has room for, a blank line apart."""
    size = 0
    for n, text in enumerate(texts):
        size += len(text.encode()) + 2
        if n and size > LONGEST[bot]:
            return n
    return len(texts)
