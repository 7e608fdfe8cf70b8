-- Before a request to WeChat: renew the lease, and note that the token may be superseded by us.
--
-- KEYS[1]  lock   string  must hold the caller's nonce
-- KEYS[2]  token  hash    'superseded' becomes 1: a request whose reply is lost may have replaced it
-- ARGV[1]  nonce of the caller
-- ARGV[2]  lease in ms
-- returns  1, or 0 if the lease was lost: then no request may be made

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[2], 'superseded', '1')
end
return 1
