"""What a program may send only after a person confirmed it, by the id of the refusal."""

from __future__ import annotations

from collections.abc import Collection

from broadcast.errors import ConfirmationRequiredError
from producer.submit.checks import ListOwner


def refuse_unconfirmed(owner: ListOwner | None, confirmed: Collection[str]) -> None:
    """Raise ConfirmationRequiredError for a list that may be another account's; *confirmed*: ids.

    It names no other account: a program may know its own alone.
    """
    if owner is None or not owner.must_be_confirmed or owner.id in confirmed:
        return
    raise ConfirmationRequiredError(
        "error.confirm.list_owner",
        field="confirm",
        id=owner.id,
        account=owner.account,
        planned=owner.planned,
        looked_up=owner.looked_up,
        known=owner.known,
    )
