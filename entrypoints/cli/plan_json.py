"""The object of ``send --dry-run --json``."""

from __future__ import annotations

from broadcast.rules.plan import proof as proof_module
from broadcast.views import overlap_words
from broadcast.views.objects import members
from producer.submit.order import Order
from producer.submit.prepare import Prepared


def _audience_json(prepared: Prepared) -> dict[str, int | bool | None]:
    """Return the figures of a list, and who would be left out of it now."""
    figures, estimate = prepared.figures, prepared.estimate
    audience = members(figures, "read", "malformed", "duplicate", "planned")
    if estimate is None:
        return audience
    whole = estimate.left + sum(estimate.left_out.values())
    read = figures.read if figures.planned is not None else whole
    return {
        **audience,
        **estimate.left_out,
        "read": read,
        "planned": estimate.left,
        "at_most": estimate.at_most,
    }


def plan_object(
    order: Order, prepared: Prepared, proof: proof_module.Proof, *, is_in_vain: bool
) -> dict[str, object]:
    """Return the object of a plan that is proved, without an error.

    *is_in_vain*: WeChat would refuse it, or nobody would get it.
    """
    figures = prepared.figures
    return {
        "id": None,
        "state": None,
        "account": order.account.name,
        "key": order.key,
        "audience": _audience_json(prepared),
        "batches": {"total": figures.calls},
        "plan": {
            **members(proof, "calls", "free", "days"),
            "fit": proof_module.Fit.IN_VAIN if is_in_vain else proof.fit,
        },
        "overlaps": None if prepared.known is None else overlap_words.overlap_json(prepared.known),
    }
