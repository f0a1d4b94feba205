-- wrk -s request.lua URL -- BODY "Name: value" ...    BODY: a file to post, or "-" for a GET

function init(args)
   if args[1] ~= "-" then
      wrk.method = "POST"
      wrk.body = assert(io.open(args[1])):read("*a")
   end
   for i = 2, #args do
      local name, value = args[i]:match("^(.-): (.*)$")
      wrk.headers[name] = value
   end
end

-- One line for wrk.py to read; latencies are in microseconds.
function done(summary, latency)
   local e = summary.errors
   io.write(string.format(
      'figures {"requests": %d, "seconds": %.6f, "p50_us": %.1f, "p99_us": %.1f, "refused": %d, "broken": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      e.status, e.connect + e.read + e.write + e.timeout))
end
