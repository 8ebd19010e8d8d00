"""nginx on loopback for a test, and an authority that signs its certificates."""

import shutil
import signal
import subprocess

from harness import free_port, listening, wait_until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A root and an intermediate; `leaf` makes a server's certificate, signed by the intermediate."""

    def __init__(self, world):
        self.folder = world.folder / "ca"
        self.folder.mkdir()
        self.root = self.make("root", "Tocsin test root", None, "basicConstraints=critical,CA:TRUE", 3650)
        self.middle = self.make("middle", "Tocsin test intermediate", "root", "basicConstraints=critical,CA:TRUE", 3650)

    def make(self, name, common_name, issuer, extension, days):
        path = self.folder / name
        request, ext = path.with_suffix(".csr"), path.with_suffix(".ext")
        ext.write_text(extension + "\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=" + common_name, "-keyout", path.with_suffix(".key"), "-out", request)
        signer = (["-signkey", path.with_suffix(".key")] if issuer is None else
                  ["-CA", self.folder / (issuer + ".crt"), "-CAkey", self.folder / (issuer + ".key"), "-CAcreateserial"])
        openssl("x509", "-req", "-in", request, "-days", days, "-extfile", ext, *signer,
                "-out", path.with_suffix(".crt"))
        return path.with_suffix(".crt")

    def leaf(self, name, days, chain=True, responder=None):
        """Returns (certificate with its chain, key) as text, for the host `name`; OCSP is asked at the URL `responder`."""
        asked = "\nauthorityInfoAccess=OCSP;URI:" + responder if responder else ""
        self.make("leaf", name, "middle", "subjectAltName=DNS:" + name + asked, days)
        text = (self.folder / "leaf.crt").read_text()
        return text + (self.middle.read_text() if chain else ""), (self.folder / "leaf.key").read_text()


class Responder:
    """A real OCSP responder of the intermediate, on a free port: it knows the last leaf, as good or as revoked."""

    def __init__(self, world, authority):
        self.world, self.authority, self.port = world, authority, free_port()
        self.url = "http://127.0.0.1:%d/" % self.port

    def start(self, state):
        """`state`: V (valid) or R (revoked)."""
        serial = subprocess.run(["openssl", "x509", "-in", self.authority.folder / "leaf.crt", "-noout", "-serial"],
                                check=True, capture_output=True, text=True).stdout.strip().partition("=")[2]
        revoked = "260101000000Z" if state == "R" else ""
        index = self.world.write("index.txt", "\t".join([state, "350101000000Z", revoked, serial, "unknown", "/CN=leaf"]) + "\n")
        middle = self.authority.folder / "middle"
        self.world.stop("responder")
        self.world.start("responder", "openssl", "ocsp", "-index", index, "-port", self.port, "-ndays", 1, "-ignore_err",
                         "-rsigner", middle.with_suffix(".crt"), "-rkey", middle.with_suffix(".key"),
                         "-CA", middle.with_suffix(".crt"))
        # Not by a connection: one that says nothing makes it deaf.
        wait_until(lambda: "waiting for OCSP" in self.world.log("responder"), 10, "the responder")


class WebServer:
    """`servers` is the text of nginx's `server { ... }` blocks."""

    def __init__(self, world, servers, name="nginx"):
        self.world, self.name = world, name
        folder = world.folder / name
        folder.mkdir()
        self.config = world.write(name + "/nginx.conf", """
daemon off;
pid %(folder)s/pid;
error_log %(folder)s/error.log;
worker_processes 1;
events { worker_connections 64; }
http {
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/f; uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  access_log off;
  %(servers)s
}
""" % {"folder": folder, "servers": servers})
        self.process = world.start(name, NGINX, "-c", self.config, "-p", folder)

    def wait(self, *ports):
        for port in ports:
            wait_until(lambda: listening(port), 10, "nginx")

    def reload(self):
        self.process.send_signal(signal.SIGHUP)


__all__ = ["NGINX", "Authority", "Responder", "WebServer", "free_port"]
