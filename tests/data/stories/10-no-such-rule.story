# The name is misspelt, in the runbook or by who asks.
== rules
[[group]]
name = "test"
interval = "15s"
[[group.alert]]
name = "FilesystemFilling"
expr = 'vector(20) > 90'
severity = "medium"
no_data = "ok"
== story
10m  explain alertname="FilesystemFiling",host="db1"
     Nobody was called because no such alert was ever seen, and there is no rule 'FilesystemFiling'; did you mean 'FilesystemFilling'?
