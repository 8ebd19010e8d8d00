# Ben closed it, although it goes on.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_wait = "0s"
[policies]
high = "page"
[[policy]]
name = "page"
[[policy.step]]
after = "30m"
notify = ["receiver:ops"]
== story
0s   fire alertname="DiskFull",host="db1",severity="high"
5m   incident T-1001 resolve {"by": "ben", "comment": "known"}
10m  explain alertname="DiskFull",host="db1"
     Nobody was called because T-1001 is resolved by ben: known
