"""The baseline: what a script would do, without a ledger, without a promise.

Reads a file, drops malformed lines and duplicates, posts batches of 10,000, counts errcode 0.
Usage: python benchmarks/bare_loop.py FILE API_BASE APPID SECRET
"""

from __future__ import annotations

import json
import re
import sys

import requests

OPENID = re.compile(r"[A-Za-z0-9_-]{28}")


def main(path: str, base: str, *, appid: str, secret: str) -> None:
    """Send the file."""
    with open(path, encoding="ascii") as file:  # noqa: PTH123 - as a script would
        lines = (line.strip() for line in file)
        openids = list(dict.fromkeys(line for line in lines if OPENID.fullmatch(line)))
    session = requests.Session()
    body = {"grant_type": "client_credential", "appid": appid, "secret": secret}
    token = session.post(f"{base}/cgi-bin/stable_token", json=body, timeout=30).json()
    url = f"{base}/cgi-bin/message/mass/send?access_token={token['access_token']}"
    accepted = 0
    for start in range(0, len(openids), 10_000):
        batch = openids[start : start + 10_000]
        message = {"touser": batch, "msgtype": "text", "text": {"content": "基准"}}
        message["clientmsgid"] = f"bare-{start}"
        data = json.dumps(message, ensure_ascii=False).encode()
        answer = session.post(url, data=data, timeout=30).json()
        accepted += len(batch) if answer["errcode"] == 0 else 0
    print(accepted)


if __name__ == "__main__":
    main(*sys.argv[1:3], appid=sys.argv[3], secret=sys.argv[4])
