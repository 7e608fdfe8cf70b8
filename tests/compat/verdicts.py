"""Which calls of the clients end in a refusal, why, and the table of it for the pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- clients -->\n", "<!-- end of clients -->\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What the client says, and why, in both languages."""

    says: str
    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """Methods beside those for mass sends, media, tags and followers, and what they are for."""

    names: tuple[str, ...]
    en: str
    zh: str


DRAFTS = Reason(
    says="This API has been unsupported",
    en="45103: WeChat replaced it by drafts in 2022",
    zh="45103：微信 2022 年已改用草稿箱",
)
GROUPS = Reason(
    says="invalid url",
    en="40066: groups were replaced by tags and are not here",
    zh="40066：分组已被标签取代，这里没有",
)
COMMENTS = Reason(
    says="invalid url",
    en="40066: comments on articles are not here",
    zh="40066：这里没有文章留言",
)
MIGRATION = Reason(
    says="invalid url",
    en="40066: the move of followers to another account is not here",
    zh="40066：这里没有账号迁移",
)
GROUP_ID = Reason(
    says="45159",
    en="45159: the client writes `group_id`, which WeChat renamed `tag_id` in 2016",
    zh="45159：客户端写的是 `group_id`，微信 2016 年已改名 `tag_id`",
)

CLIENTS = {
    "wechatpy_client.py": "wechatpy 1.8.18 (Python)",
    "werobot_client.py": "werobot 1.13.1 (Python)",
    "node_client.js": "co-wechat-api 3.11.0 (Node)",
}
REFUSED: dict[str, dict[str, Reason]] = {
    "wechatpy_client.py": {
        "media.upload_articles": DRAFTS,
        "material.add_articles": DRAFTS,
        "material.update_article": DRAFTS,
        "material.update_articles": DRAFTS,
        **dict.fromkeys(
            (
                "material.open_comment",
                "material.close_comment",
                "material.list_comment",
                "material.markelect_comment",
                "material.unmarkelect_comment",
                "material.delete_comment",
                "material.delete_reply_comment",
                "material.add_reply_comment",
            ),
            COMMENTS,
        ),
        **dict.fromkeys(
            (
                "user.get_group_id",
                "group.create",
                "group.get",
                "group.get(openid)",
                "group.update",
                "group.move_user",
                "group.move_user(list)",
                "group.delete",
            ),
            GROUPS,
        ),
        "user.change_openid": MIGRATION,
        "message.send_mass_text(tag)": GROUP_ID,
    },
    "werobot_client.py": {
        **dict.fromkeys(("add_news", "update_news", "upload_news"), DRAFTS),
        **dict.fromkeys(
            (
                "create_group",
                "get_groups",
                "get_group_by_id",
                "update_group",
                "move_user",
                "move_users",
                "delete_group",
            ),
            GROUPS,
        ),
    },
    "node_client.js": {
        **dict.fromkeys(("uploadNews", "uploadNewsMaterial", "updateNewsMaterial"), DRAFTS),
        **dict.fromkeys(
            (
                "getGroups",
                "getWhichGroup",
                "createGroup",
                "updateGroup",
                "moveUserToGroup",
                "moveUsersToGroup",
                "removeGroup",
            ),
            GROUPS,
        ),
    },
}
APART: dict[str, tuple[Apart, ...]] = {
    "wechatpy_client.py": (
        Apart(
            names=(
                "message.send_text",
                "message.send_image",
                "message.send_voice",
                "message.send_video",
                "message.send_music",
                "message.send_articles",
                "message.send_link",
                "message.send_card",
                "message.send_mini_program_page",
                "message.send_msg_menu",
            ),
            en="not tried: custom messages are not here",
            zh="未试：这里没有客服消息",
        ),
        Apart(
            names=(
                "message.send_template",
                "message.get_subscribe_authorize_url",
                "message.send_subscribe_template",
                "message.send_subscribe_message",
            ),
            en="not tried: template and subscription messages are not here",
            zh="未试：这里没有模板消息和订阅消息",
        ),
        Apart(
            names=("message.get_autoreply_info",),
            en="not tried: auto-replies are not here",
            zh="未试：这里没有自动回复",
        ),
    ),
    "werobot_client.py": (
        Apart(
            names=("request", "get", "post"),
            en="every other call goes through them",
            zh="其他调用都经过它们",
        ),
        Apart(
            names=(
                "create_menu",
                "get_menu",
                "delete_menu",
                "create_custom_menu",
                "delete_custom_menu",
                "match_custom_menu",
                "get_custom_menu_config",
            ),
            en="not tried: menus are not here",
            zh="未试：这里没有自定义菜单",
        ),
        Apart(
            names=(
                "add_custom_service_account",
                "update_custom_service_account",
                "delete_custom_service_account",
                "upload_custom_service_account_avatar",
                "get_custom_service_account_list",
                "get_online_custom_service_account_list",
                "send_text_message",
                "send_image_message",
                "send_voice_message",
                "send_video_message",
                "send_music_message",
                "send_article_message",
                "send_news_message",
                "send_miniprogrampage_message",
            ),
            en="not tried: custom messages are not here",
            zh="未试：这里没有客服消息",
        ),
        Apart(
            names=("create_qrcode", "show_qrcode", "send_template_message", "get_ip_list"),
            en="not tried: QR codes, template messages and lists of servers are not here",
            zh="未试：这里没有二维码、模板消息和服务器列表",
        ),
    ),
    "node_client.js": (),
}
_WORKS = {"en": "works", "zh": "可用"}
_HEAD = {"en": "| call | result |", "zh": "| 调用 | 结果 |"}


def table(results: dict[str, dict[str, Any]], language: str) -> str:
    """Return one table a client, in Markdown."""
    lines: list[str] = []
    for driver, calls in results.items():
        lines += [f"### {CLIENTS[driver]}", "", _HEAD[language], "| --- | --- |"]
        for call in calls:
            reason = REFUSED[driver].get(call)
            lines.append(
                f"| `{call}` | {getattr(reason, language) if reason else _WORKS[language]} |"
            )
        for apart in APART[driver]:
            named = ", ".join(f"`{name}`" for name in apart.names)
            lines.append(f"| {named} | {getattr(apart, language)} |")
        lines.append("")
    return "\n".join(lines)


def page_of(language: str) -> Path:
    """Return the page that shows the table."""
    return ROOT / "docs" / ("simulator.md" if language == "en" else f"simulator.{language}.md")
