"""One text as a mail, over TLS but to this machine's own server."""

from __future__ import annotations

import logging
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final

from broadcast.message import Message
from broadcast.outbound.posting import PostResult
from broadcast.quoting import one_line
from broadcast.rules.notices import MailAddress, Receiver, mail_address

log = logging.getLogger(__name__)

_LONGEST_SUBJECT: Final = 120


def send(receiver: Receiver, text: str, *, timeout_s: float) -> PostResult:
    """Give *text* to the receiver's server once. Never raises; *timeout_s*: of each answer."""
    address = mail_address(receiver.url)
    try:
        with _connected(address, timeout_s) as server:
            if receiver.secret:
                server.login(address.user, receiver.secret)
            refused = server.send_message(_mail(address, text))
    except OSError as error:
        # An answer may say again what was sent; those of ``smtplib`` have theirs as bytes.
        said = receiver.masked(getattr(error, "smtp_error", None) or str(error).encode())
        reason = one_line(f"{type(error).__name__} {said.decode()}")
        return PostResult(problem=Message("notice.problem.mail", reason=reason))
    for name in refused:
        log.warning("notices: the mail server does not take %s", name)
    return PostResult()


def _connected(address: MailAddress, timeout_s: float) -> smtplib.SMTP:
    context = ssl.create_default_context()
    where = address.host, address.port
    if address.scheme == "smtps":
        return smtplib.SMTP_SSL(*where, timeout=timeout_s, context=context)
    server = smtplib.SMTP(*where, timeout=timeout_s)
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
