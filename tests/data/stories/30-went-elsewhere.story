# Somebody was called, but not who was expected: the route says so.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[[receiver]]
name = "dba"
[[receiver.webhook]]
url = "http://hooks.test/dba"
[route]
receiver = "ops"
group_wait = "0s"
[[route.routes]]
name = "databases"
matchers = ['team="dba"']
receiver = "dba"
== story
0s   fire alertname="DiskFull",host="db1",team="dbas",severity="high"
10m  explain alertname="DiskFull",host="db1"
     Called: ops by webhook at 2026-11-23T12:00:00Z, delivered (*)*
