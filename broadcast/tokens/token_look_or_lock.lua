-- Show the shared token and, if a nonce is given, try to take the lock.
--
-- KEYS[1]  token     hash    what is shown
-- KEYS[2]  lock      string  taken for ARGV[2] ms, if free and no failure is remembered
-- KEYS[3]  failure   string  JSON of the last failed refresh, or absent
-- KEYS[4]  drift     string  epoch ms of the last replacement outside this system, or absent
-- ARGV[1]  nonce of the caller; empty: only look
-- ARGV[2]  lease in ms
-- ARGV[3]  now in epoch ms; empty: Redis's own clock
-- returns  {now, 1 if the caller holds the lock, failure, drift, {the fields of the token}}

local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local held = 0
if ARGV[1] ~= '' then
  -- A client whose reply was lost asks again with its nonce, and holds the lock already.
  if redis.call('GET', KEYS[2]) == ARGV[1] then
    held = 1
  elseif redis.call('EXISTS', KEYS[3]) == 0
      and redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
    held = 1
  end
end

return {
  now,
  held,
  redis.call('GET', KEYS[3]) or '',
  redis.call('GET', KEYS[4]) or '',
  redis.call('HMGET', KEYS[1], 'value', 'generation', 'expires_at', 'fetched_at',
    'refresh_at', 'reason', 'superseded'),
}
