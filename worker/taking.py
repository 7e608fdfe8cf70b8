"""Taking a message of another program out of Redis so that no kill loses it.

Kombu pops a message (BRPOP), and then notes it as taken and not yet acknowledged. Whoever is killed
in between takes it along. A wake can be lost, for the database remembers; what another program asks
for stands nowhere else. So it is popped and noted by one script, and while there is nothing, only
the other queues are waited for: a message waits up to ``LONGEST_WAIT_S`` for the next look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LONGEST_WAIT_S: Final = 0.5
#: Of kombu's own form: the message, its exchange and its routing key, by its delivery tag; and when
#: it was taken. What is no envelope of kombu's is popped alone, for its reader to keep.
_TAKE: Final = """
local function noted(item)
  local read, message = pcall(cjson.decode, item)
  local properties = read and type(message) == 'table' and message.properties
  local where = type(properties) == 'table' and properties.delivery_info
  if type(where) ~= 'table' then return end
  local tag, exchange, key = properties.delivery_tag, where.exchange, where.routing_key
  if type(tag) ~= 'string' or type(exchange) ~= 'string' or type(key) ~= 'string' then return end
  local ends = ',' .. cjson.encode(exchange) .. ',' .. cjson.encode(key) .. ']'
  local now = redis.call('TIME')
  redis.call('HSET', KEYS[1], tag, '[' .. item .. ends)
  redis.call('ZADD', KEYS[2], now[1] .. '.' .. string.format('%06d', now[2]), tag)
end
for n = 3, #KEYS do
  local item = redis.call('RPOP', KEYS[n])
  if item then
    if ARGV[n - 2] == '1' then noted(item) end
    return {KEYS[n], item}
  end
end
return false
"""


def take(
    queues: Sequence[tuple[str, bool]], *, unacked: str, unacked_index: str
) -> list[str | int]:
    """Return the command that takes the first message of *queues*, each with whether it is noted.

    It is answered as BRPOP is: the queue and the message, or nothing.
    """
    keys = [unacked, unacked_index, *(name for name, _ in queues)]
    noted = [str(int(is_noted)) for _, is_noted in queues]
    return ["EVAL", _TAKE, len(keys), *keys, *noted]


def wait(queues: Sequence[tuple[str, bool]]) -> list[str | float]:
    """Return the command that waits for a message of those *queues* whose messages need no note."""
    names = [name for name, is_noted in queues if not is_noted]
    # A worker of that queue alone waits for what nobody sends.
    return ["BRPOP", *(names or [f"{queues[0][0]}:nothing"]), LONGEST_WAIT_S]
