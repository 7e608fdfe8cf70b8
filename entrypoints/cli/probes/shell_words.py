"""Commands of other programs, as a shell takes them. None has a password in it: they ask for it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL

from broadcast.errors import OutOfReachError
from broadcast.message import Message
from broadcast.rules.findings import Fault, Finding
from broadcast.settings.environment import COMPOSE


def celery() -> str:
    """Return how Celery is called with our application."""
    beside = Path(sys.executable).with_name("celery")
    is_found = shutil.which("celery") == str(beside)
    return f"{'celery' if is_found else shlex.quote(str(beside))} -A worker"


#: Of docker-compose.yml: where each program is.
_SERVICES: Final = {
    "broadcast": "worker",
    "celery": "worker",
    "mysql": "mysql",
    "psql": "postgres",
    "redis-cli": "valkey",
}

#: Of a URL, where its server is one of compose.
_SERVER: Final = re.compile(r"(?:@|//)(mysql|postgres|rabbitmq|valkey)(?![\w.-])")


def service_of(url: str) -> str | None:
    """Return the service of docker-compose.yml that is the server of *url*; None: it is none."""
    found = _SERVER.search(url)
    return found[1] if found and COMPOSE in os.environ else None


def away(fault: Fault, error: OutOfReachError, url: str) -> Finding:
    """Return the finding that the server of *url* is away; in compose with the way to start it."""
    service = service_of(url)
    if service is None or not error.message_id.endswith(".away"):
        return Finding(fault=fault, what=error.message)
    what = Message(f"doctor.{fault}", **error.facts)
    return Finding(fault=fault, what=what, starts=service)


def as_typed(finding: Finding) -> Finding:
    """Return a finding with its command as a person types it: in compose beside its file."""
    if COMPOSE not in os.environ:
        return finding
    if finding.starts:
        # The next command finds it ready.
        command = f"docker compose up --detach --wait {finding.starts}"
        return replace(finding, command=command, fix=None)
    each = (finding.command or "").split(" && ")
    return replace(finding, command=" && ".join(map(_of_container, each)) or None)


def _of_container(command: str) -> str:
    service = _SERVICES.get(command.partition(" ")[0])
    return f"docker compose exec {service} {command}" if service else command


def redis_cli(url: str, *words: str) -> str:
    """Return a command to the Redis of *url*."""
    parts = urlsplit(url)
    login = ["--askpass"] if parts.password or "password" in parts.query else []
    if parts.username:
        login += ["--user", unquote(parts.username)]
    if parts.hostname is None:
        return shlex.join(["redis-cli", "-s", parts.path, *login, *words])
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    return shlex.join(["redis-cli", "-u", place, *login, *words])


def sql(url: URL, *statements: str) -> str:
    """Return a command to the database server that the driver takes *url* for."""
    kind: Any = url.get_dialect()
    _, said = kind().create_connect_args(url)
    if url.get_backend_name() == "postgresql":
        public = {name: value for name, value in said.items() if "password" not in name}
        place = kind.import_dbapi().conninfo.make_conninfo(**public)
        each = [word for one in statements for word in ("-c", one)]
        return shlex.join(["psql", place, *each])
    ssl, login = said.get("ssl", {}), ["-u", url.username or "", *(["-p"] if url.password else [])]
    # With "localhost" the name of a socket would be meant.
    where = ["-h", said.get("host", "localhost"), "-P", str(url.port or 3306), "--protocol", "tcp"]
    if "unix_socket" in said:
        where = [f"--socket={said['unix_socket']}"]
    # Certificates are looked at as little as our driver does, or MariaDB's client refuses a server
    # without TLS; MySQL's ignores the word.
    where += [f"--ssl-{name}={file}" for name, file in ssl.items() if name in {"ca", "cert", "key"}]
    where += [] if ssl else ["--loose-disable-ssl-verify-server-cert"]
    return shlex.join(["mysql", *where, *login, url.database or "", "-e", "; ".join(statements)])
