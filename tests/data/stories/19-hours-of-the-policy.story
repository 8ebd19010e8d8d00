# Low severity waits for the hours of the person.
== config
[[receiver]]
name = "ada"
[[receiver.webhook]]
url = "http://hooks.test/ada"
[route]
receiver = "ada"
group_wait = "0s"
[[person]]
name = "ada"
receiver = "ada"
[policies]
low = "day"
[[policy]]
name = "day"
[[policy.step]]
notify = ["person:ada"]
hours = ["14:00-17:00"]
== story
0s   fire alertname="CertificateExpires",host="web1",severity="low"
1h   explain alertname="CertificateExpires"
     Nobody was called yet because its step waits for the hours of whom it tells: policy 'day', step 1 of 1: ada waits until 2026-11-23T14:00:00Z
3h   explain alertname="CertificateExpires"
     Called: ada by webhook at 2026-11-23T14:00:00Z, delivered (*)*
