"""Every mass, media, tag and follower call of wechatpy, one after the other.

Run by the Python of the clients: `wechatpy_client.py URL APPID SECRET`, with a JSON object of
OpenIDs and files on standard input. The last line of the output says how each call ended, and which
methods the client's modules for it have.
"""

from __future__ import annotations

import functools
import io
import json
import sys

import requests
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatException

WECHAT = "https://api.weixin.qq.com"
MODULES = ("media", "material", "user", "group", "tag", "message")
COMMENTS = (
    "markelect_comment",
    "unmarkelect_comment",
    "delete_comment",
    "delete_reply_comment",
)


def main() -> None:
    base, appid, secret = sys.argv[1:]
    request = requests.Session.request

    def redirected(session, method, url, **options):  # its token call names WeChat's host
        return request(session, method, url.replace(WECHAT, base), **options)

    requests.Session.request = redirected
    given = json.load(sys.stdin)
    client = WeChatClient(appid, secret, timeout=240)
    print(json.dumps({"calls": Trial(client, given).run(), "methods": methods(client)}))


def methods(client):
    return [
        f"{module}.{name}"
        for module in MODULES
        for name, method in vars(type(getattr(client, module))).items()
        if callable(method) and not name.startswith("_")
    ]


class Trial:
    def __init__(self, client, given):
        self.client, self.given, self.results = client, given, {}
        self.openids = given["openids"]

    def call(self, name, work):
        """Note how a call ended, and return what it gave."""
        try:
            value = work()
        except WeChatException as error:
            self.results[name] = {"ok": False, "why": f"{error.errcode} {error.errmsg}"}
        except Exception as error:
            self.results[name] = {"ok": False, "why": f"{type(error).__name__}: {error}"}
        else:
            self.results[name] = {"ok": True, "value": repr(value)[:200]}
            return value
        return None

    def file(self, name):
        return (f"a.{name}", io.BytesIO(bytes.fromhex(self.given["files"][name])))

    def run(self):
        self.token()
        media = self.media()
        self.material()
        self.comments()
        self.followers()
        self.groups()
        self.tags()
        self.mass(media)
        return self.results

    def token(self):
        self.call("client.fetch_access_token", self.client.fetch_access_token)

    def media(self):
        api = self.client.media
        ids = {}
        for kind, name in (
            ("image", "jpeg"),
            ("voice", "amr"),
            ("video", "mp4"),
            ("thumb", "jpeg"),
        ):
            upload = functools.partial(api.upload, kind, self.file(name))
            reply = self.call(f"media.upload({kind})", upload)
            ids[kind] = reply and reply["media_id"]
        self.call("media.download", lambda: api.download(ids["image"]).content)
        address = self.call("media.get_url", lambda: api.get_url(ids["image"]))
        assert requests.get(address, timeout=30).content == bytes.fromhex(
            self.given["files"]["jpeg"]
        )
        for name in ("upload_image", "upload_mass_image"):
            self.call(f"media.{name}", lambda name=name: getattr(api, name)(self.file("jpeg")))
        made = self.call("media.upload_video", lambda: api.upload_video(ids["video"], "t", "d"))
        ids["mpvideo"] = made and made["media_id"]
        article = {"thumb_media_id": "x", "title": "t", "content": "c"}
        self.call("media.upload_articles", lambda: api.upload_articles([article]))
        return ids

    def material(self):
        api = self.client.material
        reply = self.call("material.add(image)", lambda: api.add("image", self.file("jpeg")))
        video = lambda: api.add("video", self.file("mp4"), "标题", "简介")  # noqa: E731
        self.call("material.add(video)", video)
        media_id = reply and reply["media_id"]
        self.call("material.get", lambda: api.get(media_id))
        self.call("material.batchget", lambda: api.batchget("image"))
        self.call("material.get_count", api.get_count)
        self.call("material.delete", lambda: api.delete(media_id))
        article = {"thumb_media_id": "x", "title": "t", "content": "c"}
        self.call("material.add_articles", lambda: api.add_articles([article]))
        self.call("material.update_article", lambda: api.update_article(media_id, 0, article))
        self.call("material.update_articles", lambda: api.update_articles(media_id, 0, [article]))

    def comments(self):
        api, one = self.client.material, self.given["ended"]
        for name in ("open_comment", "close_comment", "list_comment"):
            self.call(f"material.{name}", functools.partial(getattr(api, name), one))
        for name in COMMENTS:
            self.call(f"material.{name}", functools.partial(getattr(api, name), one, 1, 1))
        self.call("material.add_reply_comment", lambda: api.add_reply_comment(one, 1, 1, "谢谢"))

    def followers(self):
        api, openids = self.client.user, self.openids
        self.call("user.get", lambda: api.get(openids[0]))
        self.call("user.get_batch", lambda: api.get_batch(openids[:3]))
        self.call("user.get_followers", api.get_followers)
        self.call("user.iter_followers", lambda: len(list(api.iter_followers())))
        self.call("user.update_remark", lambda: api.update_remark(openids[0], "老客户"))
        self.call("user.get_group_id", lambda: api.get_group_id(openids[0]))
        self.call("user.change_openid", lambda: api.change_openid("wx0000000000000009", openids))

    def groups(self):
        api, openid = self.client.group, self.openids[0]
        self.call("group.create", lambda: api.create("VIP"))
        self.call("group.get", api.get)
        self.call("group.get(openid)", lambda: api.get(openid))
        self.call("group.update", lambda: api.update(100, "会员"))
        self.call("group.move_user", lambda: api.move_user(openid, 100))
        self.call("group.move_user(list)", lambda: api.move_user([openid], 100))
        self.call("group.delete", lambda: api.delete(100))

    def tags(self):
        api, openids = self.client.tag, self.openids
        tag = self.call("tag.create", lambda: api.create("VIP")) or {"id": 0}
        tag_id = tag["id"]
        self.call("tag.get", api.get)
        self.call("tag.update", lambda: api.update(tag_id, "会员"))
        self.call("tag.tag_user", lambda: api.tag_user(tag_id, openids[:3]))
        self.call("tag.get_user_tag", lambda: api.get_user_tag(openids[0]))
        self.call("tag.get_tag_users", lambda: api.get_tag_users(tag_id))
        self.call("tag.iter_tag_users", lambda: list(api.iter_tag_users(tag_id)))
        self.call("tag.untag_user", lambda: api.untag_user(tag_id, openids[:2]))
        self.call("tag.batch_black_list", lambda: api.batch_black_list(openids[-2:]))
        self.call("tag.get_black_list", api.get_black_list)
        self.call("tag.batch_unblack_list", lambda: api.batch_unblack_list(openids[-2:]))
        mass = lambda: self.client.message.send_mass_text(tag_id, "按标签")  # noqa: E731
        self.call("message.send_mass_text(tag)", mass)
        self.call("tag.delete", lambda: api.delete(tag_id))

    def mass(self, media):
        api, openids = self.client.message, self.openids
        sent = self.call(
            "message.send_mass_text(openids)",
            lambda: api.send_mass_text(openids, "周五开课", client_msg_id="wechatpy-1"),
        )
        self.call(
            "message.send_mass_image(openids)",
            lambda: api.send_mass_image(openids, media["image"]),
        )
        self.call(
            "message.send_mass_voice(openids)",
            lambda: api.send_mass_voice(openids, media["voice"]),
        )
        self.call(
            "message.send_mass_video(openids)",
            lambda: api.send_mass_video(openids, media["mpvideo"], "t", "d"),
        )
        self.call(
            "message.send_mass_article(openids)",
            lambda: api.send_mass_article(openids, self.given["draft"]),
        )
        self.call("message.send_mass_card(openids)", lambda: api.send_mass_card(openids, "pCARD"))
        self.call(
            "message.send_mass_text(all)",
            lambda: api.send_mass_text(None, "致所有人", is_to_all=True),
        )
        self.call(
            "message.send_mass_text(preview)",
            lambda: api.send_mass_text(openids[0], "预览", preview=True),
        )
        openid, draft = openids[0], self.given["draft"]
        for kind, *content in (
            ("image", media["image"]),
            ("voice", media["voice"]),
            ("video", media["mpvideo"], "t", "d"),
            ("article", draft),
            ("card", "pCARD"),
        ):
            send = functools.partial(getattr(api, f"send_mass_{kind}"), openid, *content)
            self.call(f"message.send_mass_{kind}(preview)", functools.partial(send, preview=True))
        self.call("message.get_mass", lambda: api.get_mass(sent["msg_id"]))
        self.call("message.delete_mass", lambda: api.delete_mass(self.given["ended"]))


if __name__ == "__main__":
    main()
