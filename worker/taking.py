"""Taking a message of another program out of Redis so that no kill loses it.

Kombu pops a message (BRPOP), and then notes it as taken and not yet acknowledged. Whoever is killed
in between takes it along. A wake can be lost, for the database remembers; what another program asks
for stands nowhere else. So it is popped and noted by one script, and while there is nothing, only
the other queues are waited for: a message waits up to ``LONGEST_WAIT_S`` for the next look.

What is no message of kombu's goes, in that script, to a list of its own, where :mod:`worker.unread`
takes it from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from broadcast import names

LONGEST_WAIT_S: Final = 0.5
#: Of kombu's own form: the message, its exchange and its routing key, by its delivery tag; and when
#: it was taken. By these two it goes back to its queue, whatever its sender wrote there. One whose
#: tag another has that is not acknowledged is noted under a new tag, or its note would replace the
#: first: nothing waits for another. Of what is no message, some are put aside at a time, and the
#: other queues come next. Halves of characters, which cjson refuses, stand in what Celery shows of
#: a good task's arguments.
_TAKE: Final = r"""
local function tag_of(item)
  local read, message = pcall(cjson.decode, item)
  local unsure = not read
  if unsure then
    local whole = string.gsub(string.gsub(item, '\\\\', '?'), '\\u[dD][89a-fA-F]%x%x', '?')
    read, message = pcall(cjson.decode, whole)
  end
  local properties = read and type(message) == 'table' and message.properties
  local where = type(properties) == 'table' and properties.delivery_info
  if type(where) ~= 'table' then return end
  if type(where.exchange) ~= 'string' or type(where.routing_key) ~= 'string' then return end
  local tag = properties.delivery_tag
  return type(tag) == 'string' and (not unsure or not string.find(tag, '?', 1, true)) and tag
end
local aside = '0'
for n = 4, #KEYS do
  for _ = 1, 100 do
    local item = redis.call('RPOP', KEYS[n])
    if not item then break end
    if ARGV[n - 2] == '0' then return {KEYS[n], item, '', aside} end
    local tag = tag_of(item)
    if not tag then
      redis.call('LPUSH', KEYS[3], item)
      aside = '1'
    else
      local now, own, count = redis.call('TIME'), tag, 0
      while redis.call('HEXISTS', KEYS[1], tag) == 1 do
        count = count + 1
        tag = string.sub(own, 1, 100) .. ' ' .. now[1] .. '.' .. now[2] .. '.' .. count
      end
      redis.call('HSET', KEYS[1], tag, '[' .. item .. ARGV[1])
      redis.call('ZADD', KEYS[2], now[1] .. '.' .. string.format('%06d', now[2]), tag)
      return {KEYS[n], item, tag, aside}
    end
  end
end
return aside == '1' and {'', '', '', aside}
"""
#: What was noted as above, and cannot be read after all.
_PUT_ASIDE: Final = """
local held = redis.call('HGET', KEYS[1], ARGV[2])
if not held or string.sub(held, -#ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('LPUSH', KEYS[3], string.sub(held, 2, -#ARGV[1] - 1))
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1
"""
_ENDS: Final = f',"",{json.dumps(names.ENQUEUE)}]'


def take(
    queues: Sequence[tuple[str, bool]], *, unacked: str, unacked_index: str, unread: str
) -> list[str | int]:
    """Return the command that takes the first message of *queues*, each with whether it is noted.

    It is answered by the queue, the message, the tag by which it was noted, and ``1`` where
    something was put aside into *unread*; or by nothing.
    """
    keys = [unacked, unacked_index, unread, *(name for name, _ in queues)]
    noted = [str(int(is_noted)) for _, is_noted in queues]
    return ["EVAL", _TAKE, len(keys), *keys, _ENDS, *noted]


def put_aside(
    tag: bytes | str, *, unacked: str, unacked_index: str, unread: str
) -> list[bytes | str | int]:
    """Return the command that moves what was taken under *tag* into *unread*.

    It is answered by 0 where that was not taken so, or is not held any more.
    """
    return ["EVAL", _PUT_ASIDE, 3, unacked, unacked_index, unread, _ENDS, tag]


def wait(queues: Sequence[tuple[str, bool]]) -> list[str | float]:
    """Return the command that waits for a message of those *queues* whose messages need no note."""
    others = [name for name, is_noted in queues if not is_noted]
    # A worker of that queue alone waits for what nobody sends.
    return ["BRPOP", *(others or [f"{queues[0][0]}:nothing"]), LONGEST_WAIT_S]
