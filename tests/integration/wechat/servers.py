"""Raw servers that fail in one way each, and what they saw.

They speak through sockets, not through an HTTP library: what is tested are replies that no library
would write.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# A token of 1,024 characters, some of which a URL must escape.
TOKEN = ("82_T0p+Secret/Token=" * 52)[:1024]
APPSECRET = "0123456789abcdef0123456789abcdef"
PASSWORD = "Pa55word-of-the-URL"

ACCEPTED = {
    "errcode": 0,
    "errmsg": "send job submission success",
    "msg_id": 3147494276,
    "msg_data_id": 2455891298,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came over the wire."""

    connection: int
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.line.split()[1]).path

    @property
    def query(self) -> dict[str, str]:
        pairs = parse_qs(urlsplit(self.line.split()[1]).query, keep_blank_values=True)
        return {name: values[0] for name, values in pairs.items()}


Script = Callable[[socket.socket, Request], None]


@dataclass
class RawServer:
    """Answers each request as its script does, one thread per connection."""

    script: Script
    reads: bool = True
    tls: ssl.SSLContext | None = None
    receive_buffer: int | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator[RawServer]:
        with socket.socket() as listener:
            if self.receive_buffer:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            self.port = listener.getsockname()[1]
            self._open: list[socket.socket] = []
            self._serving: list[threading.Thread] = []
            accepting = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            accepting.start()
            try:
                yield self
            finally:
                self.stopping.set()
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                for connection in list(self._open):
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(connection, socket.SHUT_RDWR)
                for thread in [accepting, *self._serving]:
                    thread.join(60)

    def url(self, *, password: str = "", scheme: str = "") -> str:
        userinfo = f"user:{password}@" if password else ""
        scheme = scheme or ("https" if self.tls else "http")
        return f"{scheme}://{userinfo}127.0.0.1:{self.port}"

    def _accept(self, listener: socket.socket) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            number = self.connections
            thread = threading.Thread(target=self._serve, args=(connection, number), daemon=True)
            self._serving.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError), contextlib.closing(connection):
            if self.tls is None:
                self._talk(connection, number)
                return
            with self.tls.wrap_socket(connection, server_side=True) as wrapped:
                self._talk(wrapped, number)

    def _talk(self, connection: socket.socket, number: int) -> None:
        self._open.append(connection)
        if not self.reads:
            self.stopping.wait()
            return
        with connection.makefile("rb") as reader:
            while request := read_request(reader, number):
                self.requests.append(request)
                self.script(connection, request)


def read_request(reader: BufferedReader, connection: int) -> Request | None:
    line = reader.readline()
    if not line:
        return None
    headers = {}
    while (header := reader.readline().strip()) != b"":
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Request(connection=connection, line=line.decode("latin-1"), headers=headers, body=body)


# Scripts --------------------------------------------------------------------------------------


def http(body: bytes, status: str = "200 OK", content_type: str = "text/plain") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def says(reply: object) -> Script:
    body = reply if isinstance(reply, bytes) else json.dumps(reply, ensure_ascii=False).encode()
    return lambda connection, _: connection.sendall(http(body))


def in_turn(scripts: list[Script]) -> Script:
    """Answer each request as the next of *scripts* does."""
    rest = iter(scripts)

    def script(connection: socket.socket, request: Request) -> None:
        next(rest)(connection, request)

    return script


def writes(data: bytes, *, then_closes: bool = False) -> Script:
    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(data)
        if then_closes:
            connection.shutdown(socket.SHUT_RDWR)

    return script


def says_nothing(connection: socket.socket, _: Request) -> None:
    """Wait until the client goes away."""
    with contextlib.suppress(OSError):
        connection.recv(1)


def drips(head: bytes, drop: bytes) -> Script:
    """Write *head*, then *drop* for ever, one every 20 ms: no read ever times out."""

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return script


def resets(connection: socket.socket, _: Request | None = None) -> None:
    """Answer with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The reader of the connection holds it open, so its descriptor is closed under it.
    socket.close(connection.detach())


def closes(connection: socket.socket, _: Request) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def echoes_the_url(connection: socket.socket, request: Request) -> None:
    """Answer as a gateway that is too helpful."""
    page = f"<html><h1>502 Bad Gateway</h1>{request.line} {request.body!r}</html>"
    connection.sendall(http(page.encode(), "502 Bad Gateway", "text/html"))


def echoes_in_errmsg(connection: socket.socket, request: Request) -> None:
    reply = {"errcode": 40001, "errmsg": f"bad {request.query} {request.body!r} rid: 6-a-b"}
    connection.sendall(http(json.dumps(reply).encode()))


# TLS ------------------------------------------------------------------------------------------


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for 127.0.0.1 that nobody but its own file vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "raw server")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle, key_file = folder / "certificate.pem", folder / "key.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, key_file)
    return bundle, context
