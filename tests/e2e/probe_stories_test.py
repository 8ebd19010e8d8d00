#!/usr/bin/env python3
"""Probes that go on: a health page that always says "healthy" while the service behind it stands still; a third party
that is down; thirty targets that take connections and never answer, beside one that is well; a conversation over STARTTLS.
"""

import http.server
import json
import re
import socket
import threading
import time
import unittest

from harness import SOURCE, HookReceiver, World, free_port, route_to, wait_until


def scaled(rules):
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules)
    return rules.replace('interval = "15s"', 'interval = "1s"')


class HealthPage:
    """Says "healthy" whatever happens; `checked_at` moves only while the work goes on."""

    def __init__(self):
        page = self
        self.working = True
        self.status = 200
        self.checked_at = time.time()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if page.working:
                    page.checked_at = time.time()
                body = json.dumps({"status": "healthy", "database": {"checked_at": page.checked_at}}).encode()
                self.send_response(page.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/health?key=s3cret" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class ProbeStoriesTest(unittest.TestCase):
    def begin(self, tables, ready):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        rules = scaled((SOURCE / "rules/probes.toml").read_text())
        for pattern in ("probe-*.md", "certificate-*.md", "tls-*.md"):
            for book in (SOURCE / "rules/runbooks").glob(pattern):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(rules, route_to(self.hook.url, ["alertname", "probe"]))
        self.world.agent_config('[host]\nenabled = ["time"]\n' + tables)
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query(ready), 30, "the first samples")

    def told(self, alert, probe, status="firing"):
        return [request["body"] for request in self.hook.distinct() if request["body"]["status"] == status
                and request["body"]["commonLabels"].get("alertname") == alert
                and request["body"]["commonLabels"].get("probe") == probe]

    def test_a_page_that_always_says_healthy_and_a_third_party(self):
        page, vendor = HealthPage(), HealthPage()
        self.addCleanup(page.stop)
        self.addCleanup(vendor.stop)
        self.begin("""
[[probe]]
name = "page"
url = "%(page)s"
timeout = "900ms"
json = { status = "healthy" }
[[probe]]
name = "contract"
url = "%(page)s"
timeout = "900ms"
[probe.json]
status = "healthy"
[probe.json_fresh]
"database.checked_at" = "2s"
[[probe]]
name = "vendor"
url = "%(vendor)s"
timeout = "900ms"
party = "third"
""" % {"page": page.url, "vendor": vendor.url}, 'probe_success{probe="contract"} == 1')
        page.working = False  # the body goes on saying "healthy"
        vendor.status = 503
        wait_until(lambda: self.told("ProbeDown", "contract") and self.told("ThirdPartyDown", "vendor"), 30, "both")
        self.assertEqual(self.told("ProbeDown", "contract")[0]["incident"]["severity"], "critical")
        self.assertIn(self.told("ThirdPartyDown", "vendor")[0]["incident"]["severity"], ("medium", "high"))
        self.assertEqual(self.told("ProbeDown", "page"), [])     # what a shallow check sees
        self.assertEqual(self.told("ProbeDown", "vendor"), [])   # nobody is woken for others' outages
        self.assertIn("'database.checked_at' is", self.world.log("agent"))
        self.assertNotIn("s3cret", self.world.log("agent") + json.dumps([r["body"] for r in self.hook.requests]))
        page.working = True
        wait_until(lambda: self.told("ProbeDown", "contract", "resolved"), 30, "the work to go on")

    def test_targets_that_hang_hold_up_nobody(self):
        page = HealthPage()
        self.addCleanup(page.stop)
        deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(128)
        tables = "".join('[[probe]]\nname = "deaf%d"\nurl = "http://127.0.0.1:%d/"\ntimeout = "900ms"\n'
                         % (i, deaf.getsockname()[1]) for i in range(12))
        self.begin(tables + '[[probe]]\nname = "well"\nurl = "%s"\ntimeout = "900ms"\n' % page.url,
                   'probe_success{probe="well"} == 1')
        wait_until(lambda: len(self.world.query('probe_failed{reason="timeout"} == 1')) == 12, 30, "all of the deaf")
        begin = time.time()
        time.sleep(5)
        self.assertTrue(self.world.query('min_over_time(probe_success{probe="well"}[5s]) == 1'))
        self.assertTrue(self.world.query('count_over_time(probe_success{probe="well"}[5s]) >= 4'))
        self.assertTrue(self.world.query('probe_duration_seconds{probe="well"} < 0.5'))
        self.assertEqual(self.told("ProbeDown", "well"), [])
        self.assertLess(time.time() - begin, 20)

    def test_a_conversation_over_starttls(self):
        with World() as mail:
            port, certificate, _ = mail.start_smtp()
            closed = free_port()
            self.begin("""
[[probe]]
name = "smtp"
kind = "smtp"
address = "127.0.0.1:%(port)d"
start_tls = true
ca_file = "%(ca)s"
timeout = "900ms"
[[probe]]
name = "talk"
kind = "tcp"
address = "127.0.0.1:%(port)d"
timeout = "900ms"
[[probe.step]]
expect = "^220 "
[[probe.step]]
send = "EHLO probe.example"
[[probe.step]]
expect = "^250.STARTTLS|^250.SIZE"
[[probe.step]]
send = "QUIT"
[[probe.step]]
expect = "^221 "
[[probe]]
name = "untrusted"
kind = "tls"
start_tls = "smtp"
address = "127.0.0.1:%(port)d"
timeout = "900ms"
[[probe]]
name = "closed"
kind = "smtp"
address = "127.0.0.1:%(closed)d"
timeout = "900ms"
""" % {"port": port, "ca": certificate, "closed": closed}, 'probe_success{probe="smtp"} == 1')
            for expected in ('probe_success{probe="talk"} == 1',
                             'probe_tls_version_info{probe="smtp", version=~"TLS 1.[23]"} == 1',
                             'probe_ssl_earliest_cert_expiry{probe="smtp"} - time() > 86400',
                             # A certificate that is refused is told of all the same.
                             'probe_failed{probe="untrusted", reason="certificate_chain"} == 1',
                             'probe_ssl_earliest_cert_expiry{probe="untrusted"} - time() > 86400',
                             'probe_failed{probe="closed", reason="connect"} == 1'):
                wait_until(lambda: self.world.query(expected), 20, expected)


if __name__ == "__main__":
    unittest.main()
