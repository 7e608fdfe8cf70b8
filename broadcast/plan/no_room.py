"""What is said where the day has no room for a plan that is stored already."""

from __future__ import annotations

from typing import Final

from broadcast.errors import PlanError
from broadcast.reports import Report

#: What is said to a submit whose plan has no room is no advice for a broadcast that is stored.
_OF_RESUME: Final = {
    "error.plan.too_many": "error.resume.too_many",
    "error.plan.too_many_one": "error.resume.too_many_one",
    "error.plan.too_many_held": "error.resume.too_many_held",
    "error.plan.too_many_one_held": "error.resume.too_many_one_held",
}


def of_resume(error: PlanError, report: Report) -> PlanError:
    """Return what is said to a resume whose day has too few calls left."""
    own = _OF_RESUME[error.message_id]
    return PlanError(own, **error.facts, id=report.id, account=report.account)
