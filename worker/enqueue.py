"""Messages of other programs: each becomes a broadcast, or a dead letter with its reason.

None is lost and none is tried for ever: what is bad is kept for a person, and what only waits for
the database goes back to the broker.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from celery import states
from celery.backends.redis import RedisBackend
from celery.exceptions import Ignore, Reject
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import Engine

from broadcast import names
from broadcast.errors import (
    InputError,
    OutOfReachError,
    SettingsError,
    confirmation_of,
    field_of,
)
from broadcast.frozen import frozen
from broadcast.logs.log_lines import ENGLISH
from broadcast.message import Message
from broadcast.redaction import redact
from broadcast.rules.dead_letters import LetterSource
from broadcast.views.program_words import notices, refusal
from models.ledger.rows import locked_rows
from models.ledger.rows.transaction import present
from producer.request import incoming
from producer.submit.store import Submitted, Waker
from worker import dead_letters, messages, planner, program_door
from worker.application import make
from worker.wake import wake
from worker.wiring import WorkerParts, parts, stopping

log = logging.getLogger(__name__)

#: Workers take messages in turn but for chance: of five that have an account each, one in a million
#: messages does not meet the right one in so many tries.
MOST_MESSAGE_FORWARDS: Final = 64
#: Beside the body: through how many workers a message went that lack the account, and who sent it.
FORWARDED: Final = "forwarded"
_LONGEST_ORIGIN: Final = 60
#: Before any message.
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


@frozen
class TaskMessage:
    """A task's message."""

    args: Sequence[object]
    kwargs: Mapping[str, Any]
    task_id: str
    origin: str | None
    #: Its sender asks for no result.
    unanswered: bool
    #: After which its sender does not want it sent.
    expires: datetime | None = None
    forwards: int = 0
    #: It was sent after this, by the database's clock; None: any time ago.
    sent_after: datetime | None = None

    @classmethod
    def from_arguments(
        cls,
        args: Sequence[object],
        kwargs: Mapping[str, Any],
        *,
        task_id: str,
        origin: str | None,
        unanswered: bool,
        expires: datetime | None = None,
        sent_after: datetime | None = None,
    ) -> TaskMessage:
        """Return the message of a task with these arguments."""
        found = cls(
            args=args,
            kwargs=kwargs,
            task_id=task_id,
            origin=origin,
            unanswered=unanswered,
            expires=expires,
            sent_after=sent_after,
        )
        match kwargs.get(FORWARDED):
            case [int(forwards), str() | None as first] if forwards >= 0:
                arguments = {name: kwargs[name] for name in kwargs if name != FORWARDED}
                # The worker that passed it on had it in hand: the queue may have been empty then.
                return replace(
                    found, kwargs=arguments, forwards=forwards, origin=first, sent_after=None
                )
        return found

    @property
    def who(self) -> str:
        """The submitter's name, as far as the message says; it may say anything."""
        if self.origin and len(self.origin) <= _LONGEST_ORIGIN and self.origin.isprintable():
            return f"celery {self.origin}"
        return "celery"

    @property
    def body(self) -> Mapping[str, Any]:
        """Body of the request, with the arguments that have no name as a member of their own."""
        return {**self.kwargs, "args": list(self.args)} if self.args else self.kwargs


def submit_message(message: TaskMessage) -> dict[str, Any]:
    """Make a broadcast of a message and plan it; return its id, or of its dead letter, and why.

    Raises Reject where the database is away, and Ignore where another worker takes it.
    """
    submitted = program_door.PlanInline()
    try:
        answer = _answered(message, submitted)
    except OutOfReachError as error:
        log.warning("a broadcast of another program waits in the broker: %s", error)
        raise _given_back() from None
    except (Ignore, Reject):
        raise
    except Exception:
        # Celery would acknowledge and forget the message.
        log.exception("a message of another program cannot be kept and waits in the broker")
        raise _given_back() from None
    if not message.unanswered:
        leave_answer(message.task_id, answer)
    for broadcast_id in submitted.ids:
        planner.plan(broadcast_id, just_submitted=True)
    return answer


def refuse(message: messages.CanvasError) -> bool:
    """Store as a dead letter what asks for more than a broadcast; return whether it is one of ours.

    Its sender is answered. Raises OutOfReachError.
    """
    fields = message.fields
    if fields["task"] != names.ENQUEUE:
        return False
    task_message = TaskMessage.from_arguments(
        message.args_,
        message.kwargs,
        task_id=fields["id"],
        origin=fields.get("origin"),
        unanswered=bool(fields.get("ignore_result")),
    )
    try:
        answer = _stored_letter(task_message, Message("error.dead.canvas", part=message.part))
        wake(names.REPORT, "letter", answer["dead_letter"])
    except RecursionError:
        return False
    if not task_message.unanswered:
        leave_answer(task_message.task_id, answer)
    return True


