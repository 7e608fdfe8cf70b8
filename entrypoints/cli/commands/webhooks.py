"""``webhooks``: deliveries to other programs: done, failed, and to be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer

from broadcast import names
from broadcast.errors import BrokerAwayError, InputError
from broadcast.rules.states import WebhookState
from broadcast.views import json_objects
from broadcast.views.objects import Webhook
from broadcast.views.webhooks import lines
from entrypoints.cli.commands.options import new_group
from entrypoints.cli.run import Run
from models.ledger.boxes import webhooks as boxes_webhooks

app, webhooks = new_group("webhooks")

_NOT_DELIVERED = (WebhookState.WAITING, WebhookState.GIVEN_UP)


@webhooks.command("list", help="help.webhooks.list")
def list_(
    run: Run,
    *,
    delivered: Annotated[bool, typer.Option("--all", help="help.webhooks.list.all")] = False,
    most: Annotated[
        int, typer.Option("--most", min=1, max=1_000_000, help="help.webhooks.list.most")
    ] = 20,
) -> None:
    """List webhooks, newest first."""
    states = tuple(WebhookState) if delivered else _NOT_DELIVERED
    found = boxes_webhooks.newest(run.engine, states=states, most=most)
    more = max(boxes_webhooks.count(run.engine, states) - most, 0) if len(found) == most else 0
    if run.as_json:
        run.show_json(as_object(run, found) | {"more": more})
        return
    for one in found:
        run.say_all(lines(one, now=datetime.now(UTC)))
    if not found:
        run.say("webhooks.none_at_all" if delivered else "webhooks.none")
    elif more:
        run.say("webhooks.more", n=most, all=most + more)
    if any(one.state is WebhookState.GIVEN_UP for one in found):
        run.note("webhooks.next")


@webhooks.command(help="help.webhooks.retry")
def retry(
    run: Run,
    *,
    webhook_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="help.webhooks.id", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="help.webhooks.retry.all")] = False,
) -> None:
    """Deliver one webhook again, or every one that was given up."""
    if everything and webhook_id is not None:
        raise InputError("error.webhook.both")
    if webhook_id is not None:
        chosen: Sequence[Webhook] = [boxes_webhooks.one_webhook(run.engine, webhook_id)]
    elif everything:
        chosen = boxes_webhooks.newest(run.engine, states=[WebhookState.GIVEN_UP])
    else:
        raise InputError("error.webhook.which")
    boxes_webhooks.retry_events(run.engine, [(one.broadcast_id, one.version) for one in chosen])
    if chosen:
        # Where the broker is away, the next sweep has them delivered.
        with suppress(BrokerAwayError):
            run.waker.wake_for(names.DELIVER_WEBHOOKS)
        run.say("webhooks.again", n=len(chosen))
    else:
        run.say("webhooks.nothing_given_up")
    if run.as_json:
        run.show_json(
            as_object(run, [boxes_webhooks.one_webhook(run.engine, one.id) for one in chosen])
        )


def as_object(run: Run, some: Sequence[Webhook]) -> dict[str, object]:
    """Return webhooks as ``--json`` has them."""
    waits, texts = run.settings.waits(), run.texts
    each = [json_objects.webhook_object(one, texts, waits=waits) for one in some]
    return {"webhooks": each, "error": None}
