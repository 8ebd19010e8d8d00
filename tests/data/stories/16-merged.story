# It was put together with another incident before its first step.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "0s"
[policies]
high = "page"
[[policy]]
name = "page"
[[policy.step]]
after = "10m"
notify = ["receiver:ops"]
== story
0s   fire alertname="DatabaseDown",host="db1",severity="high"
1m   fire alertname="ShopDown",host="web1",severity="high"
2m   incident T-1002 merge {"by": "ann", "into": "T-1001"}
5m   explain alertname="ShopDown"
     Nobody was called because T-1002 is merged into T-1001
# The step of the whole tells of what was merged into it.
30m  explain alertname="ShopDown"
     Called: ops by webhook at 2026-11-23T12:10:00Z, delivered (HTTP 200); nothing more because T-1002 is merged into T-1001
