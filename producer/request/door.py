"""The one door for programs: a request becomes a broadcast, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO

from sqlalchemy import Engine

from broadcast.frozen import frozen
from broadcast.plan import submission
from broadcast.plan.audience import OpenIDs
from broadcast.settings import Settings
from models.ledger import awaited_lists
from models.ledger.awaited_lists import Awaited
from models.ledger.transaction import present
from producer import audience as audiences
from producer.looks import Looks, look
from producer.order import Order
from producer.prepare import Prepared, QuotaSource, prepare
from producer.request import shape
from producer.request.meaning import Meant, meant
from producer.request.shape import Request
from producer.request.today import refuse_what_is_not_so
from producer.schedule import refuse_what_is_not_ahead
from producer.stored_audience import Whom
from producer.submit import Submitted, Waker, refuse_what_does_not_fit, store


@frozen
class Door:
    """What a submit by a program needs."""

    settings: Settings
    engine: Engine
    quota: QuotaSource
    waker: Waker
    #: None: a process without WeChat; what it would say is found out before the first call.
    looks: Looks | None = None
    #: Whether whoever submits wants the report of what was stored.
    reported: bool = False
    #: Since when the request may have waited, by the database's clock; None: since now.
    waiting_since: datetime | None = None

    def submit(self, request: Request, *, key: str, who: str) -> Submitted:
        """Store and publish what *request* asks for; the same key and body give the same broadcast.

        Raises what refuses it (InputError: nothing is stored), and OutOfReachError: repeat it with
        the same key.
        """
        found = meant(
            request, key=key, who=who, settings=self.settings, waiting_since=self.waiting_since
        )
        with found.whom() as whom:
            prepared = self._prepared(found, whom)
            return store(prepared, engine=self.engine, waker=self.waker, reported=self.reported)

    def reserve(self, request: Request, *, key: str, who: str) -> tuple[str, bool]:
        """Reserve an id for a request whose list comes later; return it, and whether it is new.

        Raises as :meth:`submit`.
        """
        found = meant(request, key=key, who=who, settings=self.settings)
        order, text = found.order, request.model_dump_json(exclude_defaults=True)
        body = submission.Body(
            account=order.account, key=order.key, content=order.content.canonical,
            content_digest=order.content.digest, msgtype=order.content.msgtype,
            audience=OpenIDs(digest=""), selection=order.selection,
            scheduled_at=order.scheduled_at, options=order.options,
        )  # fmt: skip
        there = awaited_lists.find(self.engine, body)
        if there is not None:
            # Whatever changed since: a repeat is answered as the first one was.
            return there, False
        self._refuse_past(order)
        self._today(found)()
        return awaited_lists.reserve(
            self.engine, body, request=text, who=who, title=order.terms.title,
            notify_url=order.terms.notify_url or order.account.notify_url,
        )  # fmt: skip

    def _refuse_past(self, order: Order) -> None:
        if order.scheduled_at is not None:
            moment = present(self.engine)
            refuse_what_is_not_ahead(order.scheduled_at, now=moment, machine_now=datetime.now(UTC))

    def submit_list(self, awaited: Awaited, file: BinaryIO, *, who: str) -> Submitted:
        """Store and publish the list that a broadcast waits for; the same list twice is no harm.

        Raises as :meth:`submit`; ConflictError where it has another list, BeingStoredError where
        somebody else stores one just now.
        """
        request = shape.parse(json.loads(awaited.request))
        found = meant(request, key=awaited.key, who=who, settings=self.settings)
        found = replace(found, order=replace(found.order, reserved=awaited.broadcast_id))
        with audiences.read(file) as listed:
            return store(self._prepared(found, listed), engine=self.engine, waker=self.waker)

    def plan(self, request: Request, *, key: str, who: str) -> Prepared:
        """Hold what *request* asks for against the ledger and WeChat, and store nothing.

        Raises as :meth:`submit`; a plan that does not fit is shown by its proof.
        """
        found = meant(request, key=key, who=who, settings=self.settings)
        with found.whom() as whom:
            return self._looked_at(self._held_against(found, whom))

    def _held_against(self, found: Meant, whom: Whom) -> Prepared:
        return prepare(
            found.order, whom, engine=self.engine, quota=self.quota, today=self._today(found)
        )

    def _today(self, found: Meant) -> Callable[[], None]:
        return partial(refuse_what_is_not_so, found, settings=self.settings, engine=self.engine)

    def _prepared(self, found: Meant, whom: Whom) -> Prepared:
        prepared = self._held_against(found, whom)
        # Before WeChat is asked more: its calls of a day are few.
        refuse_what_does_not_fit(prepared)
        return self._looked_at(prepared)

    def _looked_at(self, prepared: Prepared) -> Prepared:
        return prepared if self.looks is None else look(prepared, self.looks)
