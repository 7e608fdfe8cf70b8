"""A callback server of werobot: `werobot_server.py TOKEN KEY APPID`.

It prints its port, then a line of JSON for each push that a handler was given.
"""

from __future__ import annotations

import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from werobot import WeRoBot

TOKEN, KEY, APPID = sys.argv[1:]
robot = WeRoBot(token=TOKEN, encoding_aes_key=KEY, app_id=APPID, SESSION_STORAGE=False)


def note(message):
    shown = {"type": message.type, "source": message.source}
    if hasattr(message, "content"):
        shown["content"] = message.content
    print(json.dumps(shown), flush=True)


@robot.text
def text(message):
    note(message)
    return f"收到：{message.content}"


@robot.handler
def everything_else(message):
    note(message)


class Quiet(WSGIRequestHandler):
    def log_message(self, *words):
        pass


server = make_server("127.0.0.1", 0, robot.wsgi, handler_class=Quiet)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
