"""Dead letters whose message became a broadcast all the same: it came again, or by another way."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine

from broadcast.errors import ConflictError, InputError
from broadcast.settings import Settings
from models.ledger import dead_letters
from models.ledger.reading import dead_letters as reading
from producer.prepare import stored_as
from producer.request import incoming
from producer.request.meaning import meant


def settle(engine: Engine, settings: Settings, letter_ids: Iterable[str]) -> None:
    """Close those of the letters whose very body their key stands for; the others keep waiting.

    One whose key has another body has that as its reason then. Raises DatabaseAwayError.
    """
    for letter_id in letter_ids:
        _, body = reading.one(engine, letter_id)
        try:
            there = _stored_as(engine, settings, body)
        except ConflictError as error:
            dead_letters.still_dead(engine, letter_id, error.message)
        else:
            if there is not None:
                dead_letters.found_sent(engine, letter_id, there)


def _stored_as(engine: Engine, settings: Settings, body: str) -> str | None:
    """Return the broadcast that a message is, if there is one. Raises ConflictError."""
    # What is wrong in itself, or of an account that is unknown here, was stored by nobody.
    try:
        found = incoming.parse_text(body)
        asked = meant(found.request, key=found.key, who="", settings=settings)
        with asked.whom() as whom:
            return stored_as(asked.order, whom, engine=engine)
    except ConflictError:
        raise
    except InputError:
        return None
