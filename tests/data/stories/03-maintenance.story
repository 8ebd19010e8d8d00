# Planned work is going on.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
[[maintenance]]
name = "database patches"
matchers = ['host=~"db.*"']
start = "2026-11-23T11:00:00Z"
end = "2026-11-23T15:00:00Z"
== story
0s   fire alertname="ReplicationBroken",host="db1",severity="high"
30m  explain alertname="ReplicationBroken",host="db1"
     Nobody was called because it is under maintenance 'database patches' until 2026-11-23T15:00:00Z
