# The repeat was due while the daemon was away; who still fires is not known yet.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_wait = "30s"
group_interval = "5m"
repeat_interval = "1h"
== story
0s   fire alertname="DiskFull",host="db1",severity="high"
58m  crash
61m  start
62m  explain alertname="DiskFull",host="db1"
     Called: ops by webhook at 2026-11-23T12:00:30Z, delivered (*); nothing more because grace after the start until 2026-11-23T13:06:00Z: already told at 2026-11-23T12:00:30Z, repeat at 2026-11-23T13:00:30Z
