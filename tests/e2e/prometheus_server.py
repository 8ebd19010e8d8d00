"""Debian's prometheus in a World: what we are compared with, and what asks us."""

import http.client
import shutil
import unittest

from harness import free_port, wait_until


def ask(port, method, path, body=None, headers=None, timeout=30):
    """Returns (status, headers in lower case, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, {n.lower(): v for n, v in response.getheaders()}, response.read()
    except OSError:
        return 0, {}, b""
    finally:
        connection.close()


def start_prometheus(world, config, name="prometheus"):
    """Returns the port; skips the test where prometheus is not installed."""
    if not shutil.which("prometheus"):
        raise unittest.SkipTest("Debian's prometheus is not installed")
    port = free_port()
    world.write(name + ".yml", config)
    world.start(name, "prometheus", "--config.file=%s.yml" % name,
                "--storage.tsdb.path=%s-data" % name, "--web.enable-remote-write-receiver",
                "--web.listen-address=127.0.0.1:%d" % port)
    wait_until(lambda: ask(port, "GET", "/-/ready")[0] == 200, 30, "prometheus to be ready")
    return port
