-- Raise an account's count of claims, or that of the workers' notes; never lower it.
--
-- KEYS[1]  counts  hash  account, or '*' for the notes: the newest number, a space, the claim that has it
-- ARGV[1]  account, or '*'
-- ARGV[2]  number of the claim
-- ARGV[3]  the claim's name; a repeat after a lost reply has the same
-- ARGV[4]  '1': begin to count where there is no count, or an older one
-- returns  1 the number is the newest and this claim's; 0 it is not, or there is no count

local there = redis.call('HGET', KEYS[1], ARGV[1])
local mine = ARGV[2] .. ' ' .. ARGV[3]
local newest = there and tonumber(string.match(there, '^(%d+) '))
-- What is no number of ours is no count; beyond 2^53 numbers are not exact.
if newest and newest > 9007199254740992 then
  newest = nil
end

if there == mine then
  return 1
end
if not newest and ARGV[4] ~= '1' then
  return 0
end
if newest and newest >= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], mine)
return 1
