# Ben was not called, because ann had it already.
== config
[[receiver]]
name = "ann"
[[receiver.webhook]]
url = "http://hooks.test/ann"
[[receiver]]
name = "ben"
[[receiver.webhook]]
url = "http://hooks.test/ben"
[route]
receiver = "ann"
group_wait = "0s"
[policies]
high = "page"
[[policy]]
name = "page"
[[policy.step]]
notify = ["receiver:ann"]
[[policy.step]]
after = "15m"
notify = ["receiver:ben"]
== story
0s   fire alertname="DiskFull",host="db1",severity="high"
5m   incident T-1001 ack {"by": "ann", "for": "4h", "comment": "on it"}
1h   explain alertname="DiskFull",host="db1"
     Called: ann by webhook at 2026-11-23T12:00:00Z, delivered (*); nothing more because T-1001 is acknowledged by ann until 2026-11-23T16:05:00Z: on it
1h   explain T-1001 at 2m
     Called: ann by webhook at 2026-11-23T12:00:00Z, delivered (*)
