# It goes on, was told, and is repeated after four hours.
== story
0s   fire alertname="DiskFull",host="db1",severity="high"
2h   explain alertname="DiskFull",host="db1"
     Called: ops by webhook at 2026-11-23T12:00:30Z, delivered (*); nothing more because already told at 2026-11-23T12:00:30Z, repeat at 2026-11-23T16:00:30Z
# A restart forgets nothing of it.
2h   crash
3h   start
3h   explain alertname="DiskFull",host="db1" at 2h
     Called: ops by webhook at 2026-11-23T12:00:30Z, delivered (*); nothing more because already told at 2026-11-23T12:00:30Z, repeat at 2026-11-23T16:00:30Z
