# Told, and then somebody wanted peace until the morning.
== story
0s   fire alertname="DiskFull",host="db1",severity="high"
5m   incident T-1001 snooze {"by": "ann", "for": "12h"}
6h   explain alertname="DiskFull",host="db1"
     Called: ops by webhook at 2026-11-23T12:00:30Z, delivered (*); nothing more because T-1001 is snoozed by ann until 2026-11-24T00:05:00Z
