"""What a request needs to be so today. A repeat of what is stored needs none of it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine

from broadcast.accounts import Account
from broadcast.errors import RequestError
from broadcast.plan.selection import Excluded
from broadcast.settings import Settings
from broadcast.webhooks.settings import SECRETS
from producer import exclusions
from producer.request.meaning import Meant, content_of
from producer.request.shape import Receiver

_RECEIVER: Final = "notify.url"


def refuse_what_is_not_so(found: Meant, *, settings: Settings, engine: Engine) -> None:
    """Raise what refuses a request because of settings or of what the ledger has.

    That is RequestError, ContentError, InputError, UnknownIdError and DatabaseAwayError.
    """
    request, order = found.request, found.order
    content_of(request, limit=settings.text_limit)
    _refuse_exclusions(found, order.account, engine)
    if request.notify is not None:
        _refuse_receiver(request.notify, settings)


def _refuse_exclusions(found: Meant, account: Account, engine: Engine) -> None:
    for n, text in enumerate(found.request.exclude):
        kind, _, value = text.partition(":")
        if kind == Excluded.BROADCAST:
            exclusions.refuse_what_lists_nobody(engine, account, value, field=f"exclude.{n}")


def _refuse_receiver(receiver: Receiver, settings: Settings) -> None:
    problem = settings.receiver_problem(receiver.url)
    if problem is not None:
        # Only such an address is good where its network was allowed.
        by_network = problem.id in {"webhook.url.private", "webhook.url.https"}
        name = "error.request.notify" if by_network else "error.request.wrong"
        raise RequestError(name, field=_RECEIVER, reason=problem)
    if not settings.signing_secrets():
        raise RequestError("error.request.notify_unsigned", field="notify", name=SECRETS)
