"""A network namespace for a program of the test, whose cable to this host can be pulled.

Needs root and iproute2; where that is not given, available() says why and the program runs on this
host's network, where nothing can be pulled.
"""

import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
_numbers = iter(range(1, 250))


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError("ip %s: %s" % (" ".join(arguments), done.stderr))


def available():
    """Returns None, or why there are no namespaces here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = "tocsin-%d-probe" % os.getpid()
    try:
        done = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    except FileNotFoundError:
        return "iproute2 is not installed"
    if done.returncode != 0:
        return "ip netns: " + done.stderr.strip()
    subprocess.run(["ip", "netns", "delete", probe], capture_output=True)
    return None


class Namespace:
    """`host_address` is this host, as the program in the namespace sees it."""

    def __init__(self):
        number = next(_numbers)
        self.name = "tocsin-%d-%d" % (os.getpid(), number)
        self.cable = "tc%d-%d" % (os.getpid() % 100000, number)
        network = "10.%d.%d." % (100 + os.getpid() % 100, number)
        self.host_address = network + "1"
        ip("netns", "add", self.name)
        try:
            ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            ip("address", "add", network + "1/30", "dev", self.cable)
            ip("link", "set", self.cable, "up")
            ip("-n", self.name, "address", "add", network + "2/30", "dev", "eth0")
            ip("-n", self.name, "link", "set", "eth0", "up")
            ip("-n", self.name, "link", "set", "lo", "up")
        except AssertionError:
            self.delete()
            raise

    def command(self, *command):
        """Runs in the namespace; the process is the program itself."""
        return ["ip", "netns", "exec", self.name, *command]

    def pull(self):
        ip("link", "set", self.cable, "down")

    def plug(self):
        ip("link", "set", self.cable, "up")

    @contextlib.contextmanager
    def inside(self):
        """This thread's new sockets are the namespace's, so that it reaches 127.0.0.1 there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open("/run/netns/" + self.name) as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                if libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                    os._exit(3)  # no test may go on in the wrong network

    def delete(self):
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)
        subprocess.run(["ip", "link", "delete", self.cable], capture_output=True)
