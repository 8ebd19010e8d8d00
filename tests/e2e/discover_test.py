"""`tocsin-agent discover` on a host where Redis, PostgreSQL and nginx really run: it names them, says what is missing, writes
over nothing, and what it wrote passes the check and measures them."""

import os
import re
import shutil
import subprocess
import unittest

from harness import BIN, World, free_port, listening, wait_until
from postgres_server import PostgresServer
from redis_server import RedisServer

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")


class DiscoverTest(unittest.TestCase):
    def agent(self, *arguments):
        return subprocess.run([str(BIN / "tocsin-agent"), *map(str, arguments)], capture_output=True, text=True,
                              timeout=60)

    def start_nginx(self, world):
        if NGINX is None:
            self.skipTest("nginx is not installed (packaging/install-deps --tests)")
        port = free_port()
        certificate, key = world.certificate("shop")
        tls_port = free_port()
        config = world.write("nginx.conf", """
daemon off;
pid %(folder)s/nginx.pid;
error_log stderr;
events {}
http {
  access_log "%(folder)s/access.log";
  client_body_temp_path %(folder)s/t1; proxy_temp_path %(folder)s/t2; fastcgi_temp_path %(folder)s/t3;
  uwsgi_temp_path %(folder)s/t4; scgi_temp_path %(folder)s/t5;
  server { listen 127.0.0.1:%(port)d; location / { return 200 "shop"; } }
  include sites-*.conf;
}
""" % {"folder": world.folder, "port": port})
        world.write("sites-tls.conf", "server { listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s; }"
                    % (tls_port, certificate, key))
        world.start("nginx", NGINX, "-p", world.folder, "-c", config)
        wait_until(lambda: listening(port), 20, "nginx")
        return port, certificate

    def test_the_proposal_names_what_runs_and_works(self):
        world = World()
        self.addCleanup(world.__exit__)
        redis = RedisServer()
        self.addCleanup(redis.stop)
        postgres = PostgresServer()
        self.addCleanup(postgres.stop)
        port, certificate = self.start_nginx(world)
        output = world.folder / "proposal.toml"
        done = self.agent("discover", "--output", output)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = output.read_text()
        self.assertIn('address = "127.0.0.1:%d"' % redis.port, text)
        self.assertIn("port=%d dbname=postgres" % postgres.port, text)
        self.assertIn("GRANT pg_monitor", text)
        self.assertIn("%s/access.log" % world.folder, text)
        self.assertIn(str(certificate), text)
        for table in ("access_log", "certificate", "redis", "postgres", "process_group"):
            self.assertIn("\n[[%s]]\n" % table, text)
        self.assertNotIn("does not take it", text)
        for comm in ("nginx", "redis-server", "postgres"):
            self.assertIn('comm = ["%s"]' % comm, text)
        if os.geteuid() == 0:
            self.assertIn("127.0.0.1:%d" % port, text)
        self.assertEqual(output.stat().st_mode & 0o777, 0o640)
        self.assertEqual(self.agent("--config", output, "--check").returncode, 0,
                         self.agent("--config", output, "--check").stderr)

        # It measures what it names.
        table = next(part for part in text.split("\n\n") if 'address = "127.0.0.1:%d"' % redis.port in part)
        name = re.search(r'^name = "(.+)"$', table, re.M)[1]
        config = world.write("agent.toml", '[host]\nenabled = ["time"]\n[spool]\npath = "%s/spool"\n%s\n'
                             % (world.folder, table))
        self.assertIn('redis_up{server="%s"} 1' % name, self.agent("--config", config, "--once").stdout)

        # Never over a file; and without --output the same is printed.
        again = self.agent("discover", "--output", output)
        self.assertEqual(again.returncode, 1)
        self.assertIn("exists and is not overwritten", again.stderr)
        self.assertEqual(output.read_text(), text)
        printed = self.agent("discover")
        self.assertEqual(printed.returncode, 0)
        self.assertIn('address = "127.0.0.1:%d"' % redis.port, printed.stdout)
        self.assertEqual(self.agent("discover", "--unknown").returncode, 2)

    def test_a_redis_with_a_password_says_what_is_missing(self):
        redis = RedisServer()
        self.addCleanup(redis.stop)
        redis.run("CONFIG", "SET", "requirepass", "s3cret-redis")
        printed = self.agent("discover").stdout
        begin = printed.index('address = "127.0.0.1:%d"' % redis.port)
        before, after = printed[:begin].split("\n\n")[-1], printed[begin:].split("\n\n")[0]
        self.assertIn("does not answer the agent yet", before)
        self.assertIn("ACL SETUSER tocsin", before)
        self.assertIn("# password_file =", after)
        self.assertNotIn("s3cret-redis", printed)


if __name__ == "__main__":
    unittest.main()
