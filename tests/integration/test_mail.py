"""Notices by mail, to a real server: TLS, its login, and what it does not take."""

from __future__ import annotations

import base64
import re
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from broadcast.message import Message
from broadcast.outbound import bots
from broadcast.outbound.posting import Poster, PostResult
from broadcast.rules import notices
from tests.kit import mail
from tests.kit.command_line import CommandLine
from tests.servers.ports import LOOPBACK

TEXT = "[broadcast] 账号 default：群发待处理\n第二行"


def say(url: str, *, timeout_s: float = 5) -> PostResult:
    return bots.say(Poster(timeout_s=timeout_s, allowed=()), notices.receiver_of(url), TEXT)


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
def test_a_text_is_a_mail_to_everybody_who_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with mail.mail_server(tmp_path, scheme) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))

        assert say(server.url("ops@example.org", "boss@example.org")).problem is None

    [one] = server.mails
    assert server.recipients == [["ops@example.org", "boss@example.org"]]
    assert one["Subject"] == TEXT.partition("\n")[0]
    assert one.get_content().splitlines() == TEXT.splitlines()
    assert one["From"] == "broadcast@127.0.0.1"


def test_one_mailbox_that_is_not_there_keeps_it_from_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with mail.mail_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))

        assert say(server.url("ops@example.org", mail.UNKNOWN)).problem is None
        assert mail.UNKNOWN in caplog.text
        alone = say(server.url(mail.UNKNOWN)).problem

    assert server.recipients == [["ops@example.org"]]
    assert alone is not None
    assert alone.id == "notice.problem.mail"


@pytest.mark.parametrize(
    ("password", "says", "secret"),
    [
        ("wrong-password-0123", "535|Authentication", ["wrong-password"]),
        # What no mail server can be told.
        ("pässword-0123", "UnicodeEncodeError", ["ä", r"\xe4"]),
    ],
)
def test_a_password_that_is_not_taken_is_a_problem_that_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, says: str, secret: list[str]
) -> None:
    with mail.mail_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        problem = say(server.url(password=password)).problem

    assert problem is not None
    assert problem.id == "notice.problem.mail"
    assert re.search(says, str(problem.facts))
    assert not [one for one in secret if one in str(problem.facts)]
    assert server.mails == []


def test_a_server_that_says_again_what_it_refuses_shows_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail.mail_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        server.refusal = "500 5.5.1 Command unrecognized: AUTH"
        problem = say(server.url()).problem

    assert problem is not None
    assert "Command unrecognized: AUTH PLAIN " in str(problem.facts)
    assert "***" in str(problem.facts)
    coded = base64.b64encode(f"\0{mail.USER}\0{mail.PASSWORD}".encode()).decode()
    assert coded[-24:] not in str(problem.facts)


def test_a_greeting_without_an_end_is_read_to_a_bound() -> None:
    sent = 0
    with socket.create_server((LOOPBACK, 0)) as listener:

        def greet() -> None:
            nonlocal sent
            client, _ = listener.accept()
            with client, suppress(OSError):
                while True:
                    sent += client.send(b"220-hello\r\n" * 1000)

        thread = threading.Thread(target=greet)
        thread.start()
        port = listener.getsockname()[1]
        problem = say(f"smtp://{LOOPBACK}:{port}/?to=ops@example.org", timeout_s=30).problem
        thread.join()

    assert problem is not None
    assert "says too much" in str(problem.facts)
    assert len(str(problem.facts)) < 1000
    # Most of it lies in buffers on the way.
    assert sent < 100_000_000


@pytest.mark.parametrize("farewell", ["250 bye", "421 too busy to say bye", "what?"])
def test_a_mail_that_was_taken_is_there_whatever_the_server_says_to_quit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, farewell: str
) -> None:
    with mail.mail_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        server.farewell = farewell

        assert say(server.url()).problem is None

    assert len(server.mails) == 1


def test_all_answers_of_a_server_together_have_the_time_of_one_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail.mail_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        server.thinks_s = 1.2

        # Each answer is within the time; the second one is not.
        problem = say(server.url("ops@example.org", "boss@example.org"), timeout_s=2).problem

        assert problem is not None
        assert problem.facts["reason"] == Message("transport.total_timeout")
    assert server.mails == []


def test_a_server_with_a_certificate_of_somebody_else_gets_nothing(tmp_path: Path) -> None:
    with mail.mail_server(tmp_path) as server:
        problem = say(server.url()).problem

    assert problem is not None
    assert "certificate" in str(problem.facts).lower()
    assert server.mails == []


def test_a_test_of_the_addresses_reaches_mail_too(line: CommandLine, tmp_path: Path) -> None:
    with mail.mail_server(tmp_path) as server:
        line.env |= {
            "BROADCAST_NOTIFY": server.url(),
            "SSL_CERT_FILE": str(server.certificate),
            "BROADCAST_LANG": "en",
        }
        done = line.run("notices", "test")

    assert done.status == 0, done.err
    assert done.out.startswith(f"mail:127.0.0.1:{server.port}:")
    assert mail.PASSWORD not in done.out
    assert server.mails[0]["Subject"] == "[broadcast] A test: notices of broadcasts come here."


@pytest.mark.parametrize(
    "url",
    [
        "smtps://host.example",
        "smtps://h.example/?to=ops",
        "smtps:///?to=a@b.example",
        "smtps://h.example/?to=a@b.example&cc=c@d.example",
        "mailto:",
        "mailto:ops",
        "smtps://[::1/?to=a@b.example",
        "smtps://h.example:x/?to=a@b.example",
    ],
)
def test_an_address_that_says_too_little_is_refused(line: CommandLine, url: str) -> None:
    line.env |= {"BROADCAST_NOTIFY": url, "BROADCAST_LANG": "en"}

    done = line.run("notices", "test")

    assert done.status == 2
    assert "then /?to=NAME@HOST" in done.err
