-- Ask for one force_refresh, and count it: WeChat allows 20 a day, 30 s apart.
--
-- KEYS[1]  lock    string  must hold the caller's nonce; its lease is renewed
-- KEYS[2]  forced  list    epoch ms of the calls allowed, newest first
-- ARGV[1]  nonce of the caller
-- ARGV[2]  lease in ms
-- ARGV[3]  now in epoch ms; empty: Redis's own clock
-- ARGV[4]  least gap between two calls in ms
-- ARGV[5]  calls a day
-- returns  0 allowed, -1 lease lost, else ms to wait

local DAY = 86400000

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return -1
end
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local limit = tonumber(ARGV[5])
local newest = tonumber(redis.call('LINDEX', KEYS[2], 0) or '')
local oldest = tonumber(redis.call('LINDEX', KEYS[2], limit - 1) or '')
local wait = 0
if newest then
  wait = math.max(wait, newest + tonumber(ARGV[4]) - now)
end
-- Any 24 hours, which is stricter than a day that turns at a time WeChat does not document.
if oldest then
  wait = math.max(wait, oldest + DAY - now)
end
if wait > 0 then
  return wait
end
redis.call('LPUSH', KEYS[2], string.format('%.0f', now))
redis.call('LTRIM', KEYS[2], 0, limit - 1)
redis.call('PEXPIRE', KEYS[2], DAY)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0
