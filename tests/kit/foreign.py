"""Another program, which shares the broker and nothing else: no code, no setting of ours."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from celery import Celery

from broadcast import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from celery.result import AsyncResult

    from tests.kit.system import System
    from tests.servers.valkey import Valkey

TEXT = "您好，周五停机"
#: Seconds by which a message is as old as the broker has it wait for a worker that was killed.
LONG_AGO_S = 3_600
#: When what workers of ours hold was taken.
UNACKED_INDEX = f"{names.UNACKED}_index"


@contextlib.contextmanager
def app_of(broker_url: str, backend: str | None = None) -> Iterator[Celery]:
    """Give an app as any other program has it."""
    app = Celery("shop", broker=broker_url, backend=backend, set_as_current=False)
    with contextlib.closing(app):
        yield app


def enqueue(app: Celery, *args: object, **kwargs: object) -> AsyncResult[Any]:
    """Send what the task takes, as the page for other programs says."""
    return app.send_task(names.ENQUEUE, queue=names.ENQUEUE, args=args, kwargs=kwargs)


def request(people: Sequence[str], *, text: str = TEXT, **members: object) -> dict[str, Any]:
    """Return the body of a request to these people."""
    content = {"msgtype": "text", "text": {"content": text}}
    return {"content": content, "audience": {"openids": list(people)}, **members}


def dead_letters(system: System) -> list[dict[str, Any]]:
    """Return the dead letters of a system as `dead list` has them."""
    told = system.broadcast("dead", "list", "--most", "1000", "--json").stdout
    found: list[dict[str, Any]] = json.loads(told.splitlines()[-1])["dead_letters"]
    return found


def age_what_a_killed_worker_held(valkey: Valkey) -> None:
    """Let the time pass after which the messages of a killed worker are anybody's."""
    with valkey.client() as client:
        for tag, _ in client.zscan_iter(UNACKED_INDEX):
            client.zincrby(UNACKED_INDEX, -LONG_AGO_S, tag)
