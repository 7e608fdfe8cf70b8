"""A shop in FastAPI: it hands broadcasts over, and shows where they stand.

Run it beside a worker, with the settings of the worker (the environment, or ``.env``)::

    pip install fastapi uvicorn
    uvicorn --app-dir examples/apps/fastapi shop:app

    curl -X PUT localhost:8000/sales/7 -H 'Content-Type: application/json' \
        -d '{"text": "Live on Friday", "people": ["oAbcde…", "oFghij…"]}'
    curl localhost:8000/sales/7
"""

from __future__ import annotations

import logging
from datetime import datetime

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from broadcast.views.program_words import explained
from producer import InputError, OutOfReachError, Producer, SettingsError

app = FastAPI()
log = logging.getLogger(__name__)
#: One for the process. It connects when it is first used.
broadcasts = Producer("shop")


class Sale(BaseModel):
    """What is announced, and to whom."""

    text: str
    people: list[str]
    at: datetime | None = None


# Not `async def`: it waits for the database, and FastAPI gives it a thread.
@app.put("/sales/{number}")
def announce(number: int, sale: Sale) -> dict[str, object]:
    """Announce a sale. Whoever repeats the request announces nothing twice: the key is the same."""
    made = broadcasts.submit(
        key=f"sale-{number}",
        content={"msgtype": "text", "text": {"content": sale.text}},
        audience={"openids": sale.people},
        at=sale.at,
    )
    return {"broadcast": made.id, "created": made.created}


@app.get("/sales/{number}")
def progress(number: int) -> dict[str, object]:
    """Say how far the announcement of a sale is."""
    report = broadcasts.find(f"sale-{number}")
    if report is None:
        raise HTTPException(404)
    return {"broadcast": report.id, "state": report.state, "recipients": report.recipients}


@app.exception_handler(InputError)
def refused(_: Request, error: InputError) -> JSONResponse:
    """Answer what is wrong with a sale: nothing was stored."""
    return JSONResponse({"error": explained(error)}, status_code=422)


@app.exception_handler(SettingsError)
@app.exception_handler(OutOfReachError)
def away(_: Request, error: SettingsError | OutOfReachError) -> JSONResponse:
    """Answer that the same request may be repeated. Why, with names and paths, is for the log."""
    log.error("%s", explained(error))
    return JSONResponse({"error": "Not now. Please try again later."}, status_code=503)
