"""Dead letters as a worker keeps them: bad requests, and what is no message of a task at all."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from broadcast import names
from broadcast.errors import OutOfReachError
from broadcast.logs.log_lines import ENGLISH
from broadcast.message import Message
from broadcast.rules.dead_letters import Letter, LetterSource
from broadcast.views.program_words import refusal
from models.ledger.boxes import dead_letters
from producer.request import incoming
from worker import queue_transport
from worker.wake import wake
from worker.wiring import parts

log = logging.getLogger(__name__)

#: Before it is tried again while the database is away.
PAUSE_S: Final = 5.0


def store_letter(letter: Letter) -> str:
    """Store *letter*; return its id. Raises OutOfReachError."""
    letter_id = dead_letters.store_letter(parts().engine, letter)
    log.error("dead letter %s: %s", letter_id, refusal(letter.reason, ENGLISH))
    return letter_id


def store_unread(body: str, why: str) -> str:
    """Store an entry of the queue that is no message of a task; return its id.

    Raises OutOfReachError.
    """
    reason = Message("error.dead.no_message", problem=why)
    letter_id = store_letter(incoming.letter(LetterSource.CELERY, reason, text=body, value=None))
    wake(names.REPORT, "letter", letter_id)
    return letter_id


def try_later(work: Callable[[], None]) -> None:
    """Run *work* after a pause, in a thread that does not keep the process alive."""
    timer = threading.Timer(PAUSE_S, work)
    timer.daemon = True
    timer.start()


#: After which another worker goes on; longer than one letter takes, as a rule.
HELD_S: Final = 15
#: Gives the oldest, unless another worker is at it, and removes before that the one that was kept.
_NEXT: Final = """
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return false end
local item = redis.call('LINDEX', KEYS[1], -1)
if item and redis.sha1hex(item) == ARGV[3] then
  redis.call('RPOP', KEYS[1])
  item = redis.call('LINDEX', KEYS[1], -1)
end
if item then
  redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
else
  redis.call('DEL', KEYS[2])
end
return item
"""

#: Runs a command in the Redis of the broker.
Run: TypeAlias = Callable[..., Any]


class UnreadKeeper:
    """Stores unreadable entries, by one thread at most."""

    def __init__(self, work: Callable[[], object]) -> None:
        """*work* is repeated after a pause where it could not be done."""
        self._work = work
        self._at_it = threading.Lock()
        self._not_before = 0.0

    def store_soon(self) -> None:
        """Start to store them, unless that is being done, or was just tried in vain."""
        if time.monotonic() < self._not_before or not self._at_it.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._keep, name="unread", daemon=True).start()
        except RuntimeError:
            # No thread more in this process: the next sweep tries it again.
            self._at_it.release()

    def _keep(self) -> None:
        try:
            self._work()
        except (OutOfReachError, OperationalError, RedisError, OSError) as error:
            log.warning("what is no message is kept later: %s", error)
            self._not_before = time.monotonic() + PAUSE_S
        except Exception:
            log.exception("what is no message cannot be kept, and waits in the broker")
            self._not_before = time.monotonic() + PAUSE_S
        finally:
            self._at_it.release()


def _keep_in_broker() -> None:
    from worker.application import make

    with make().connection_or_acquire() as connection:
        channel = connection.default_channel
        if not isinstance(channel, queue_transport.Channel):
            return
        with channel.conn_or_acquire() as client:
            store_unread_list(client.execute_command, channel.unread)


def store_unread_list(run: Run, unread: str) -> int:
    """Store the list *unread*, oldest first; return how many. Raises OutOfReachError.

    Ends where another worker is at it.
    """
    me, kept, count = secrets.token_hex(16), "", 0
    while (item := run("EVAL", _NEXT, 2, unread, f"{unread}.at", me, HELD_S, kept)) is not None:
        store_unread(
            _in_clear(item.decode("utf-8", "backslashreplace")), "it is no message of kombu's"
        )
        kept = hashlib.sha1(item, usedforsecurity=False).hexdigest()
        count += 1
    return count


def _in_clear(entry: str) -> str:
    """Return an entry with its body decoded where it can be: a person in it must be found."""
    try:
        parsed = json.loads(entry)
        parsed["body"] = base64.b64decode(parsed["body"], validate=True).decode()
    except (ValueError, TypeError, LookupError, RecursionError):
        return entry
    return json.dumps(parsed, ensure_ascii=False)


store_soon: Final = UnreadKeeper(_keep_in_broker).store_soon
