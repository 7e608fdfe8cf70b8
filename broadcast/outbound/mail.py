"""One text as a mail, over TLS but to this machine's own server."""

from __future__ import annotations

import io
import logging
import smtplib
import socket
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from time import monotonic
from typing import Any, Final

from broadcast.message import Message
from broadcast.outbound.posting import Poster, PostResult
from broadcast.quoting import one_line, quoted
from broadcast.rules.notices import MailAddress, Receiver, mail_address
from broadcast.wechat import connections
from broadcast.wechat.call_errors import TransportKind
from broadcast.wechat.deadline import CURRENT, Exchange

log = logging.getLogger(__name__)

_LONGEST_SUBJECT: Final = 120
_LONGEST_REASON: Final = 500
#: Bytes of all that a server says; ``smtplib`` takes any number of lines.
_LONGEST_ANSWERS: Final = 100_000


def send(poster: Poster, receiver: Receiver, text: str) -> PostResult:
    """Give *text* to the receiver's server once, within the time of a try. Never raises."""
    address, exchange = mail_address(receiver.url), Exchange(poster.timeouts)
    try:
        with poster.under_way(exchange), _connected(address, poster.timeouts.read_s) as server:
            if receiver.secret:
                server.login(address.user, receiver.secret)
            refused = server.send_message(_mail(address, text))
    except (OSError, ValueError) as error:
        # ``smtplib`` logs in with ASCII alone; the error's own words show a letter of the password.
        words = error.reason if isinstance(error, UnicodeEncodeError) else str(error)
        # An answer may say again what was sent; those of ``smtplib`` have theirs as bytes.
        said = receiver.masked(getattr(error, "smtp_error", None) or words.encode())
        reason = quoted(one_line(f"{type(error).__name__} {said.decode()}"), _LONGEST_REASON)
        took_too_long = Message(f"transport.{TransportKind.TOTAL_TIMEOUT}")
        why = took_too_long if exchange.expired else reason
        return PostResult(problem=Message("notice.problem.mail", reason=why))
    for name in refused:
        log.warning("notices: the mail server does not take %s", name)
    return PostResult()


class _Answers(io.BufferedReader):
    """What a server says, to a bound."""

    _left = _LONGEST_ANSWERS

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("it says too much")
        return line


class _Server(smtplib.SMTP):
    """A server whose every answer ends with the time of the try, and is bounded."""

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Answers(self.sock.makefile("rb", buffering=0))
        return super().getreply()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        exchange = CURRENT.get()
        until = monotonic() + exchange.connect_budget_s()
        found = connections.opened(connections.resolve(host, port, until=until), port, until=until)
        found.settimeout(timeout)
        exchange.attach(found)
        return found

    def __exit__(self, *failed: Any) -> None:  # noqa: ANN401, PYI036 - three of them
        # It has the mail by now, whatever it says to QUIT.
        with suppress(OSError):
            super().__exit__(*failed)


class _SecureServer(smtplib.SMTP_SSL, _Server):
    """The same with TLS from the first byte."""


def _connected(address: MailAddress, timeout_s: float) -> smtplib.SMTP:
    context = ssl.create_default_context()
    where = address.host, address.port
    if address.scheme == "smtps":
        return _SecureServer(*where, timeout=timeout_s, context=context)
    server = _Server(*where, timeout=timeout_s)
    if address.scheme == "smtp":
        try:
            server.starttls(context=context)
        except OSError:
            server.close()
            raise
    return server


def _mail(address: MailAddress, text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = one_line(text.partition("\n")[0])[:_LONGEST_SUBJECT]
    mail["From"], mail["To"] = address.sender, ", ".join(address.recipients)
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="broadcast.invalid")
    mail.set_content(text)
    return mail
