# The receiver has nothing to tell with.
== config
[[receiver]]
name = "paper"
[route]
receiver = "paper"
group_wait = "0s"
== story
0s   fire alertname="DiskFull",host="db1",severity="high"
10m  explain alertname="DiskFull",host="db1"
     Nobody was called because receiver 'paper' has no channel
