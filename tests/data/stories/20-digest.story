# Its policy tells once a day.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_wait = "0s"
[policies]
low = "daily"
[[policy]]
name = "daily"
digest = "09:00"
[[policy.step]]
notify = ["receiver:ops"]
== story
0s   fire alertname="CertificateExpires",host="web1",severity="low"
1h   explain alertname="CertificateExpires"
     Nobody was called because T-1001 is told with the digest of 2026-11-24T09:00:00Z
22h  explain alertname="CertificateExpires"
     Called: digest to ops (webhook) at 2026-11-24T09:00:00Z*
