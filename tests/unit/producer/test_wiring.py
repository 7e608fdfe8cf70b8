"""What a process imports of the wiring: whoever only looks at the database pays for no WeChat."""

from __future__ import annotations

import subprocess
import sys


def test_the_store_is_wired_without_redis_wechat_and_celery() -> None:
    code = "import sys, producer.wiring.store_parts; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    there = {name.partition(".")[0] for name in done.stdout.split()}
    assert there & {"celery", "kombu", "pydantic", "redis", "requests", "sqlalchemy"} == set()
