# The policy has no step for this severity.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_wait = "0s"
policy = "page"
[[policy]]
name = "page"
[[policy.step]]
notify = ["receiver:ops"]
severity = "high"
== story
0s   fire alertname="CertificateExpires",host="web1",severity="low"
10m  explain alertname="CertificateExpires"
     Nobody was called because the condition of the step does not hold: policy 'page', step 1 of 1: severity is low, below high