def _given_back() -> Reject:
    """Wait, so that nothing spins while a part is away; return what gives the message back."""
    stopping.wait(dead_letters.PAUSE_S)
    return Reject("given back to the broker", requeue=True)


def _answered(message: TaskMessage, waker: Waker) -> dict[str, Any]:
    try:
        made = _submit(parts(), message, waker)
    except SettingsError as error:
        # Another worker may have the account that this one lacks.
        _pass_on(message)
        return _stored_letter(message, error.message)
    except InputError as error:
        return _stored_letter(message, error.message)
    except OutOfReachError:
        raise
    except Exception as error:
        # Celery would acknowledge and forget the message.
        log.exception("a broadcast of another program cannot be stored")
        return _stored_letter(message, Message("error.dead.failed", kind=type(error).__name__))
    texts = notices(made.notices, ENGLISH)
    return {
        "id": made.id,
        "created": made.created,
        "dead_letter": None,
        "error": None,
        "notices": texts,
    }


def _submit(here: WorkerParts, message: TaskMessage, waker: Waker) -> Submitted:
    found = incoming.parse(message.body)
    _refuse_unless_stored(here, found, message.expires)
    waiting_since = message.sent_after
    if waiting_since is None and found.request.late_by is not None:
        waiting_since = _LONG_AGO
    return program_door.submit(
        here,
        found.request,
        key=found.key,
        who=message.who,
        waker=waker,
        waiting_since=waiting_since,
    )


def _refuse_unless_stored(
    here: WorkerParts, found: incoming.KeyedRequest, expires: datetime | None
) -> None:
    """Raise InputError for a request that expired or may not come by the broker.

    Unless it was stored before that, and the broker delivers it once more.
    """
    try:
        incoming.refuse_to_all(found, here.settings)
        _refuse_expired(here.engine, expires)
    except InputError:
        account = here.settings.account(found.request.account)
        if locked_rows.under_key(here.engine, account.name, found.key) is None:
            raise


def _refuse_expired(engine: Engine, expires: datetime | None) -> None:
    # By the database's clock: those of two workers differ.
    if expires is not None and present(engine) > expires:
        raise InputError("error.dead.expired", at=expires)


def _pass_on(message: TaskMessage) -> None:
    """Forward a message to another worker under its own id; raise Ignore where that was done."""
    from worker.application import make

    if message.forwards >= MOST_MESSAGE_FORWARDS or incoming.named(message.body, "account") is None:
        return
    forwarded = [message.forwards + 1, message.origin]
    # As an argument it would have RabbitMQ drop the message.
    expires = {"expires": message.expires.isoformat()} if message.expires else {}
    try:
        make().send_task(
            names.ENQUEUE,
            args=message.args,
            kwargs={**message.kwargs, FORWARDED: forwarded},
            task_id=message.task_id,
            queue=names.ENQUEUE,
            ignore_result=message.unanswered,
            headers=expires,
        )
    except OperationalError as error:
        log.warning("broker away: a broadcast of another program waits: %s", error)
        raise _given_back() from None
    raise Ignore("passed to another worker")


def _stored_letter(message: TaskMessage, reason: Message) -> dict[str, Any]:
    body = message.body
    text = incoming.as_text(body)
    letter = incoming.letter(LetterSource.CELERY, reason, text=text, value=body)
    letter_id = dead_letters.store_letter(letter)
    error = {
        "code": reason.id,
        "field": field_of(reason),
        "text": refusal(reason, ENGLISH),
    }
    if confirmation := confirmation_of(reason):
        error["id"] = confirmation
    return {
        "id": None,
        "created": False,
        "dead_letter": letter_id,
        "error": error,
        "notices": [],
    }


#: Seconds, after which Redis forgets it.
KEPT_S: Final = 3600
_PATIENCE: Final = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "retry": Retry(NoBackoff(), 0),
}


def leave_answer(task_id: str, answer: dict[str, Any]) -> None:
    """Store *answer* as the result of *task_id*, where Redis can be reached."""
    try:
        _backend(os.getpid()).store_result(task_id, answer, states.SUCCESS)
    except (RedisError, OperationalError, OSError) as error:
        why = redact(str(error).splitlines()[0] if str(error) else type(error).__name__)
        log.warning("no answer was left for the sender of %s: %s", task_id, why)


@functools.cache
def _backend(pid: int) -> Any:
    """Return the backend of this process."""
    del pid
    # As Celery itself takes the transport's name off a socket's URL.
    url = parts().settings.result_backend.removeprefix("redis+")
    backend: Any = RedisBackend(app=make(), url=url, expires=KEPT_S)
    # Those of a socket have no time-out to connect.
    known = backend.connparams.keys() | {"retry"}
    backend.connparams.update({name: _PATIENCE[name] for name in known & _PATIENCE.keys()})
    backend.retry_policy = {"max_retries": 0}
    backend.always_retry = False
    return backend
