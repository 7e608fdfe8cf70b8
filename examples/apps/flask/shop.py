"""A shop in Flask that shares the database: an order and its broadcast, both of them or neither.

Run it beside a worker and beat, with their ``DATABASE_URL`` (which names its driver, as
SQLAlchemy wants it: ``postgresql+psycopg://…``, ``mysql+pymysql://…``, ``sqlite:///…``).
Where they have none, as with ``broadcast up``, it is the one below::

    pip install flask
    export DATABASE_URL=sqlite:///var/broadcast.db
    flask --app examples/apps/flask/shop.py run

    curl localhost:5000/orders -H 'Content-Type: application/json' \
        -d '{"text": "Your order is on its way", "people": ["oAbcde…", "oFghij…"]}'
"""

from __future__ import annotations

import os

from flask import Flask, Response, jsonify, request
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from broadcast.views.program_words import explained
from producer import InputError, OutOfReachError, Producer, SettingsError


class Base(DeclarativeBase):
    """The shop's own tables."""


class Order(Base):
    """What was ordered."""

    __tablename__ = "shop_orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


app = Flask(__name__)
engine = create_engine(
    url := os.environ["DATABASE_URL"],
    # SQLite has one writer; workers write, too.
    connect_args={"timeout": 30} if url.startswith("sqlite") else {},
)
Base.metadata.create_all(engine)
broadcasts = Producer("shop")


@app.post("/orders")
def order() -> Response:
    """Store an order, and have its people told once it is committed."""
    asked = request.get_json()
    # A list of one cannot be sent at all: it is stored here, and refused by the worker.
    with Session(engine) as session, session.begin():
        made = Order(text=asked["text"])
        session.add(made)
        session.flush()
        broadcasts.post(
            session,
            key=f"flask-order-{made.id}",
            content={"msgtype": "text", "text": {"content": made.text}},
            audience={"openids": asked["people"]},
        )
        if asked.get("fails"):
            # Whatever goes wrong from here on takes both back.
            raise RuntimeError("the payment failed")
        number = made.id
    # Workers look every three seconds by themselves.
    broadcasts.wake()
    return jsonify(order=number)


@app.get("/orders/<int:number>")
def progress(number: int) -> Response:
    """Say how far the broadcast of an order is; nothing is known until a worker has taken it."""
    report = broadcasts.find(f"flask-order-{number}")
    return jsonify(state=None if report is None else report.state)


@app.errorhandler(InputError)
def refused(error: InputError) -> tuple[Response, int]:
    """Answer what is wrong with an order; the transaction was rolled back."""
    return jsonify(error=explained(error)), 422


@app.errorhandler(SettingsError)
@app.errorhandler(OutOfReachError)
def away(error: SettingsError | OutOfReachError) -> tuple[Response, int]:
    """Answer that the shop cannot do it now. Why, with names and paths, is for its log."""
    app.logger.error("%s", explained(error))
    return jsonify(error="Not now. Please try again later."), 503
