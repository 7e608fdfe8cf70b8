"""Notices: which bot an address is, how it signs, what confirms, what a text has room for."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote_plus, unquote, unquote_plus, urlsplit

import pytest

from broadcast.rules.gates.gate import GateKind
from broadcast.rules.notices import (
    LONGEST,
    REPORTED,
    Bot,
    fit_together,
    fitted,
    mail_address,
    receiver_of,
    refusal,
    request_of,
)

#: 2026-11-30 12:00:00 in Beijing.
AT = datetime(2026, 11, 30, 4, tzinfo=UTC)
WECOM = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7a4b"
DINGTALK = "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef"
FEISHU = "https://open.feishu.cn/open-apis/bot/v2/hook/0a1b2c3d-4e5f"
SLACK = "https://hooks.slack.com/services/T0123/B0123/XXXXXXXXXXXX"


@pytest.mark.parametrize(
    ("url", "bot"),
    [
        (WECOM, Bot.WECOM),
        (DINGTALK, Bot.DINGTALK),
        (FEISHU, Bot.FEISHU),
        (SLACK, Bot.SLACK),
        ("https://open.larksuite.com/open-apis/bot/v2/hook/0a1b", Bot.FEISHU),
        ("https://proxy.example/cgi-bin/webhook/send?key=k", Bot.WECOM),
        ("https://chat.example/hooks/xyz", Bot.SLACK),
    ],
)
def test_a_bot_is_known_by_its_path_whatever_stands_before_it(url: str, bot: Bot) -> None:
    assert receiver_of(url).bot is bot


@pytest.mark.parametrize("before", ["", "a", "\0me", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_in_base64_is_masked_wherever_it_stands_in_that(
    before: str, encode: Callable[[bytes], bytes]
) -> None:
    secret = "Sup3r??>>SecretMailPw"
    receiver = receiver_of(f"smtps://me:{quote_plus(secret)}@h.example/?to=a@b.example")
    coded = encode(f"{before}{secret}".encode()).decode()

    shown = receiver.masked(f'500 unrecognized: "AUTH PLAIN {coded}"'.encode()).decode()

    assert shown.startswith('500 unrecognized: "AUTH PLAIN ')
    assert "***" in shown
    # What is left of it are the signs that it shares with what stands around it.
    assert len(shown) - len('500 unrecognized: "AUTH PLAIN "***') <= len(coded) - len(secret)


@pytest.mark.parametrize("url", [WECOM, DINGTALK, FEISHU, SLACK])
def test_a_name_shows_nothing_secret_and_every_secret_is_named_to_be_masked(url: str) -> None:
    receiver = receiver_of(url)
    hidden = url.rpartition("=" if "=" in url else "/")[2]

    assert receiver.name.startswith(f"{receiver.bot}:{urlsplit(url).netloc}:")
    assert hidden not in receiver.name + repr(receiver)
    assert any(hidden in secret for secret in receiver.secrets())


def test_the_secret_that_signs_is_no_part_of_the_address() -> None:
    for url in (DINGTALK, FEISHU):
        mark = "&" if "?" in url else "?"
        signed = receiver_of(f"{url}{mark}secret=SEC0123456789")

        assert (signed.url, signed.secret) == (url, "SEC0123456789")
        assert signed.name == receiver_of(url).name
        assert "SEC0123456789" in signed.secrets()
    assert receiver_of(f"{SLACK}?secret=theirs").url == f"{SLACK}?secret=theirs"


@pytest.mark.parametrize("url", [WECOM, DINGTALK, FEISHU, SLACK, f"{SLACK}?token=a%2Fb%2Bc+d-0123"])
@pytest.mark.parametrize(
    "escape",
    [
        str,
        str.upper,
        quote_plus,
        lambda one: quote_plus(quote_plus(one)).lower(),
        json.dumps,
        lambda one: json.dumps({"error": f"no hook {one}"}).replace("/", "\\/"),
        lambda one: "".join(f"\\u{ord(sign):04X}" for sign in one),
        lambda one: one.rpartition("/")[2],
        lambda one: re.split("[/=]", one)[-1],
        lambda one: f"{'x' * 180} {one}",
    ],
)
def test_no_secret_is_left_of_an_answer_that_has_the_address(
    url: str, escape: Callable[[str], str]
) -> None:
    receiver = receiver_of(url)

    masked = receiver.masked(escape(url).encode()).decode()

    assert "***" in masked
    plain = unquote_plus(unquote_plus(masked.replace("\\/", "/"))).lower()
    for secret in receiver.secrets():
        assert unquote(secret).lower() not in plain
    assert receiver.masked(b'{"errcode":0,"errmsg":"ok"}') == b'{"errcode":0,"errmsg":"ok"}'


def test_dingtalk_is_signed_in_the_query_encoded_once() -> None:
    """As OpenSSL signs timestamp and secret under the secret."""
    url, body = request_of(receiver_of(f"{DINGTALK}&secret=SECabc"), "早", at=AT)

    query = {name: one for name, [one] in parse_qs(urlsplit(url).query).items()}
    assert query == {
        "access_token": "0123456789abcdef",
        "timestamp": "1796011200000",
        "sign": "ZEo6IzMIqmZAMDcl9oGcUvOx7OrmBmzDySFCgXp9Kkc=",
    }
    assert json.loads(body) == {"msgtype": "text", "text": {"content": "早"}}
    assert "早".encode() in body


def test_feishu_is_signed_in_the_body_under_what_others_sign() -> None:
    url, body = request_of(receiver_of(f"{FEISHU}?secret=abc"), "早", at=AT)

    assert url == FEISHU
    assert json.loads(body) == {
        "msg_type": "text",
        "content": {"text": "早"},
        "timestamp": "1796011200",
        "sign": "Ll6ixp5Hp8PI8KaFHVSb21YPyst41Uyux3tjLI6KOCI=",
    }


def test_who_has_no_secret_is_not_signed() -> None:
    assert request_of(receiver_of(WECOM), "早", at=AT)[0] == WECOM
    assert request_of(receiver_of(DINGTALK), "早", at=AT)[0] == DINGTALK
    for url in (FEISHU, SLACK):
        assert "sign" not in json.loads(request_of(receiver_of(url), "早", at=AT)[1])


@pytest.mark.parametrize(
    ("bot", "answer"),
    [
        (Bot.WECOM, b'{"errcode":0,"errmsg":"ok"}'),
        (Bot.DINGTALK, b'{"errcode":0}'),
        (Bot.FEISHU, b'{"code":0,"msg":"success"}'),
        (Bot.FEISHU, b'{"StatusCode":0}'),
        (Bot.SLACK, b"ok"),
        (Bot.SLACK, b"ok\n"),
        (Bot.SLACK, b'{"success":true}'),
        (Bot.SLACK, b'{"ok":true}'),
    ],
)
def test_its_own_word_confirms(bot: Bot, answer: bytes) -> None:
    assert refusal(bot, answer) is None


@pytest.mark.parametrize(
    ("bot", "answer"),
    [
        (Bot.WECOM, b'{"errcode":93000}'),
        (Bot.WECOM, b"ok"),
        (Bot.WECOM, b"{}"),
        (Bot.DINGTALK, b'{"errcode":310000}'),
        (Bot.FEISHU, b'{"code":19021,"StatusCode":0}'),
        (Bot.FEISHU, b'{"code":null}'),
        (Bot.SLACK, b"no_service"),
        (Bot.SLACK, b'{"ok":false}'),
        (Bot.SLACK, b'{"ok":"yes"}'),
        (Bot.SLACK, b""),
        (Bot.WECOM, b"[" * 9000),
        (Bot.WECOM, b"\xff\xfe"),
    ],
)
def test_anything_else_confirms_nothing(bot: Bot, answer: bytes) -> None:
    problem = refusal(bot, answer)

    assert problem is not None
    assert len(str(problem.facts["answer"])) <= 200


def test_lines_that_have_no_room_give_way_to_the_command_that_shows_them() -> None:
    lines = ["首行", *("命令\n    broadcast status x" * 9 for _ in range(9))]
    text = fitted(lines, "……还有更多：\n    broadcast status x", bot=Bot.WECOM)

    assert len(text.encode()) <= LONGEST[Bot.WECOM]
    assert text.startswith("首行\n命令\n    broadcast status x")
    assert text.endswith("……还有更多：\n    broadcast status x")
    assert fitted(lines[:2], "more", bot=Bot.WECOM) == "\n".join(lines[:2])
    assert fitted([], "more", bot=Bot.WECOM) == ""


def test_a_text_calls_nobody_and_names_no_follower() -> None:
    line = '<at user_id="all"> <!channel> a > b & c oABCDabcd0123456789abcdefghi 20261130-k3x9qa'

    assert fitted([line], "", bot=Bot.FEISHU).startswith('< at user_id="all"> ')
    assert fitted([line], "", bot=Bot.SLACK).startswith("&lt;at user_id")
    assert "&lt;!channel&gt; a &gt; b &amp; c" in fitted([line], "", bot=Bot.SLACK)
    for bot in Bot:
        assert fitted([line], "", bot=bot).endswith(" o… 20261130-k3x9qa")


def test_a_post_has_room_for_as_many_as_fit_and_always_for_the_first() -> None:
    one = "x" * 1000

    assert fit_together([one, one, one], bot=Bot.WECOM) == 2
    assert fit_together(["x" * 5000, one], bot=Bot.WECOM) == 1
    assert fit_together([one], bot=Bot.WECOM) == 1
    assert fit_together([], bot=Bot.WECOM) == 0


def test_gates_are_reported_that_no_person_closed_and_one_has_to_open() -> None:
    reported = {
        GateKind.HOLD,
        GateKind.DRAFT,
        GateKind.BREAKER,
        GateKind.STOP,
        GateKind.RESTORED,
    }
    assert reported == REPORTED


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("smtps://u:p@h.example/?to=a@b.example", ("h.example", 465, "u", "broadcast@h.example")),
        (
            "smtp://me%40h.example:p@h.example:25/?to=a@b.example",
            ("h.example", 25, "me@h.example", "me@h.example"),
        ),
        ("mailto:a@b.example?from=x@y.example", ("localhost", 25, "", "x@y.example")),
    ],
)
def test_an_address_of_mail_says_server_and_sender(
    url: str, where: tuple[str, int, str, str]
) -> None:
    receiver = receiver_of(url)
    address = mail_address(receiver.url)

    assert (address.host, address.port, address.user, address.sender) == where
    assert list(address.recipients) == ["a@b.example"]
    assert receiver.bot is Bot.MAIL
    assert ":p@" not in receiver.url
    assert "@" not in receiver.name
