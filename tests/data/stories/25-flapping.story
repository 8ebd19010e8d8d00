# It comes and goes all the time: told once, then only when it is calm.
== story
0s   fire alertname="LinkDown",host="sw1",severity="high"
1m   over alertname="LinkDown",host="sw1",severity="high"
2m   fire alertname="LinkDown",host="sw1",severity="high"
3m   over alertname="LinkDown",host="sw1",severity="high"
4m   fire alertname="LinkDown",host="sw1",severity="high"
5m   over alertname="LinkDown",host="sw1",severity="high"
6m   fire alertname="LinkDown",host="sw1",severity="high"
7m   over alertname="LinkDown",host="sw1",severity="high"
8m   fire alertname="LinkDown",host="sw1",severity="high"
9m   explain alertname="LinkDown",host="sw1"
     Called: ops by webhook at *; nothing more because it flaps: what it does is not told before it is calm
