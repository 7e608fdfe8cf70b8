"""Pushes made by wechatpy's crypto: `wechatpy_sender.py URL TOKEN KEY APPID`.

A text in safe mode is posted; the answer is decrypted and parsed. The last line of the output is
the content of the answer.
"""

from __future__ import annotations

import json
import sys
import time

import requests
from wechatpy import parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import WeChatSigner
from xmltodict import parse

URL, TOKEN, KEY, APPID = sys.argv[1:]
TEXT = (
    "<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName>"
    "<FromUserName><![CDATA[oTEST0000000000000000000001A]]></FromUserName>"
    "<CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
    "<Content><![CDATA[你好]]></Content><MsgId>24000000000000001</MsgId></xml>"
)


def signed(*words):
    signer = WeChatSigner()
    signer.add_data(*words)
    return signer.signature


crypto, now, nonce = WeChatCrypto(TOKEN, KEY, APPID), str(int(time.time())), "486452656"
sealed = parse(crypto.encrypt_message(TEXT.format(now=now), nonce, now))["xml"]
query = {
    "signature": signed(TOKEN, now, nonce),
    "timestamp": now,
    "nonce": nonce,
    "encrypt_type": "aes",
    "msg_signature": sealed["MsgSignature"],
}
body = "<xml><ToUserName><![CDATA[gh_0]]></ToUserName><Encrypt><![CDATA[{}]]></Encrypt></xml>"
answer = requests.post(URL, params=query, data=body.format(sealed["Encrypt"]), timeout=240)
reply = parse(answer.text)["xml"]
words = reply["MsgSignature"], reply["TimeStamp"], reply["Nonce"]
message = parse_message(crypto.decrypt_message(answer.text, *words))
print(json.dumps({"type": message.type, "target": message.target, "content": message.content}))
