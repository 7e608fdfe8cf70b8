"""Every mass, media, tag and follower call of werobot, one after the other.

Run by the Python of the clients: `werobot_client.py URL APPID SECRET`, as `wechatpy_client.py`.
"""

from __future__ import annotations

import io
import json
import sys

import requests
from werobot.client import Client, ClientException

WECHAT = "https://api.weixin.qq.com"


def main() -> None:
    base, appid, secret = sys.argv[1:]
    given = json.load(sys.stdin)
    request = requests.Session.request

    def redirected(session, method, url, **options):  # werobot names WeChat's host in every call
        return request(session, method, url.replace(WECHAT, base), **{"timeout": 30} | options)

    requests.Session.request = redirected
    calls = Trial(Client({"APP_ID": appid, "APP_SECRET": secret}), given).run()
    methods = [name for name, one in vars(Client).items() if callable(one) and name[0] != "_"]
    print(json.dumps({"calls": calls, "methods": methods}))


class Trial:
    def __init__(self, client, given):
        self.client, self.given, self.results = client, given, {}

    def call(self, name, *arguments, label=None):
        """Note how a call ended, and return what it gave."""
        label = label or name
        try:
            value = getattr(self.client, name)(*arguments)
        except ClientException as error:
            self.results[label] = {"ok": False, "why": str(error)}
        except Exception as error:
            self.results[label] = {"ok": False, "why": f"{type(error).__name__}: {error}"}
        else:
            self.results[label] = {"ok": True, "value": repr(value)[:200]}
            return value
        return None

    def file(self, name):
        held = io.BytesIO(bytes.fromhex(self.given["files"][name]))
        held.name = f"a.{name}"
        return held

    def run(self):
        client = self.call
        client("grant_token")
        client("get_access_token")
        media = self.media()
        self.followers()
        self.mass(media and media["media_id"])
        return self.results

    def media(self):
        client = self.call
        media = client("upload_media", "image", self.file("jpeg"))
        client("download_media", media and media["media_id"])
        client("upload_news_picture", self.file("jpeg"))
        kept = client("upload_permanent_media", "image", self.file("jpeg"))
        client("upload_permanent_video", "标题", "简介", self.file("mp4"))
        client("download_permanent_media", kept and kept["media_id"])
        client("get_media_count")
        client("get_media_list", "image", 0, 20)
        client("delete_permanent_media", kept and kept["media_id"])
        client("add_news", [])
        client("update_news", {"media_id": "x", "index": 0, "articles": {}})
        client("upload_news", [])
        return media

    def followers(self):
        openids, client = self.given["openids"], self.call
        client("get_followers")
        client("get_user_info", openids[0])
        client("get_users_info", openids[:3])
        client("remark_user", openids[0], "老客户")
        tag = client("create_tag", "VIP") or {"tag": {"id": 0}}
        tag_id = tag["tag"]["id"]
        client("get_tags")
        client("update_tag", tag_id, "会员")
        client("tag_users", tag_id, openids[:3])
        client("get_users_by_tag", tag_id)
        client("get_tags_by_user", openids[0])
        client("send_mass_msg", "text", "按标签", tag_id, label="send_mass_msg(text, tag)")
        client("untag_users", tag_id, openids[:3])
        client("delete_tag", tag_id)
        client("create_group", "VIP")
        client("get_groups")
        client("get_group_by_id", openids[0])
        client("update_group", 100, "会员")
        client("move_user", openids[0], 100)
        client("move_users", openids[:2], 100)
        client("delete_group", 100)

    def mass(self, image):
        openids, client = self.given["openids"], self.call
        sent = client(
            "send_mass_msg",
            "text",
            "周五开课",
            openids,
            False,
            "werobot-1",
            label="send_mass_msg(text, openids)",
        )
        client("send_mass_msg", "image", image, openids, label="send_mass_msg(image, openids)")
        draft = self.given["draft"]
        client("send_mass_msg", "mpnews", draft, openids, label="send_mass_msg(mpnews, openids)")
        word = client("upload_media", "voice", self.file("amr"), label="upload_media(voice)")
        voice = word and word["media_id"]
        client("send_mass_msg", "voice", voice, openids, label="send_mass_msg(voice, openids)")
        client("send_mass_msg", "wxcard", "pCARD", openids, label="send_mass_msg(wxcard, openids)")
        client("send_mass_msg", "text", "致所有人", label="send_mass_msg(text, all)")
        client("send_mass_preview_to_user", "text", "预览", openids[0])
        client("get_mass_msg_status", sent and sent["msg_id"])
        client("delete_mass_msg", self.given["ended"])
        client("get_mass_msg_speed")
        client("set_mass_msg_speed", 2)


if __name__ == "__main__":
    main()
