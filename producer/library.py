"""The door for Python programs: ``from producer import Producer``.

It needs this project's settings and its database, and no worker's code. A broadcast is stored when
:meth:`Producer.submit` returns; workers send it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from broadcast import installed, names
from broadcast.errors import BrokerAwayError, RequestError, SettingsError
from broadcast.redaction import kept_words
from broadcast.settings.program_settings import Settings
from models.ledger.boxes.outbox import AppTransaction
from models.ledger.rows import known_accounts, locked_rows
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from producer import outbox, steer
from producer.request import incoming
from producer.request.door import SubmitService
from producer.submit.store import Submitted
from producer.wiring.store_parts import StoreParts

if TYPE_CHECKING:
    from broadcast.rules.accounts import Account
    from broadcast.rules.calls.outcomes import SendPath
    from broadcast.rules.plan import proof
    from broadcast.rules.reports import Report
    from producer.campaigns.library_campaigns import Campaigns
    from producer.submit.prepare import QuotaSource

LONGEST_NAME = 100


class Unasked:
    """:class:`producer.submit.prepare.QuotaSource` of a process without WeChat.

    What is stored is proved before its first call.
    """

    def quota(self, account: Account, path: SendPath) -> proof.Quota | None:
        """Return that nobody was asked."""
        del account, path
        return None


class Producer:
    """Submits broadcasts, says where they stand, and steers them.

    Make one for a process and keep it: it serves any number of threads, connects when it is first
    used, and again after a fork. Its settings are those of every process of the project: the
    environment and ``.env``.

    Every method raises an InputError if what is asked for is wrong (nothing was stored) and an
    OutOfReachError if a part is away (repeat it with the same key). ``error.message_id`` names what
    happened, ``error.field`` the field, ``error.facts`` the values;
    ``broadcast.views.program_words.explained`` gives the words.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        settings: Settings | None = None,
        quota: QuotaSource | None = None,
    ) -> None:
        """*name* is the app's, by which history and reports name the submitter.

        *settings*: others than those of the environment. *quota* asks WeChat for the calls that an
        account has left, so that a plan which does not fit is refused at once; without it the
        broadcast is stored, and held before its first call.
        """
        shown = kept_words(name)
        self._who = "python" if shown is None else f"python {shown}"[:LONGEST_NAME]
        self._settings = settings
        self._quota: QuotaSource = Unasked() if quota is None else quota
        self._parts: StoreParts | None = None
        self._building = threading.Lock()

    def __enter__(self) -> Self:
        """Return it; nothing is connected yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def submit(self, **arguments: Unpack[Arguments]) -> Submitted:
        """Check and store a broadcast, and wake a worker; the same key and body give the same one.

        Raises RequestError (the field is named), AudienceError, ContentError, PlanError,
        ConflictError (the key has another body), RepeatedSendError (the same under another key
        within 24 h), ConfirmationRequiredError (the list may be another account's), SettingsError
        and OutOfReachError.
        """
        found = incoming.parse(as_body(arguments))
        return self._door(self._here()).submit(found.request, key=found.key, who=self._who)

    @property
    def campaigns(self) -> Campaigns:
        """The campaigns; ask for them anew after a fork.

        Raises OutOfReachError where the extra [worker] is not installed.
        """
        installed.require("requests", extra="worker")
        from producer.campaigns.library_campaigns import Campaigns

        here = self._here()
        wake = partial(here.waker.wake_for, names.LAUNCH_DUE)
        return Campaigns(door=self._door(here), who=self._who, wake=wake)

    def _door(self, here: StoreParts) -> SubmitService:
        return SubmitService(
            settings=here.settings, engine=here.engine, quota=self._quota, waker=here.waker
        )

    def post(self, transaction: AppTransaction, /, **arguments: Unpack[Arguments]) -> None:
        """Ask for a broadcast in the app's own transaction, a SQLAlchemy Session or Connection.

        It writes one row and waits for nobody. Rolled back, there is no broadcast; committed, a
        worker submits it within seconds, once. What is then refused becomes a dead letter. What
        is wrong in itself is refused at once: raises RequestError, ContentError, AudienceError and
        InputError, also for a time that is past by this machine's clock. It connects to nothing
        else, and needs no settings.
        """
        outbox.post(transaction, as_body(arguments), who=self._who)

    def wake(self) -> bool:
        """Wake a worker for what was posted, now that it is committed.

        Return whether the broker took it; without it the sweep looks every three seconds.
        """
        try:
            self._here().waker.wake_for(names.SUBMIT_OUTBOX)
        except BrokerAwayError:
            return False
        return True

    def status(self, broadcast_id: str) -> Report:
        """Return the report of a broadcast. Raises UnknownIdError, naming near ids."""
        return broadcast_reports.report(self._here().engine, broadcast_id)

    def find(self, key: str, *, account: str | None = None) -> Report | None:
        """Return the report of the broadcast of this key, or None where none is stored.

        *account* may be left out where there is one: in the settings, or in the database where the
        settings have none. Raises SettingsError.
        """
        here = self._here()
        name = self._only_account(here) if account is None else account
        broadcast_id = None if name is None else locked_rows.under_key(here.engine, name, key)
        return None if broadcast_id is None else self.status(broadcast_id)

    def pause(self, broadcast_id: str, *, why: str | None = None) -> Report:
        """Start no new call of a broadcast, until it is resumed.

        Raises UnknownIdError, and ConflictError where its list is still to come.
        """
        why = kept_words(why)
        operator.pause(self._here().engine, broadcast_id, who=self._who, why=why)
        return self.status(broadcast_id)

    def resume(
        self, broadcast_id: str, *, why: str | None = None, maybe_sent: bool = False
    ) -> Report:
        """Resume a paused or held broadcast; what still keeps it is in the report's gates.

        *maybe_sent*: it goes on though it may have been sent before the database was restored.
        Raises PlanError, InputError (that was not said, it has ended, its draft is gone or was
        edited, or a newer broadcast reached the same followers), UnknownIdError, and ConflictError
        where its list is still to come.
        """
        here = self._here()
        steer.resume(
            here.engine,
            self.status(broadcast_id),
            settings=here.settings,
            quota=self._quota,
            who=self._who,
            why=kept_words(why),
            maybe_sent=maybe_sent,
        )
        report = self.status(broadcast_id)
        steer.wake(here.waker, report)
        return report

    def cancel(self, broadcast_id: str, *, why: str | None = None) -> Report:
        """Cancel the rest of a broadcast; what may have been sent ends in doubt.

        Raises UnknownIdError.
        """
        here = self._here()
        operator.cancel(here.engine, broadcast_id, who=self._who, why=kept_words(why))
        report = self.status(broadcast_id)
        steer.wake(here.waker, report)
        return report

    def halt(self, account: str, *, why: str | None = None) -> bool:
        """Start no new call of an account, until somebody unhalts it; return whether it ran.

        Raises SettingsError for an account that neither the ledger nor the settings know.
        """
        here = self._here()
        known = self._unused(here, account)
        return bool(
            operator.halt(here.engine, account, who=self._who, why=kept_words(why), known=known)
        )

    def unhalt(self, account: str, *, why: str | None = None) -> bool:
        """Unhalt an account; return whether it was halted or stopped.

        Raises SettingsError for an account that neither the ledger nor the settings know.
        """
        here = self._here()
        self._unused(here, account)
        lifted = operator.unhalt(here.engine, account, who=self._who, why=kept_words(why))
        steer.wake_lane(here.engine, here.waker, account)
        return bool(lifted)

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._building:
            parts, self._parts = self._parts, None
        if parts is not None and parts.pid == os.getpid():
            parts.engine.dispose()
            with contextlib.suppress(BrokerAwayError):
                parts.waker.close()

    @staticmethod
    def _unused(here: StoreParts, account: str) -> list[Account]:
        """Return the account of the settings that never called; none where the ledger knows it.

        The ledger first: settings that cannot be read keep nobody from the kill switch.
        """
        if known_accounts.is_known(here.engine, account):
            return []
        return [here.settings.account(account)]

    @staticmethod
    def _only_account(here: StoreParts) -> str | None:
        """Return the one account; None where the database has none, so no broadcast either."""
        if here.settings.accounts():
            return here.settings.account(None).name
        names = known_accounts.account_names(here.engine)
        if len(names) > 1:
            raise SettingsError("error.settings.which_account", names=", ".join(names))
        return next(iter(names), None)

    def _here(self) -> StoreParts:
        """Return this process's parts: a connection from before a fork is two processes' one."""
        with self._building:
            if self._parts is None or self._parts.pid != os.getpid():
                if self._parts is not None:
                    self._parts.engine.dispose(close=False)
                self._parts = self._built()
            return self._parts

    def _built(self) -> StoreParts:
        made = StoreParts()
        if self._settings is not None:
            made.settings = self._settings
        # Nothing is kept of what cannot be used: the next call reads the settings anew.
        made.engine  # noqa: B018 - built here
        return made


class _Needed(TypedDict):
    #: Yours, up to 128 characters: the same key and the same rest are one broadcast, always.
    key: str
    #: WeChat's own object of mass/send: ``{"msgtype": "text", "text": {"content": "…"}}``.
    content: dict[str, Any]
    #: Exactly one of ``{"openids": […]}`` (up to 100,000), ``{"followers": True}``,
    #: ``{"tag_id": 2}`` and ``{"to_all": True, "confirm_to_all": "ACCOUNT"}``.
    audience: Mapping[str, Any]


class Arguments(_Needed, total=False):
    """A broadcast; what is left out has the default of ``broadcast send``.

    The same keys as in a request over HTTP or Celery (``producer.request.shape.Request``), with one
    addition: ``at`` may be a datetime.
    """

    #: By its name in the settings; may be left out where there is one.
    account: str | None
    #: An aware datetime, or ISO 8601, which is Beijing time where it names no zone.
    at: str | datetime | None
    title: str | None
    #: -100 to 100; of an account's broadcasts the highest goes first.
    priority: int
    #: A first call that comes later than this is held: ``"15m"``, ``"1h30m"``.
    late_by: str | None
    spread_days: bool
    #: ``"tag:2"``, ``"broadcast:ID"``.
    exclude: list[str]
    only_current: bool
    #: ``"500"`` or ``"10%"``.
    sample: str | None
    with_tag: int | None
    ignore_suppression: bool
    #: The same content went to the same audience today, and is to go once more.
    again: bool
    #: Ids of refusals (the fact ``id`` of a ConfirmationRequiredError) that a person confirmed.
    confirm: list[str]
    #: Who gets webhooks of how it ended: ``{"url": "https://…"}``.
    notify: dict[str, str] | None


def as_body(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return *arguments* as every other program asks for it. Raises RequestError."""
    at = arguments.get("at")
    if not isinstance(at, datetime):
        return dict(arguments)
    if at.tzinfo is None:
        # A text without a zone is a person's; a naive datetime may be UTC, or any machine's time.
        raise RequestError("error.request.no_zone", field="at")
    return {**arguments, "at": at.isoformat()}
