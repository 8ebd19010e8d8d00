# The receiver does not answer; it is tried again.
== story
0s   web ops 503
0s   fire alertname="DiskFull",host="db1",severity="high"
40s  explain alertname="DiskFull",host="db1"
     Nobody was called yet because the delivery to ops by webhook failed: attempt * at 2026-11-23T12:00:*Z: *503*; next attempt at 2026-11-23T12:*Z*
