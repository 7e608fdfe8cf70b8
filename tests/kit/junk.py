"""What may stand in a queue, whoever put it there: thousands of malformed messages."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import amqp
import redis
from kombu import Connection
from sqlalchemy import make_url

from broadcast import names

#: Stands in bodies and properties, and where a name is looked for inside something else: no log
#: may show it.
HIDDEN = "hidden-in-the-body"
DEEP = 60_000
TASKS = [
    names.PLAN,
    names.SEND_BATCH,
    names.POLL_ACCOUNT,
    names.REFRESH_TOKEN,
    names.SWEEP,
    names.LAUNCH_DUE,
    names.POLL_RESULTS,
    names.HANDLE_PUSHES,
    names.ENQUEUE,
    names.SUBMIT_OUTBOX,
    names.DELIVER_WEBHOOKS,
    "broadcast.send_batch_v0",
    "celery.chord_unlock",
    "celery.map",
    "celery.group",
    "celery.accumulate",
    "celery.backend_cleanup",
    "celery.chunks",
    "celery.chain",
]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**40,
    "",
    HIDDEN,
    HIDDEN * 2000,
    "\n",
    "\0",
    "好",
    "a\x1b[2J",
    [],
    [[HIDDEN]],
    {},
    {"shard": HIDDEN},
    [[]],
    [[], {}, {}],
    {"a": {"b": [None]}},
]
TIMES: list[Any] = [
    "2020-01-01T00:00:00Z",
    "2020-01-01",
    "0001-01-01T00:00:00+14:00",
    HIDDEN,
    "9999-12-31T23:59:59-14:00",
    "0000-00-00",
    "2020-01-01T00:00:00+99:99",
    "12",
    *VALUES,
]
FIELDS = [
    "task",
    "id",
    "lang",
    "root_id",
    "parent_id",
    "group",
    "shadow",
    "retries",
    "timelimit",
    "argsrepr",
    "kwargsrepr",
    "origin",
    "ignore_result",
    "stamped_headers",
    "stamps",
    "meth",
    "replaced_task_nesting",
    "group_index",
    "groups",
    "compression",
    "get",
    "update",
    "__dict__",
    "delivery_info",
    "args",
    "kwargs",
    "reply_to",
    "called_directly",
    "callbacks",
    "chain",
    "chord",
    "errbacks",
    "taskset",
    "utc",
    "embed",
]
CONTENT_TYPES = [
    "application/json",
    "application/x-python-serialize",
    "application/x-yaml",
    "text/plain",
    "application/data",
    "application/x-msgpack",
    "",
    HIDDEN,
    "application/json; charset=utf-8",
]
ENCODINGS = ["utf-8", "binary", "latin-1", "utf-16", "no-such", "", "rot13", "base64", "UTF-8"]
COMPRESSIONS: list[tuple[Any, Callable[[bytes], bytes]]] = [
    ("zlib", zlib.compress),
    ("application/x-gzip", zlib.compress),
    ("bzip2", bz2.compress),
    ("application/x-bz2", bz2.compress),
    ("gzip", gzip.compress),
    ("no-such", bytes),
    ("application/x-gzip", bytes),
    ([], bytes),
    ({}, bytes),
    (1, bytes),
]
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


@dataclass(kw_only=True)
class Junk:
    """A message as a publisher hands it to either broker."""

    headers: Any
    body: bytes
    content_type: Any = "application/json"
    content_encoding: Any = "utf-8"
    properties: dict[str, Any] = field(default_factory=dict)


def junk(seed: int, count: int) -> Iterator[Junk]:
    """Yield *count* messages of which each breaks one to three rules of a task's message."""
    rng = random.Random(seed)
    for number in range(count):
        made = _task(rng, number)
        for change in rng.choices(CHANGES, k=rng.choice([1, 1, 2, 3])):
            change(rng, made)
        yield made


def _task(rng: random.Random, number: int) -> Junk:
    task = rng.choice(TASKS[:7])
    headers = {
        "lang": "py",
        "task": task,
        "id": f"junk-{number}",
        "root_id": f"junk-{number}",
        "parent_id": None,
        "group": None,
        "shadow": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "origin": "junk",
    }
    return Junk(headers=headers, body=_json([["no-such"], {}, EMBED]))


