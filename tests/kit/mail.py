"""A real mail server with TLS and a login, whose certificate the test trusts or not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import MISSING, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers.ports import LOOPBACK, free_port

USER, PASSWORD = "bot", "pass/w:rd-0123456789"
#: As a URL has it.
CODED = "pass%2Fw%3Ard-0123456789"
#: Whom the server does not take.
UNKNOWN = "nobody@example.org"


@dataclass
class MailServer:
    """A server; what it took is in `mails`."""

    scheme: str
    certificate: Path
    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    #: What it says to QUIT.
    farewell: str = "221 Bye"
    #: What it says to a login, with the login behind it; empty: it answers.
    refusal: str = ""
    #: Seconds that it thinks before each answer about a mail.
    thinks_s: float = 0

    def url(self, *recipients: str, password: str = CODED) -> str:
        """What stands in BROADCAST_NOTIFY."""
        to = "&".join(f"to={one}" for one in recipients or ("ops@example.org",))
        return f"{self.scheme}://{USER}:{password}@{LOOPBACK}:{self.port}/?{to}"

    async def handle_QUIT(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return self.farewell

    async def handle_AUTH(self, _server: Any, _session: Any, _envelope: Any, args: Any) -> Any:  # noqa: N802
        return " ".join((self.refusal, *args)) if self.refusal else MISSING

    async def handle_MAIL(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        await asyncio.sleep(self.thinks_s)
        envelope.mail_from, envelope.mail_options = address, options
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        await asyncio.sleep(self.thinks_s)
        if address == UNKNOWN:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        parsed = BytesParser(policy=default).parsebytes(envelope.content)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        self.recipients.append(envelope.rcpt_tos)
        return "250 taken"


def _authenticate(_server: Any, _session: Any, _envelope: Any, _how: str, given: Any) -> AuthResult:
    is_good = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_good, handled=False)


@contextmanager
def mail_server(folder: Path, scheme: str = "smtps") -> Iterator[MailServer]:
    """Start a server: TLS from the first byte, or from STARTTLS on."""
    certificate = _certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = MailServer(scheme=scheme, certificate=certificate, port=free_port())
    # Of TLS from the first byte it knows nothing.
    tls: dict[str, Any] = {"ssl_context": context, "auth_require_tls": False}
    if scheme == "smtp":
        tls = {"tls_context": context, "require_starttls": True, "auth_required": True}
    controller = Controller(
        server,
        hostname=LOOPBACK,
        port=server.port,
        authenticator=_authenticate,
        # The last refusal is the one that is told.
        auth_exclude_mechanism=["LOGIN"],
        **tls,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
        controller.loop.close()


def _certificate(folder: Path) -> Path:
    """Write a certificate of this machine, which signs itself, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, LOOPBACK)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "mail.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
