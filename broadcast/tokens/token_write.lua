-- Compare-and-set: write the fetched token and free the lock, if the lock is still the caller's.
--
-- The nonce decides and nothing else: a generation would let a writer from before a FLUSHALL win.
--
-- KEYS[1]  lock        string  must hold the caller's nonce; freed
-- KEYS[2]  token       hash    written
-- KEYS[3]  generation  string  counts up when the value is another one
-- KEYS[4]  failure     string  forgotten
-- KEYS[5]  drift       string  epoch ms, if the token was replaced outside this system
-- ARGV[1]  nonce of the caller
-- ARGV[2]  now in epoch ms; empty: Redis's own clock
-- ARGV[3]  the token
-- ARGV[4]  the epoch ms it expires at
-- ARGV[5]  margin in ms: how long before its end it is renewed
-- ARGV[6]  least pause in ms until it is renewed
-- ARGV[7]  reason
-- ARGV[8]  1 if the token before it was replaced outside this system
-- returns  {generation, now}, or {} if the lease was lost: then nothing was written

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  -- The caller's own request may have replaced the token that is shared now.
  local shared = redis.call('HGET', KEYS[2], 'value')
  if shared and shared ~= ARGV[3] then
    redis.call('HSET', KEYS[2], 'superseded', '1')
  end
  return {}
end

local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local expires_at = tonumber(ARGV[4])
-- A token that is in its margin when it is fetched must not be fetched again by every caller.
local refresh_at = math.max(expires_at - tonumber(ARGV[5]), now + tonumber(ARGV[6]))

local generation = redis.call('HGET', KEYS[2], 'generation')
if not generation or redis.call('HGET', KEYS[2], 'value') ~= ARGV[3] then
  generation = redis.call('INCR', KEYS[3])
end

redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2],
  'value', ARGV[3],
  'generation', generation,
  'expires_at', ARGV[4],
  'fetched_at', string.format('%.0f', now),
  'refresh_at', string.format('%.0f', refresh_at),
  'reason', ARGV[7],
  'superseded', '')
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', math.max(expires_at - now, 1)))
if ARGV[8] == '1' then
  redis.call('SET', KEYS[5], string.format('%.0f', now))
end
redis.call('DEL', KEYS[1], KEYS[4])
return {tonumber(generation), now}
