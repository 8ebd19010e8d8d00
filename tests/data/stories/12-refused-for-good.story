# A token that is no longer good: the receiver refuses, and a repeat would not help.
== story
0s   web ops 401
0s   fire alertname="DiskFull",host="db1",severity="high"
10m  explain alertname="DiskFull",host="db1"
     Nobody was called because no delivery succeeded: ops by webhook was given up after 1 attempt: *401*
