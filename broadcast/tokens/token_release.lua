-- Free the lock without a new token, if the lock is still the caller's.
--
-- KEYS[1]  lock     string  must hold the caller's nonce; freed
-- KEYS[2]  token    hash    its renewal is put off after a failure, so that it is used meanwhile
-- KEYS[3]  failure  string  remembers ARGV[2] for ARGV[3] ms
-- ARGV[1]  nonce of the caller
-- ARGV[2]  JSON of the failure; empty: there was none
-- ARGV[3]  ms to remember it; 0: do not
-- ARGV[4]  now in epoch ms; empty: Redis's own clock
-- ARGV[5]  pause in ms until the token is renewed again
-- returns  1, or 0 if the lease was lost: then nothing was changed

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] ~= '' then
  local now = tonumber(ARGV[4])
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local refresh_at = tonumber(redis.call('HGET', KEYS[2], 'refresh_at') or '')
  local put_off = now + tonumber(ARGV[5])
  if refresh_at and refresh_at < put_off then
    redis.call('HSET', KEYS[2], 'refresh_at', string.format('%.0f', put_off))
  end
  if tonumber(ARGV[3]) > 0 then
    redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
  end
end
redis.call('DEL', KEYS[1])
return 1
