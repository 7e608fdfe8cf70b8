"""A program with the client that was generated from the OpenAPI document.

`generated_client.py FOLDER URL KEY`: submits, uploads, looks, pages, follows, stops; prints what it
was answered.
"""

from __future__ import annotations

import io
import json
import sys

sys.path.insert(0, sys.argv[1])

from we_chat_broadcast_client import AuthenticatedClient
from we_chat_broadcast_client.api.accounts import list_accounts
from we_chat_broadcast_client.api.broadcasts import (
    events,
    get_broadcast,
    list_broadcasts,
    recipients,
    submit,
    upload,
)
from we_chat_broadcast_client.api.campaigns import (
    add_campaign,
    edit_campaign,
    list_campaigns,
    remove_campaign,
)
from we_chat_broadcast_client.api.controls import cancel, pause
from we_chat_broadcast_client.models import (
    BroadcastRequest,
    CampaignChange,
    Control,
    NewCampaign,
    RecipientsSetItem,
)
from we_chat_broadcast_client.types import UNSET, File

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


def uploaded(openids):
    body = File(payload=io.BytesIO("\n".join(openids).encode()))
    return upload.sync_detailed(reserved.id, client=client, body=body)


def pages():
    cursor = UNSET
    while cursor is not None:
        page = list_broadcasts.sync(client=client, limit=1, cursor=cursor)
        yield [one.id for one in page.broadcasts]
        cursor = page.next_


uploads = [uploaded(people[2:]), uploaded(people[2:]), uploaded(people[1:])]
paused = pause.sync(inline.parsed.id, client=client, body=Control(why="wrong link"))
cancelled = cancel.sync(inline.parsed.id, client=client, body=Control())
looked = get_broadcast.sync(inline.parsed.id, client=client)
followed = events.sync(inline.parsed.id, client=client)
rows = recipients.sync(reserved.id, client=client, set_=[RecipientsSetItem("waiting")])
unknown = get_broadcast.sync_detailed("nobody", client=client)
accounts = list_accounts.sync(client=client)
weekly = NewCampaign.from_dict(
    {"name": "weekly", "cron": "0 20 * * 5", "content": content, "audience": {"tag_id": 2}}
)
added = add_campaign.sync(client=client, body=weekly)
edited = edit_campaign.sync(
    "weekly", client=client, body=CampaignChange.from_dict({"cron": "0 19 * * 5", "version": 1})
)
listed = list_campaigns.sync(client=client)
removed = remove_campaign.sync("weekly", client=client)
print(
    json.dumps(
        {
            "submits": [int(one.status_code) for one in (inline, again, refused)],
            "refusal": refused.parsed.type_,
            "field": refused.parsed.field,
            "uploads": [int(one.status_code) for one in uploads],
            "uploaded": uploads[0].parsed.state,
            "paused": [paused.changed, paused.state],
            "cancelled": cancelled.state,
            "looked": looked.state,
            "followed": [line for line in followed.splitlines() if line.startswith("event")],
            "rows": len(rows.splitlines()),
            "unknown": [unknown.parsed.status, unknown.parsed.fix != ""],
            "pages": list(pages()) == [[reserved.id], [inline.parsed.id]],
            "campaigns": [
                added.state,
                edited.version,
                [one.name for one in listed.campaigns],
                removed.state,
            ],
            "accounts": [one.name for one in accounts.accounts],
        }
    )
)
