"""The shadow run: one story of faults and commands, told to an older version and to this one."""

from __future__ import annotations

#: The version that this one is compared with. It moves only in a commit that means to change who
#: gets what, which keys are used, or how a broadcast ends, and says so.
COMMIT = "11b22a6eb9250857351534345593db1a968ea3e7"
