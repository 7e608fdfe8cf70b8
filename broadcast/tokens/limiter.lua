-- Take the account's next slot, or tell how long to wait for it.
--
-- KEYS[1]  limiter  hash  'last': epoch µs of the last slot taken
-- ARGV[1]  slots per minute, at least 1
-- returns  0 taken, else µs to wait; nothing is reserved for who waits

local MINUTE = 60000000

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- One more than the even share, so that a closed window of 60 s never holds one slot too many.
local interval = math.ceil(MINUTE / tonumber(ARGV[1])) + 1
local last = tonumber(redis.call('HGET', KEYS[1], 'last') or '')

if last and last > now then
  -- Redis's clock was set back. Counting starts again from now, not from a far future.
  last = now
  redis.call('HSET', KEYS[1], 'last', string.format('%.0f', now))
end

local wait = last and last + interval - now or 0
if wait > 0 then
  return wait
end
redis.call('HSET', KEYS[1], 'last', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], MINUTE / 1000 + 1000)
return 0
