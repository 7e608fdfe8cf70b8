"""Flower, which Celery brings: closed to strangers, and showing this system at a glance."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Final

from broadcast import names, redaction
from broadcast.errors import SettingsError
from broadcast.logs import log_format
from broadcast.logs.log_lines import announce, refuse
from broadcast.message import Message
from broadcast.rules.guessable import SHORTEST, is_guessable
from broadcast.settings import environment
from broadcast.settings.program_settings import VAR
from broadcast.views.texts import Texts, choose_language
from broadcast.views.words import Meaning

#: Signs of a secret by which cookies are signed: whoever knows it needs no login.
SHORTEST_COOKIE_SECRET: Final = 16
#: Of a search; a word of Chinese has two characters.
SHORTEST_WORD: Final = 2
#: Where the operator says nothing else.
_DEFAULTS: Final = {
    # Who logs in may look.
    "FLOWER_READ_ONLY": "true",
    # Tornado listens on all addresses otherwise.
    "FLOWER_ADDRESS": "127.0.0.1",
    # The newest first: Flower sorts by "received" where there is such a column.
    "FLOWER_TASKS_COLUMNS": "state,received,result,name,args,runtime",
    # Minutes count when a broadcast has failed, and a write takes milliseconds a thousand tasks.
    "FLOWER_STATE_SAVE_INTERVAL": "60000",
    # A worker that died in the night is still there in the morning.
    "FLOWER_PURGE_OFFLINE_WORKERS": "86400",
}
#: Flower keeps a line as long as it is: the reason and the command would be off the screen.
_SHEET: Final = b"""
#tasks-table td.overflow-auto { white-space: normal !important; overflow-wrap: anywhere; }
.tasks-table tr > :nth-child(3) { min-width: 21rem; max-width: 36rem; }
.tasks-table tr > :nth-child(4) { min-width: 10rem; }
.tasks-table tr > :nth-child(5) { min-width: 7rem; max-width: 14rem; }
"""
#: An id, and a word of a command, is not broken at a hyphen: it is read as one.
_SCRIPT: Final = rb"""
$(document).on("draw.dt", "#tasks-table", function () {
    $("td:nth-child(3), td:nth-child(5)", this).not(":has(span)").html(function (_, text) {
        return text.replace(/[!-;=?-~]*-[!-;=?-~]*/g, '<span class="text-nowrap">$&</span>');
    });
});
"""


def prepare(argv: Sequence[str], environ: MutableMapping[str, str]) -> bool:
    """Prepare for a start of Flower; return False where another program starts.

    End the process where Flower would show every page to everyone, as it does by default.
    """
    if "flower" not in argv[1:]:
        return False
    try:
        environ.update(environment.of_files(environment.FLOWER_SECRETS, environ))
    except SettingsError as error:
        refuse(error, status=error.exit_status)
    given = {
        name.replace("-", "_"): value
        for name, _, value in (word.lstrip("-").partition("=") for word in argv)
    }
    logins = given.get("basic_auth", environ.get("FLOWER_BASIC_AUTH"))
    # An empty login is one that everybody has.
    if logins == "" or not (logins or given.get("auth", environ.get("FLOWER_AUTH"))):
        refuse(Message("error.flower.no_login"), status=2)
    _refuse_guessable(logins or "")
    _refuse_wrong_values(environ)
    _refuse_weak_cookies(given.get("cookie_secret") or environ.get("FLOWER_COOKIE_SECRET"))
    for name, value in _DEFAULTS.items():
        environ.setdefault(name, value)
    _remember(environ)
    if given.get("read_only", environ["FLOWER_READ_ONLY"]).lower() in _NO:
        announce(Message("flower.steers"))
    _write_log()
    _change_pages()
    return True


#: As Flower reads it.
_NO: Final = frozenset({"false", "no", "off", "n", "f", "0"})


def _refuse_guessable(logins: str) -> None:
    """End the process where a password is one that is tried first."""
    for user, _, password in (login.partition(":") for login in logins.split(",") if logins):
        if is_guessable(password) or password.lower().startswith(user.lower()):
            refuse(Message("error.flower.weak_login", user=user, least=SHORTEST), status=2)


def _refuse_wrong_values(environ: Mapping[str, str]) -> None:
    """End the process where Flower would, with a traceback."""
    from celery.utils.serialization import strtobool
    from flower.options import options

    for name, option in options._options.items():  # noqa: SLF001 - no other way to the types
        variable = f"FLOWER_{name.replace('-', '_').upper()}"
        try:
            for value in filter(None, [environ.get(variable)]):
                (strtobool if option.type is bool else option.type)(value)
        except (TypeError, ValueError):
            refuse(Message("error.flower.wrong_value", name=variable), status=2)


def _refuse_weak_cookies(secret: str | None) -> None:
    """End the process where a cookie of somebody who logged in can be made."""
    if secret and (len(secret) < SHORTEST_COOKIE_SECRET or is_guessable(secret)):
        refuse(Message("error.flower.weak_secret", least=SHORTEST_COOKIE_SECRET), status=2)


def _remember(environ: MutableMapping[str, str]) -> None:
    """Have Flower keep what it saw, where there is a place."""
    if "FLOWER_DB" in environ or os.access(VAR, os.W_OK):
        environ.setdefault("FLOWER_DB", str(VAR / "flower"))
        environ.setdefault("FLOWER_PERSISTENT", "true")


def _write_log() -> None:
    """Log as the other processes do: Tornado takes a handler that it finds."""
    log_format.set_up(logging.StreamHandler())
    redaction.install()


def _change_pages() -> None:
    """Ask for the login everywhere, and show why a task failed in place of its result."""
    from flower import urls
    from flower.app import Flower
    from flower.options import default_options
    from flower.utils import search
    from flower.views import monitor

    monitor.Metrics.prepare = monitor.Healthcheck.prepare = _demand_login
    default_options.format_task = _shown
    search.SearchDocument.from_task = _as_shown(search.SearchDocument.from_task)
    search.MIN_SUBSTRING_LENGTH = SHORTEST_WORD
    urls.settings["static_handler_class"] = _with_ours(urls.StaticFileHandler)
    Flower.start_http_server = _refusing_a_taken_port(Flower.start_http_server)
    Flower.start = _ending_at_once(Flower.start)


def _as_shown(document: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what a search looks into: the words of the page, also of what failed."""
    return lambda task: document(_shown(copy(task)))


