"""A script that names WeChat's host, run against a stand-in: `redirected.py URL SCRIPT WORD…`."""

from __future__ import annotations

import runpy
import sys

import requests

WECHAT = "https://api.weixin.qq.com"
base = sys.argv[1]
request = requests.Session.request


def redirected(session, method, url, **options):
    return request(session, method, url.replace(WECHAT, base), **options)


requests.Session.request = redirected
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
