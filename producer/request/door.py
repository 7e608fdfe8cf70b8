"""The one door for programs: a request becomes a broadcast, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from broadcast.settings import Settings
from producer.looks import Looks, look
from producer.prepare import Prepared, QuotaSource, prepare
from producer.request.order import meant
from producer.request.shape import Request
from producer.submit import Submitted, Waker, refuse_what_does_not_fit, store


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a submit by a program needs."""

    settings: Settings
    engine: Engine
    quota: QuotaSource
    waker: Waker
    #: None: a process without WeChat; what it would say is found out before the first call.
    looks: Looks | None = None

    def submit(self, request: Request, *, key: str, who: str) -> Submitted:
        """Store and publish what *request* asks for; the same key and body give the same broadcast.

        Raises what refuses it (InputError: nothing is stored), and OutOfReachError: repeat it with
        the same key.
        """
        found = meant(request, key=key, who=who, settings=self.settings, engine=self.engine)
        with found.whom() as whom:
            prepared = prepare(found.order, whom, engine=self.engine, quota=self.quota)
            # Before WeChat is asked more: its calls of a day are few.
            refuse_what_does_not_fit(prepared)
            if self.looks is not None:
                prepared = look(prepared, self.looks)
            return store(prepared, engine=self.engine, waker=self.waker)

    def plan(self, request: Request, *, key: str, who: str) -> Prepared:
        """Hold what *request* asks for against the ledger and WeChat, and store nothing.

        Raises as :meth:`submit`; a plan that does not fit is shown by its proof.
        """
        found = meant(request, key=key, who=who, settings=self.settings, engine=self.engine)
        with found.whom() as whom:
            return prepare(found.order, whom, engine=self.engine, quota=self.quota)
