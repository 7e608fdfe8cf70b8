-- Push the account's next slot into the future.
--
-- KEYS[1]  limiter  hash  'not_before' grows, never shrinks
-- ARGV[1]  µs from now
-- returns  µs from now until the next slot

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local not_before = tonumber(redis.call('HGET', KEYS[1], 'not_before') or '') or 0
not_before = math.max(not_before, now + tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'not_before', string.format('%.0f', not_before))
local life = math.max(redis.call('PTTL', KEYS[1]), math.ceil((not_before - now) / 1000) + 61000)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
return not_before - now
