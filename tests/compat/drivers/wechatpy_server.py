"""A callback server as wechatpy's documentation shows it: `wechatpy_server.py TOKEN KEY APPID`.

It prints its port, answers a text with its own content, and everything else with nothing. Each
push that it has read is a line of JSON on standard output.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from wechatpy import create_reply, parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import check_signature

TOKEN, KEY, APPID = sys.argv[1:]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        query = self.query()
        check_signature(TOKEN, query["signature"], query["timestamp"], query["nonce"])
        self.answer(query["echostr"])

    def do_POST(self):
        query, body = self.query(), self.rfile.read(int(self.headers["content-length"])).decode()
        check_signature(TOKEN, query["signature"], query["timestamp"], query["nonce"])
        crypto = WeChatCrypto(TOKEN, KEY, APPID) if query.get("encrypt_type") == "aes" else None
        words = query["timestamp"], query["nonce"]
        if crypto:
            body = crypto.decrypt_message(body, query["msg_signature"], *words)
        message = parse_message(body)
        shown = {"type": message.type, "source": message.source, "target": message.target}
        for name in ("event", "content", "id", "status", "total_count", "filter_count"):
            if hasattr(message, name):
                shown[name] = getattr(message, name)
        print(json.dumps(shown, default=str), flush=True)
        if message.type != "text":
            self.answer("success")
            return
        reply = create_reply(f"收到：{message.content}", message).render()
        nonce = query["nonce"]
        self.answer(crypto.encrypt_message(reply, nonce, query["timestamp"]) if crypto else reply)

    def query(self):
        return {name: one[0] for name, one in parse_qs(urlsplit(self.path).query).items()}

    def answer(self, text):
        self.send_response(200)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