def _refusing_a_taken_port(start: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return Flower's start of its server, which ends in one line where it cannot listen."""

    def started(program: Any) -> Any:
        try:
            return start(program)
        except OSError as error:
            address = f"{program.options.address or '*'}:{program.options.port}"
            reason = os.strerror(error.errno) if error.errno else str(error)
            refuse(Message("error.flower.listen", address=address, reason=reason), status=3)

    return started


def _ending_at_once(start: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return Flower's work, which a signal ends: Python would wait for who asks a broker."""

    def started(program: Any) -> None:
        try:
            start(program)
        except (KeyboardInterrupt, SystemExit):
            program.stop()
            logging.shutdown()
            os._exit(0)

    return started


def _with_ours(handler: Any) -> type:
    """Return a handler of files that sends our sheet and our script after Flower's own."""

    class Handler(handler):  # type: ignore[misc] # known only where Flower starts
        @classmethod
        def get_content(cls, place: str, start: int | None = None, end: int | None = None) -> bytes:
            """Return what stands in a file."""
            ours = {"flower.css": _SHEET, "flower.js": _SCRIPT}.get(Path(place).name, b"")
            return (Path(place).read_bytes() + ours)[start:end]

        def get_content_size(self) -> int:
            """Return how long that is."""
            return len(self.get_content(self.absolute_path))

    return Handler


def _demand_login(handler: Any) -> None:
    # With a password it raises the answer itself.
    if not handler.current_user:
        handler.send_error(401)


def _shown(task: Any) -> Any:
    """Return a task as the pages show it."""
    task.result = task.exception or _in_words(task.name, task.result)
    # A tuple or a list, as its sender had it. What another program asks for is in the kwargs alone.
    task.args = (task.args or "").strip("()[],").replace("'", "") or task.kwargs
    if task.failed and task.started:
        # Celery says it of what succeeded alone.
        task.runtime = task.failed - task.started
    return task


#: By the task that returns a number.
_COUNTED: Final = {
    names.POLL_ACCOUNT: "row.asked",
    names.HANDLE_PUSHES: "row.pushes",
    names.SUBMIT_OUTBOX: "row.threads",
    names.DELIVER_WEBHOOKS: "row.threads",
}


def _in_words(name: str, result: str | None) -> str | None:
    """Return a result, which Celery's event has as Python wrote it, in the words of people."""
    texts = Texts(choose_language(environment.read()))
    if result in {"None", "[]", "0"}:
        return texts("row.nothing")
    if name in _COUNTED and result and result.isdecimal():
        return texts(_COUNTED[name], n=int(result))
    if name == names.PLAN and result and (batches := re.match(r"\{'batches': (\d+)", result)):
        if code := re.search(r"'waits': True, 'errcode': (\d+)", result):
            return texts("row.plan_waits_code", code=code[1], meaning=Meaning(int(code[1])))
        waits = "'waits': True" in result
        return texts("row.plan_waits" if waits else "row.planned", n=int(batches[1]))
    if name == names.SEND_BATCH and result:
        return result.strip("[]'\"").replace("', '", " | ")
    return result
