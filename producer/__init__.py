"""Producer: audience and content are checked and stored, a worker is woken.

``from producer import Producer`` is the door for Python programs. What it needs is loaded when it
is asked for: a command that submits nothing imports one module of this package, or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broadcast.errors import (
        BroadcastError,
        ConfirmationRequiredError,
        ConflictError,
        InputError,
        OutOfReachError,
        PlanError,
        RepeatedSendError,
        RequestError,
        SettingsError,
        UnknownIdError,
    )
    from broadcast.rules.reports import Report
    from producer.library import Producer
    from producer.submit.store import Submitted

__all__ = [
    "BroadcastError",
    "ConfirmationRequiredError",
    "ConflictError",
    "InputError",
    "OutOfReachError",
    "PlanError",
    "Producer",
    "RepeatedSendError",
    "Report",
    "RequestError",
    "SettingsError",
    "Submitted",
    "UnknownIdError",
]


def __getattr__(name: str) -> object:
    """Return what :data:`__all__` names. Raises ImportError in an app with packages named as ours.

    Such an app hands broadcasts over by HTTP or by Celery's ``send_task``.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from producer import namesakes

    return namesakes.imported(name)
