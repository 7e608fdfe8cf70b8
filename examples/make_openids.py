"""Makes `openids.csv`: what a marketing department exports, with the usual blemishes.

30,001 followers of the demo's account, 12 of them twice and 5 lines that are no OpenIDs.
Usage: python examples/make_openids.py > examples/openids.csv
"""

from __future__ import annotations

import random
import subprocess
import sys

FOLLOWERS = 30_001
APPID = "wxdem0000000000001"
MALFORMED = ("张三", "oDEMO-too-short", "无", "13800138000", "o" * 29)


def main() -> None:
    """Print the file."""
    made = subprocess.run(  # noqa: S603 - our own program
        [
            sys.executable,
            "-m",
            "simulator",
            "followers",
            "--appid",
            APPID,
            "--count",
            str(FOLLOWERS),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    chance = random.Random(20261125)  # noqa: S311 - the same file each time
    openids = made.stdout.split()
    lines = openids + chance.sample(openids, 12) + list(MALFORMED)
    chance.shuffle(lines)
    print("openid", *lines, sep="\n")


if __name__ == "__main__":
    main()
