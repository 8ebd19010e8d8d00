#!/usr/bin/env python3
"""A journey through a real Django behind nginx: its log-in page, the log-in with CSRF token, cookies and Referer, a page for
those inside. Then the log-in breaks while the log-in page goes on to answer: only the journey sees it. nginx sends no
Strict-Transport-Security, and then does.
"""

import subprocess
import time
import unittest

from harness import DEBIAN_PYTHON, SOURCE, HookReceiver, World, free_port, listening, route_to, wait_until
from probe_stories_test import scaled
from web_server import NGINX, Authority, WebServer

DJANGO = subprocess.run([DEBIAN_PYTHON, "-c", "import django"], capture_output=True, check=False).returncode == 0

SITE = """
server { listen 127.0.0.1:%(port)d ssl; ssl_certificate %(folder)s/site.pem; ssl_certificate_key %(folder)s/site.key;
         %(extra)s
         location / { proxy_pass http://127.0.0.1:%(backend)d; proxy_set_header Host $http_host;
                      proxy_set_header X-Forwarded-Proto https; } }
"""
JOURNEY = """
[[probe]]
name = "log-in page"
url = "https://localhost:%(port)d/login/"
ca_file = "%(ca)s"
ip_protocol = "4"
timeout = "900ms"
[[probe]]
name = "grades"
url = "https://localhost:%(port)d/"
ca_file = "%(ca)s"
ip_protocol = "4"
timeout = "900ms"
[[probe.page]]
name = "form"
url = "/login/"
take = { token = 'name="csrfmiddlewaretoken" value="([^"]+)"' }
[[probe.page]]
name = "log in"
url = "/login/"
form = { csrfmiddlewaretoken = "${token}", username = "probe", password = "${secret}" }
secret_file = "%(secret)s"
body_match = ["Grades of probe"]
[[probe.page]]
name = "again"
url = "/grades/"
follow_redirects = false
body_match = ["Grades of probe"]
"""


@unittest.skipIf(NGINX is None or not DJANGO, "nginx or python3-django is missing (packaging/install-deps --tests)")
class JourneyStoryTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        authority = Authority(self.world)
        self.port, self.backend = free_port(), free_port()
        certificate, key = authority.leaf("localhost", 90)
        self.world.write("site.pem", certificate)
        self.world.write("site.key", key).chmod(0o600)
        self.start_django("s3same & co")
        self.web = WebServer(self.world, self.site(""))
        self.web.wait(self.port)
        self.world.write("password", "s3same & co\n").chmod(0o600)
        rules = scaled((SOURCE / "rules/probes.toml").read_text())
        for pattern in ("probe-*.md", "certificate-*.md", "domain-*.md", "tls-*.md"):
            for book in (SOURCE / "rules/runbooks").glob(pattern):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(rules, route_to(self.hook.url, ["alertname", "probe"]))
        self.world.agent_config('[host]\nenabled = ["time"]\n' + JOURNEY % {
            "port": self.port, "ca": authority.root, "secret": self.world.folder / "password"})
        self.world.start_alertd()
        self.world.start_agent()

    def site(self, extra):
        return SITE % {"port": self.port, "backend": self.backend, "folder": self.world.folder, "extra": extra}

    def start_django(self, password):
        self.world.start("django", DEBIAN_PYTHON, SOURCE / "tests/e2e/django_site.py", self.backend, "probe", password)
        wait_until(lambda: listening(self.backend), 20, "Django")

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct() if request["body"]["status"] == status
                and request["body"]["commonLabels"].get("alertname") == alert]

    def test_a_log_in_that_breaks_behind_a_page_that_answers(self):
        wait_until(lambda: self.world.query('probe_success{probe="grades"} == 1'), 30, "the journey to succeed")
        self.assertEqual(len(self.world.query('probe_page_success{probe="grades"} == 1')), 3)
        self.assertEqual(len(self.world.query('probe_page_duration_seconds{probe="grades"} < 0.9')), 3)
        # No word of HSTS, and a rule that says so.
        wait_until(lambda: self.told("HstsMissing"), 30, "the missing header")
        self.assertEqual(self.told("HstsMissing")[0]["incident"]["severity"], "low")
        self.world.write("nginx/nginx.conf", (self.world.folder / "nginx/nginx.conf").read_text().replace(
            "location /", 'add_header Strict-Transport-Security "max-age=31536000" always; location /'))
        self.web.reload()
        wait_until(lambda: self.told("HstsMissing", "resolved"), 30, "the header to be seen")
        self.assertEqual(self.told("ProbeDown"), [])
        self.world.stop("django")
        self.start_django("another one")
        wait_until(lambda: [body for body in self.told("ProbeDown") if body["commonLabels"]["probe"] == "grades"], 30,
                   "the log-in that fails")
        wait_until(lambda: self.world.query('probe_page_success{probe="grades", page="log in"} == 0'), 10, "which page")
        self.assertFalse(self.world.query('probe_page_success{probe="grades", page="again"}'))  # not reached
        wait_until(lambda: self.world.query('probe_success{probe="log-in page"} == 1'), 10, "the page that answers")
        wait_until(lambda: "page 'log in': status 401" in self.world.log("agent"), 10, "the log to say which page")
        self.assertNotIn("s3same", self.world.log("agent"))
        time.sleep(1)
        self.assertTrue(self.world.query('probe_failed{probe="grades", reason="status"} == 1'))


if __name__ == "__main__":
    unittest.main()
