#!/usr/bin/env python3
"""An agent on another host, as it will be: HTTPS, a token of its own, its identity stamped by the server."""

import ssl
import time
import unittest
import urllib.error
import urllib.request
import warnings

from harness import World, wait_until


class TlsTokenTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.certificate, self.key = self.world.certificate("alertd")
        self.url = self.world.url = "https://localhost:%d" % self.world.port
        self.world.alertd_config()
        config = self.world.folder / "alertd.toml"
        text = config.read_text().replace("[store]", """tls_cert_file = "%s"
tls_key_file = "%s"

[ingest]
loopback_without_token = false

[store]""" % (self.certificate, self.key))
        config.write_text(text)
        self.context = ssl.create_default_context(cafile=self.certificate)
        self.world.start("alertd", self.world.bin("tocsin-alertd"), "--config", config)
        wait_until(self.ready, 20, "alertd")

    def ready(self):
        try:
            return urllib.request.urlopen(self.url + "/-/ready", context=self.context).status == 200
        except urllib.error.URLError:
            return False

    def cli(self, *arguments, check=True):
        return self.world.tocsin("--ca-file", self.certificate, *arguments, check=check)

    def start_agent(self, token):
        token_file = self.world.write("agent.token", token + "\n")
        token_file.chmod(0o600)
        self.world.agent_config()
        config = self.world.folder / "agent.toml"
        config.write_text(config.read_text().replace('host = "testhost"', 'host = "db1"').replace(
            'url = "http://127.0.0.1:%d"' % self.world.port,
            'url = "%s"\ntoken_file = "%s"\nca_file = "%s"' % (self.url, token_file,
                                                              self.certificate)))
        self.world.start_agent()

    def test_enrolled_agent_is_taken_and_held_to_its_name(self):
        answer = self.cli("agent", "add", "db1").stdout
        token = next(word for word in answer.split() if word.startswith("tca_"))
        stored = (self.world.folder / "store" / "agents.json").read_text()
        self.assertNotIn(token, stored)
        self.start_agent(token)
        wait_until(lambda: "db1" in self.cli("query", 'node_load1{host="db1"}').stdout, 20,
                   "samples of db1")
        self.assertIn("db1", self.cli("agent", "list").stdout)
        self.assertNotIn(token, self.cli("agent", "list", "-o", "json").stdout)
        self.assertNotIn(token, self.world.log("alertd") + self.world.log("agent"))
        # Its token says db1, whatever the agent says.
        config = self.world.folder / "agent.toml"
        config.write_text(config.read_text().replace('host = "db1"', 'host = "db2"'))
        self.world.stop("agent")
        self.world.start_agent()
        wait_until(lambda: "db2" in self.world.log("alertd") + self.world.log("agent"), 20,
                   "the refusal to be said")
        self.assertNotIn("db2", self.cli("query", 'node_load1').stdout)
        # Removed: refused from then on.
        self.cli("agent", "remove", "db1")
        self.assertNotIn("db1", self.cli("agent", "list").stdout)

    def test_a_wrong_token_is_refused_and_nothing_is_lost(self):
        self.start_agent("tca_" + "0" * 64)
        wait_until(lambda: "401" in self.world.log("agent"), 20, "the agent to say why")
        time.sleep(1)
        self.assertNotIn("tca_0", self.world.log("agent"))
        self.assertEqual(self.cli("query", "node_load1", "-o", "json").stdout.count("testhost"), 0)

    def test_plain_http_and_old_tls_get_nothing(self):
        status, _ = self.world.request("GET", "/-/healthy")
        self.assertIn(status, (0, 400))
        old = ssl.create_default_context(cafile=self.certificate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(urllib.error.URLError):
            urllib.request.urlopen(self.url + "/-/healthy", context=old)


if __name__ == "__main__":
    unittest.main()
