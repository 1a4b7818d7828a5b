-- What `wrk` sends, by KIND: every request is another one, and whoever got a
-- refresh token gives it back when it is their turn.

local kind, pause = os.getenv("KIND"), tonumber(os.getenv("PAUSE") or "0")
local lines, at = {}, 0
for line in io.lines(os.getenv("LINES")) do lines[#lines + 1] = line end

local json = { ["Content-Type"] = "application/json" }
local form = { ["Content-Type"] = "application/x-www-form-urlencoded" }

if kind == "refresh" then
  -- A queue: a token is in it once, so nobody replays one.
  local first, last = 1, #lines
  request = function()
    if first > last then error("more connections than sessions") end
    local token = lines[first]
    lines[first] = nil
    first = first + 1
    return wrk.format("POST", "/auth/refresh", json, '{"refresh_token":"' .. token .. '"}')
  end
  response = function(status, _, body)
    local token = status == 200 and body:match('"refresh_token":"([^"]+)"')
    if token then
      last = last + 1
      lines[last] = token
    end
  end
elseif kind == "sign-in" then
  request = function()
    at = at % #lines + 1
    return wrk.format("POST", "/auth/sign-in", json, lines[at])
  end
else
  local body = lines[1]
  request = function() return wrk.format("POST", "/oauth2/token", form, body) end
end

if pause > 0 then
  -- Milliseconds, spread so that connections do not march in step.
  delay = function() return math.random(math.floor(pause * 0.5), math.ceil(pause * 1.5)) end
end
