#!/usr/bin/env python3
"""Domains at a registry of the test's own, found by a list as IANA's: one that is renewed late, one on hold, one that is gone,
one of a zone without RDAP. The registry fails, and what it said stays.
"""

import http.server
import json
import re
import threading
import time
import unittest

from harness import SOURCE, HookReceiver, World, route_to, wait_until


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Registry:
    """RDAP as registries speak it; `domains` is {name: (days left, [states])}."""

    def __init__(self):
        registry = self
        self.domains, self.broken, self.asked = {}, False, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                registry.asked.append(self.path)
                status, body = registry.answer(self.path)
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/rdap+json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path):
        if self.broken:
            return 503, {}
        if path == "/dns.json":
            return 200, {"version": "1.0", "services": [[["org"], [self.url + "rdap"]]]}
        name = path.rpartition("/rdap/domain/")[2]
        if name not in self.domains:
            return 404, {"errorCode": 404}
        days, states = self.domains[name]
        return 200, {"objectClassName": "domain", "ldhName": name.upper(), "status": states,
                     "events": [{"eventAction": "registration", "eventDate": "1995-08-14T04:00:00Z"},
                                {"eventAction": "expiration", "eventDate": rfc3339(time.time() + days * 86400)}]}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class DomainStoryTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        self.registry = Registry()
        self.addCleanup(self.registry.stop)
        rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', (SOURCE / "rules/parties.toml").read_text())
        for book in ("domain-expiry.md", "contract.md"):
            self.world.write("rules/runbooks/" + book, (SOURCE / "rules/runbooks" / book).read_text())
        self.world.alertd_config(rules.replace('interval = "1m"', 'interval = "1s"'),
                                 route_to(self.hook.url, ["alertname", "domain", "check"]))
        self.world.agent_config('''[host]
enabled = ["time"]
[domains]
names = ["late.org", "held.org", "gone.org", "well.org", "school.edu.kh"]
expires = { "school.edu.kh" = "%s" }
bootstrap_url = "%sdns.json"
interval = "1s"
''' % (rfc3339(time.time() + 20 * 86400)[:10], self.registry.url))

    def told(self, alert, domain, status="firing"):
        return [request["body"] for request in self.hook.distinct() if request["body"]["status"] == status
                and request["body"]["commonLabels"].get("alertname") == alert
                and domain in (request["body"]["commonLabels"].get("domain"), request["body"]["commonLabels"].get("check"))]

    def test_ends_holds_and_a_registry_that_fails(self):
        self.registry.domains = {"late.org": (5, []), "held.org": (200, ["client hold"]), "well.org": (200, ["active"])}
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.told("DomainExpiring", "late.org") and self.told("DomainExpiring", "school.edu.kh")
                   and self.told("DomainTroubled", "held.org") and self.told("DomainTroubled", "gone.org"), 60, "the alerts")
        self.assertEqual(self.told("DomainExpiring", "late.org")[-1]["incident"]["severity"], "critical")
        self.assertEqual(self.told("DomainExpiring", "school.edu.kh")[-1]["incident"]["severity"], "high")
        self.assertEqual(self.told("DomainTroubled", "gone.org")[-1]["commonLabels"]["problem"], "unregistered")
        self.assertEqual([path for path in self.registry.asked if "school" in path], [])
        self.registry.domains["late.org"] = (370, ["active"])
        self.registry.domains["held.org"] = (200, ["active"])
        wait_until(lambda: self.told("DomainExpiring", "late.org", "resolved")
                   and self.told("DomainTroubled", "held.org", "resolved"), 60, "what was repaired")
        self.registry.broken = True
        wait_until(lambda: self.told("DomainCheckFailed", "well.org"), 60, "that nobody answers")
        self.assertTrue(self.world.query('domain_expiry_timestamp_seconds{domain="well.org"} - time() > 86400'))
        self.assertFalse(self.told("DomainExpiring", "well.org") + self.told("DomainTroubled", "well.org"))


if __name__ == "__main__":
    unittest.main()
