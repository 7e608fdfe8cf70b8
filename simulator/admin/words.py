"""Words of the page at `/`, in both languages. A table is its title and its columns."""

from __future__ import annotations

from typing import TypeAlias

Words: TypeAlias = dict[str, str]

WORDS: dict[str, Words] = {
    "en": {
        "title": "WeChat simulator",
        "figures": "Clock {now} ({shift} s). {calls} calls, {jobs} mass sends, {running} running.",
        "who": "What did this follower get? OpenID",
        "show": "Show",
        "none": "none",
        "story": "This follower got|Account|msg_id|To|Content",
        "accounts": (
            "Accounts|Name|appid|Kind|Followers|Mass calls today|Deliveries|Got several|Callback"
        ),
        "faults": "Faults|No.|Fault|Path|appid|Seen|Hit",
        "switches": "Switches that are not at their default|Switch|Now|Default",
        "jobs": (
            "Mass sends, newest first|msg_id|Account|To|Content|mass/get|Ends"
            "|Total / left / sent / failed|clientmsgid"
        ),
        "pushes": "Pushes, newest first|No.|Event|Form|State|Tries|Answer",
        "calls": "Calls, newest first|No.|Time|Account|Path|errcode|msg_id|Fault",
    },
    "zh": {
        "title": "微信模拟器",
        "figures": (
            "时钟 {now}（{shift} 秒）。收到 {calls} 次调用，{jobs} 次群发，{running} 次进行中。"
        ),
        "who": "这位粉丝收到了什么？OpenID",
        "show": "查看",
        "none": "无",
        "story": "这位粉丝收到|账号|msg_id|范围|内容",
        "accounts": "账号|名称|appid|类型|粉丝数|今日群发调用|送达次数|收到一条以上的粉丝|回调",
        "faults": "故障|编号|故障|路径|appid|经过|命中",
        "switches": "不是默认值的开关|开关|当前|默认",
        "jobs": (
            "群发，最新在前|msg_id|账号|范围|内容|mass/get|结束"
            "|总数 / 过滤后 / 成功 / 失败|clientmsgid"
        ),
        "pushes": "推送，最新在前|编号|事件|形式|状态|次数|应答",
        "calls": "调用，最新在前|编号|时间|账号|路径|errcode|msg_id|故障",
    },
}
