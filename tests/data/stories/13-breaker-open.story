# The channel fails for so long that it is only probed.
== story
0s   web ops down
0s   fire alertname="DiskFull",host="db1",severity="high"
30m  fire alertname="CpuHot",host="db1",severity="high"
35m  explain alertname="CpuHot",host="db1"
     Nobody was called yet because the delivery to ops by webhook *; the channel fails and is only probed (breaker *): *connection refused*
