"""A program with the client that was generated from the OpenAPI document.

`generated_client.py FOLDER URL KEY`: submits, uploads, looks, stops; prints what it was answered.
"""

from __future__ import annotations

import io
import json
import sys

sys.path.insert(0, sys.argv[1])

from we_chat_broadcast_client import AuthenticatedClient
from we_chat_broadcast_client.api.accounts import list_accounts
from we_chat_broadcast_client.api.broadcasts import get_broadcast, list_broadcasts, submit, upload
from we_chat_broadcast_client.api.controls import cancel, pause
from we_chat_broadcast_client.models import BroadcastRequest, Word
from we_chat_broadcast_client.types import File

client = AuthenticatedClient(base_url=sys.argv[2], token=sys.argv[3], timeout=60)
content = {"msgtype": "text", "text": {"content": "hello"}}
people = [f"oGenerated{n:018}" for n in range(4)]


def request(audience):
    return BroadcastRequest.from_dict({"content": content, "audience": audience})


inline = submit.sync_detailed(
    client=client, body=request({"openids": people[:2]}), idempotency_key="generated"
)
again = submit.sync_detailed(
    client=client, body=request({"openids": people[:2]}), idempotency_key="generated"
)
refused = submit.sync_detailed(
    client=client, body=request({"openids": people[1:3]}), idempotency_key="generated"
)
reserved = submit.sync(client=client, body=request({"upload": True}), idempotency_key="uploaded")
uploaded = upload.sync_detailed(
    reserved.id, client=client, body=File(payload=io.BytesIO("\n".join(people[2:]).encode()))
)
paused = pause.sync(inline.parsed.id, client=client, body=Word(why="wrong link"))
cancelled = cancel.sync(inline.parsed.id, client=client, body=Word())
looked = get_broadcast.sync(inline.parsed.id, client=client)
listed = list_broadcasts.sync(client=client, limit=10)
accounts = list_accounts.sync(client=client)
print(json.dumps({
    "submits": [int(one.status_code) for one in (inline, again, refused)],
    "refusal": refused.parsed.type_, "upload": [int(uploaded.status_code), uploaded.parsed.state],
    "paused": [paused.changed, paused.state], "cancelled": cancelled.state, "looked": looked.state,
    "listed": len(listed.broadcasts), "accounts": [one.name for one in accounts.accounts],
}))  # fmt: skip
