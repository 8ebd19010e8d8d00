# The receiver has had enough for half an hour.
== story
0s   web ops 429
0s   fire alertname="DiskFull",host="db1",severity="high"
5m   explain alertname="DiskFull",host="db1"
     Nobody was called yet because the delivery to ops by webhook failed: attempt 1 at 2026-11-23T12:00:30Z: *429*; next attempt at 2026-11-23T12:3*; the channel is paused, as the receiver asked: *429*
