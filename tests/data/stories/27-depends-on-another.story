# What it depends on has an incident of its own.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "0s"
[incident]
hold_dependents = true
[[dependency]]
service = "web"
needs = ["postgres"]
== story
0s   fire alertname="PostgresDown",service="postgres",severity="high"
5m   fire alertname="ShopSlow",service="web",severity="medium"
30m  explain alertname="ShopSlow"
     Nobody was called because T-1002 is held: it waits for T-1001, on which it depends
