#!/usr/bin/env python3
"""Real servers behind channels: kannel's SMS gateway, Debian's Alertmanager, nginx that answers 429.

kannel: bearerbox, smsbox and a fake SMS centre; the SMS arrive at the centre, umlauts and all.
Alertmanager: the alert is there by its API, as itself, stays while it fires, and is gone at the end.
nginx: limit_req in front of a webhook; of 8 messages at once most get a 429 first, and all arrive.
"""

import json
import shutil
import unittest
import urllib.request

from harness import HookReceiver, Probes, World, free_port, listening, probe_rules, wait_until

RULES = probe_rules('{{ $labels.item }} läuft voll')

ROUTE = """
[route]
receiver = "ops"
group_by = ["alertname", "item"]
group_wait = "0s"
group_interval = "1s"
"""


class GatewaysTest(unittest.TestCase):
    def start(self, receiver):
        self.world.alertd_config(RULES, 'restart_window = "1s"\n' + receiver + ROUTE)
        self.world.start_alertd()
        self.probes = Probes(self.world)

    def setUp(self):
        self.world = self.enterContext(World())

    def test_kannel(self):
        path = "/usr/sbin:/usr/bin:/usr/lib/kannel/test"
        programs = {name: shutil.which(name, path=path) for name in ("bearerbox", "smsbox", "fakesmsc")}
        if not all(programs.values()):
            self.skipTest("Debian's kannel and kannel-extras are not installed")
        admin, boxes, centre, sendsms = (free_port() for _ in range(4))
        configuration = self.world.write("kannel.conf", """
group = core
admin-port = %d
admin-password = bar
smsbox-port = %d
box-allow-ip = 127.0.0.1
log-level = 1

group = smsc
smsc = fake
smsc-id = FAKE
port = %d
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %d
sendsms-interface = 127.0.0.1
log-level = 1

group = sendsms-user
username = tocsin
password = k4nnel
default-sender = 4915100000000
max-messages = 5
concatenation = true

group = sms-service
keyword = default
text = "no"
""" % (admin, boxes, centre, sendsms))
        self.world.start("bearerbox", programs["bearerbox"], configuration)
        wait_until(lambda: listening(boxes), 10, "bearerbox")
        # The centre sends one message of its own, which only keeps it running.
        self.world.start("smsc", programs["fakesmsc"], "-H", "127.0.0.1", "-r", centre, "-i", "1000", "-m", "1",
                         "100 200 text hello")
        self.world.start("smsbox", programs["smsbox"], configuration)
        wait_until(lambda: listening(sendsms), 10, "smsbox")
        self.world.write("kannel.password", "k4nnel\n").chmod(0o600)
        self.start("""
[[receiver]]
name = "ops"
[[receiver.kannel]]
url = "http://127.0.0.1:%d/cgi-bin/sendsms"
user = "tocsin"
password_file = "kannel.password"
to = ["+4917000000000"]
text = "{{ .Status }} {{ .CommonAnnotations.summary }}"
""" % sendsms)
        self.probes.values["Straße"] = 9.0
        wait_until(lambda: "+4917000000000 text firing Straße läuft voll" in self.world.log("smsc"), 15,
                   "the SMS at the centre")
        self.probes.values["Straße"] = 1.0
        wait_until(lambda: "resolved" in self.world.log("smsc"), 15, "the second SMS")
        self.assertEqual(self.world.log("smsc").count("firing"), 1)

    def test_alertmanager_as_upstream(self):
        program = shutil.which("prometheus-alertmanager")
        if not program:
            self.skipTest("Debian's prometheus-alertmanager is not installed")
        hook = HookReceiver()
        self.world.cleanups.append(hook.stop)
        configuration = self.world.write("am.yml", """
route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 1s}
receivers: [{name: hook, webhook_configs: [{url: '%s'}]}]
""" % hook.url)
        port = free_port()

        def start():
            self.world.start("alertmanager", program, "--config.file=%s" % configuration,
                             "--storage.path=%s" % (self.world.folder / "am"),
                             "--web.listen-address=127.0.0.1:%d" % port, "--cluster.listen-address=")
            wait_until(lambda: listening(port), 15, "Alertmanager")

        def alerts():
            with urllib.request.urlopen("http://127.0.0.1:%d/api/v2/alerts" % port) as answer:
                return json.load(answer)

        start()
        dead = free_port()
        self.start("""
[[receiver]]
name = "ops"
[[receiver.alertmanager]]
urls = ["http://127.0.0.1:%d", "http://127.0.0.1:%d/"]
resend = "1s"
""" % (dead, port))
        self.probes.values["db1"] = 9.0
        one = wait_until(alerts, 15, "the alert upstream")[0]
        self.assertEqual(one["labels"], {"alertname": "ProbeHigh", "item": "db1", "severity": "critical"})
        self.assertEqual(one["annotations"]["summary"], "db1 läuft voll")
        self.assertEqual(one["status"]["state"], "active")
        wait_until(lambda: hook.requests, 10, "the upstream's own notification")
        # It keeps alerts in memory: after a restart it has them again, from us.
        self.world.stop("alertmanager")
        start()
        wait_until(alerts, 10, "the alert after a restart")
        self.probes.values["db1"] = 1.0
        wait_until(lambda: not alerts(), 15, "the end upstream")
        wait_until(lambda: hook.requests[-1]["body"]["status"] == "resolved", 15, "the upstream's resolve")

    def test_nginx_limits_the_rate(self):
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
        if not program:
            self.skipTest("Debian's nginx is not installed")
        hook = HookReceiver()
        self.world.cleanups.append(hook.stop)
        port = free_port()
        folder = self.world.folder
        configuration = self.world.write("nginx.conf", """
daemon off;
pid %(folder)s/nginx.pid;
error_log %(folder)s/nginx-error.log;
worker_processes 1;
events { worker_connections 64; }
http {
  client_body_temp_path %(folder)s/nginx-body; proxy_temp_path %(folder)s/nginx-proxy;
  fastcgi_temp_path %(folder)s/nginx-f; uwsgi_temp_path %(folder)s/nginx-u; scgi_temp_path %(folder)s/nginx-s;
  log_format short '$status';
  access_log %(folder)s/access.log short;
  limit_req_zone $binary_remote_addr zone=hooks:1m rate=2r/s;
  limit_req_status 429;
  server {
    listen 127.0.0.1:%(port)d;
    location / { limit_req zone=hooks; proxy_pass http://127.0.0.1:%(hook)d; proxy_http_version 1.1; }
  }
}
""" % {"folder": folder, "port": port, "hook": hook.port})
        self.world.start("nginx", program, "-c", configuration, "-p", folder)
        wait_until(lambda: listening(port), 10, "nginx")
        self.start("""
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://127.0.0.1:%d/hook"
rate_per_minute = 6000
rate_burst = 100
""" % port)
        items = ["item%02d" % number for number in range(8)]
        for item in items:
            self.probes.values[item] = 9.0

        def told():
            return sorted(request["body"]["groupLabels"]["item"] for request in hook.requests)

        wait_until(lambda: len(set(told())) == len(items), 40, "every message to get through")
        refused = (folder / "access.log").read_text().split().count("429")
        print("429 answers: %d" % refused)
        self.assertGreater(refused, 0)
        self.assertEqual(told(), items)


if __name__ == "__main__":
    unittest.main()