def _json(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _value(rng: random.Random) -> Any:
    """A value for what may be a name: names of tasks, accounts and broadcasts are logged."""
    value = rng.choice(VALUES)
    return "no-such" if value == HIDDEN else value


def _field(rng: random.Random, made: Junk) -> None:
    if isinstance(made.headers, dict):
        made.headers[rng.choice(FIELDS)] = _value(rng)


def _time(rng: random.Random, made: Junk) -> None:
    if isinstance(made.headers, dict):
        made.headers[rng.choice(["eta", "expires"])] = rng.choice(TIMES)


def _no_field(rng: random.Random, made: Junk) -> None:
    if isinstance(made.headers, dict):
        made.headers.pop(rng.choice(["task", "id", "retries", "timelimit", "argsrepr"]), None)


def _other_task(rng: random.Random, made: Junk) -> None:
    if isinstance(made.headers, dict):
        made.headers["task"] = rng.choice(TASKS)


def _no_headers(rng: random.Random, made: Junk) -> None:
    made.headers = rng.choice([None, {}, {HIDDEN: 1}])


def _body(rng: random.Random, made: Junk) -> None:
    made.body = rng.choice(
        [
            b"",
            b"null",
            b"{}",
            b"[1]",
            b"[]",
            b"3",
            b"true",
            b'"' + HIDDEN.encode() + b'"',
            b"[[], {}, {}, {}]",
            b"[[], {}]",
            b"NaN",
            b"[[], {}, NaN]",
            b"{'" + HIDDEN.encode(),
            b"[" * DEEP,
            b'{"a":' * DEEP,
            b"[" * DEEP + b"]" * DEEP,
            b"9" * 6000,
            b"\xff\xfe\0",
            b'[[], {}, {"callbacks": [1]}]',
            b'[["\\ud800"], {}, {}]',
            b'[["\\u0000"], {}, {}]',
            b'{"__type__": "datetime", "__value__": 5}',
            b'{"__type__": [], "__value__": 5}',
            b'[[], {"__type__": "uuid", "__value__": {"x": 1}}, {}]',
            rng.randbytes(200),
        ]
    )


def _triple(rng: random.Random, made: Junk) -> None:
    triple: list[Any] = [["no-such"], {}, dict(EMBED)]
    triple[rng.randrange(3)] = rng.choice(VALUES)
    made.body = _json(triple)


def _arguments(rng: random.Random, made: Junk) -> None:
    args = [_value(rng) for _ in range(rng.randrange(4))]
    kwargs = {rng.choice(["hands", "account", "shard", ""]): _value(rng)}
    made.body = _json([args, rng.choice([{}, kwargs]), EMBED])


def _embed(rng: random.Random, made: Junk) -> None:
    name = rng.choice([*EMBED, "taskset", HIDDEN])
    made.body = _json([["no-such"], {}, {**EMBED, name: rng.choice(VALUES)}])


def _first_protocol(rng: random.Random, made: Junk) -> None:
    fields = {"task": rng.choice(TASKS), "id": "first", "args": ["no-such"], "kwargs": {}}
    name = rng.choice([*fields, *FIELDS, "eta", "expires"])
    made.headers = rng.choice([None, {}, made.headers])
    made.body = _json({**fields, name: rng.choice([*TIMES[:3], _value(rng)])})


def _content(rng: random.Random, made: Junk) -> None:
    made.content_type = rng.choice(CONTENT_TYPES)
    made.content_encoding = rng.choice(ENCODINGS)


def _compression(rng: random.Random, made: Junk) -> None:
    name, compress = rng.choice(COMPRESSIONS)
    if isinstance(made.headers, dict):
        made.headers["compression"] = name
        made.body = compress(made.body)


def _properties(rng: random.Random, made: Junk) -> None:
    made.properties[rng.choice(["correlation_id", "reply_to", "type", "message_id", "app_id"])] = (
        rng.choice(["", HIDDEN, "1", "好"])
    )


CHANGES: list[Callable[[random.Random, Junk], None]] = [
    _field,
    _field,
    _time,
    _no_field,
    _other_task,
    _no_headers,
    _body,
    _body,
    _triple,
    _arguments,
    _embed,
    _first_protocol,
    _content,
    _compression,
    _properties,
]


# Redis: a list of envelopes, or of whatever was pushed


def push_to_redis(client: redis.Redis, made: Iterator[Junk], *, seed: int) -> int:
    """Push each message, a third of them in an envelope that is none; return how many."""
    rng = random.Random(seed)
    count = 0
    for count, one in enumerate(made, start=1):
        client.lpush(names.QUEUE, _enveloped(rng, one, count))
    return count


def _enveloped(rng: random.Random, made: Junk, number: int) -> bytes:
    properties: dict[str, Any] = {
        **made.properties,
        "delivery_mode": 2,
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": f"tag-{number}",
        "delivery_info": {"exchange": "", "routing_key": names.QUEUE},
    }
    envelope: dict[str, Any] = {
        "body": base64.b64encode(made.body).decode(),
        "headers": made.headers,
        "content-type": made.content_type,
        "content-encoding": made.content_encoding,
        "properties": properties,
    }
    match rng.randrange(12):
        case 0:
            envelope[rng.choice([*envelope, HIDDEN])] = rng.choice(VALUES)
        case 1:
            del envelope[rng.choice([*envelope])]
        case 2:
            properties[rng.choice([*properties, HIDDEN])] = rng.choice(VALUES)
        case 3:
            del properties[rng.choice([*properties])]
        case 4:
            properties["delivery_info"][rng.choice(["exchange", "routing_key"])] = rng.choice(
                [*VALUES, "no-such"]
            )
            # Two messages may have one tag.
            properties["delivery_tag"] = f"tag-{number - 1}"
        case 5:
            return rng.choice(
                [
                    b"notjson",
                    b"",
                    b"null",
                    b"[]",
                    b"{}",
                    b"3",
                    HIDDEN.encode(),
                    b"\xff\xfe",
                    b"[" * DEEP,
                    b"9" * 6000,
                    rng.randbytes(300),
                    _json(envelope)[:-9],
                    b'{"__type__": "datetime", "__value__": 5}',
                    b'{"properties": {}}',
                ]
            )
    return _json(envelope)


# RabbitMQ: messages with properties, some of which no client can read


def _nested(depth: int) -> bytes:
    table = b""
    for _ in range(depth):
        table = b"\x01aF" + _table(table)
    return table


def _table(fields: bytes) -> bytes:
    return struct.pack(">I", len(fields)) + fields


#: Property flags and properties that RabbitMQ takes from a publisher.
UNREADABLE: list[bytes] = [
    b"\x80\x00\x02\xff\xfe",  # a content type that is no UTF-8
    b"\x04\x00\x03\xc3\x28\xff",  # a correlation id that is no UTF-8
    # Headers: a time in milliseconds, the latest of times, tables in tables.
    b"\x20\x00" + _table(b"\x04sentT" + struct.pack(">Q", 1_795_000_000_000)),
    b"\x20\x00" + _table(b"\x04sentT" + b"\xff" * 8),
    b"\x20\x00" + _table(_nested(2000)),
]


class _Unreadable(amqp.basic_message.Message):
    """A message with one of these."""

    raw = b""

    def _serialize_properties(self) -> bytes:
        return self.raw


def publish_to_rabbitmq(url: str, made: Iterator[Junk], *, seed: int) -> int:
    """Publish each message, a tenth of them with unreadable properties; return how many."""
    rng = random.Random(seed)
    at = make_url(url)
    count = 0
    with amqp.Connection(
        host=f"{at.host}:{at.port}",
        userid=at.username or "",
        password=at.password or "",
        virtual_host=at.database or "/",
        confirm_publish=True,
    ) as connection:
        channel = connection.channel()
        for count, one in enumerate(made, start=1):  # noqa: B007 - it is returned
            channel.basic_publish(_message(rng, one), exchange="", routing_key=names.QUEUE)
    return count


def _message(rng: random.Random, made: Junk) -> amqp.basic_message.Message:
    if not rng.randrange(10):
        unreadable = _Unreadable(made.body)
        unreadable.raw = rng.choice(UNREADABLE)
        return unreadable
    return amqp.basic_message.Message(
        made.body,
        content_type=made.content_type,
        content_encoding=made.content_encoding,
        application_headers=made.headers,
        **made.properties,
    )


# Compressed messages, for either broker


def publish_bombs(url: str, *, unpacked_bytes: int, queues: Sequence[str]) -> int:
    """Publish to each queue what is unpacked to so many bytes; return how many to each."""
    half = _zeros(zlib.compressobj(), unpacked_bytes // 2)
    whole = _zeros(zlib.compressobj(), unpacked_bytes)
    bombs = [
        Junk(headers={"compression": "application/x-gzip"}, body=whole),
        Junk(headers={"compression": "bzip2"}, body=_zeros(bz2.BZ2Compressor(), unpacked_bytes)),
        # An encoding of the text, by a name of Python's.
        Junk(headers={}, body=half, content_type="application/data", content_encoding="zlib"),
    ]
    with Connection(url) as connection, connection.Producer() as producer:
        for queue, one in product(queues, bombs):
            producer.publish(
                one.body,
                headers={"task": names.PLAN, "id": "bomb", **one.headers},
                content_type=one.content_type,
                content_encoding=one.content_encoding,
                exchange="",
                routing_key=queue,
            )
    return len(bombs)


def _zeros(packer: Any, count: int) -> bytes:
    portion = bytes(1_000_000)
    packed = b"".join(packer.compress(portion) for _ in range(count // len(portion)))
    return packed + bytes(packer.flush())
