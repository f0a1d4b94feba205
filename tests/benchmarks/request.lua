-- wrk -s request.lua URL -- BODY NEEDED "Name: value" ...
-- BODY: a file to post, or "-" for a GET. NEEDED: what a right answer has in it, or "-" for anything.

local threads = {}

function setup(thread)
   threads[#threads + 1] = thread
end

function init(args)
   wrong, needed = 0, args[2]
   if args[1] ~= "-" then
      wrk.method = "POST"
      wrk.body = assert(io.open(args[1])):read("*a")
   end
   for i = 3, #args do
      local name, value = args[i]:match("^(.-): (.*)$")
      wrk.headers[name] = value
   end
end

-- wrk itself takes a redirect for a good answer, and looks into none.
function response(status, headers, body)
   if status < 200 or status > 299 or (needed ~= "-" and not body:find(needed, 1, true)) then
      wrong = wrong + 1
   end
end

-- One line for wrk.py to read; latencies are in microseconds.
function done(summary, latency)
   local errors, wrong = summary.errors, 0
   for _, thread in ipairs(threads) do
      wrong = wrong + thread:get("wrong")
   end
   io.write(string.format(
      'figures {"requests": %d, "seconds": %.6f, "p50_us": %.1f, "p99_us": %.1f, "wrong": %d, "broken": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      wrong, errors.connect + errors.read + errors.write + errors.timeout))
end
