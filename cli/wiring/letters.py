"""Dead letters that were sent after all: closed before a person sees or drops them."""

from __future__ import annotations

from cli.wiring.run import Run
from models.ledger.reading import dead_letters as reading


def settle(run: Run, letter_id: str | None = None) -> None:
    """Close those of all letters that wait, or one of them, whose message is a broadcast."""
    if used := reading.possibly_sent(run.engine, letter_id):
        from producer.request import settled  # noqa: PLC0415 - few letters need it

        settled.settle(run.engine, run.settings, used)
