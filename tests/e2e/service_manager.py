"""A systemd of the test's own: the first process of its own namespaces, in a root folder of its own.

The units of packaging/ run in it as they are shipped, so that what they forbid is forbidden by the real thing. Only
units that the test names exist there; nothing of the host's is started. Network and kernel are the host's.
Controllers of the first version of control groups stay with the host, so limits such as MemoryMax do not bind there.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest

from harness import BIN, SOURCE, wait_until

UNITS = {
    "sysinit.target": "[Unit]\n",  # an empty file would be a masked unit
    "basic.target": "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\n",
    "shutdown.target": "[Unit]\nDefaultDependencies=no\n",
    "network-online.target": "[Unit]\n",
    "multi-user.target": "[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n",
    "dbus.service": "[Unit]\nRequires=dbus.socket\n[Service]\nType=notify\nNotifyAccess=main\nUser=messagebus\n"
                    "ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile "
                    "--systemd-activation\n",
    "dbus.socket": "[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
}

# Argument: the root folder. Becomes process 1 of the new namespaces, which systemd has to be.
ENTER = r"""
set -eu
root=$1
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr etc proc sys dev run tmp var/log var/lib home root boot mnt old
for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
mount --rbind /usr usr
mount -t overlay overlay -o "lowerdir=$root.bin:/usr/bin" usr/bin
mount -t proc proc proc
mount --rbind /sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mkdir dev/shm dev/pts
ln -s pts/ptmx dev/ptmx
touch dev/console
mount --bind /proc/self/fd/2 dev/console
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p run/systemd
cp -a "$root.etc/." etc/
mkdir var/log/tocsin
pivot_root . old
umount -l old
exec env -i container=tocsin-test PATH=/usr/sbin:/usr/bin SYSTEMD_UNIT_PATH=/etc/systemd/system \
  SYSTEMD_GENERATOR_PATH=/nonexistent SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=info \
  /lib/systemd/systemd --system --unit=multi-user.target --show-status=no
"""


class ServiceManager:
    """Start it with the units' configuration in `etc` (name below /etc -> text); stop() ends everything in it."""

    def __init__(self, world, units, etc):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, for a root folder of its own")
        for program in ("/lib/systemd/systemd", "/usr/bin/dbus-daemon", "/usr/bin/nsenter"):
            if not os.path.exists(program):
                raise unittest.SkipTest(program + " is not installed (packaging/install-deps --tests)")
        self.world = world
        self.root = world.folder / "root"
        self.root.mkdir()
        self.cgroup = None
        self.copy_programs()
        self.write_etc(units, etc)
        self.process = None

    @staticmethod
    def make_cgroup():
        for line in pathlib.Path("/proc/mounts").read_text().splitlines():
            fields = line.split()
            if fields[2] == "cgroup2":
                cgroup = pathlib.Path(fields[1]) / ("tocsin-test-%d" % os.getpid())
                try:
                    cgroup.mkdir()
                except OSError as error:
                    raise unittest.SkipTest("no control group can be made: %s" % error) from error
                return cgroup
        raise unittest.SkipTest("no control groups of version 2 here")

    def copy_programs(self):
        folder = pathlib.Path(str(self.root) + ".bin")
        folder.mkdir()
        for name in ("tocsin", "tocsin-agent", "tocsin-alertd"):
            shutil.copy(BIN / name, folder / name)
        folder.chmod(0o755)

    def write_etc(self, units, etc):
        folder = pathlib.Path(str(self.root) + ".etc")
        system = folder / "systemd/system"
        system.mkdir(parents=True)
        users, groups = ["root:x:0:0::/root:/bin/sh"], ["root:x:0:"]
        for number, name in enumerate(["messagebus", "tocsin-agent", "tocsin-alertd"], 901):
            users.append("%s:x:%d:%d::/:/usr/sbin/nologin" % (name, number, number))
            groups.append("%s:x:%d:" % (name, number))
        wanted = ""
        for unit in units:
            shutil.copy(SOURCE / "packaging/systemd" / unit, system / unit)
            # There is no journal; all else is as shipped.
            drop_in = system / (unit + ".d/log.conf")
            drop_in.parent.mkdir()
            name = unit.removesuffix(".service")
            drop_in.write_text("[Service]\nStandardOutput=append:/var/log/tocsin/%s.log\nStandardError=inherit\n"
                               % name)
            wanted += " " + unit
        for name, text in UNITS.items():
            (system / name).write_text(text)
        with open(system / "multi-user.target", "a") as target:
            target.write("Wants=dbus.service%s\n" % wanted)
        shutil.copytree("/etc/dbus-1", folder / "dbus-1")
        for name in ("ld.so.cache", "ld.so.conf", "nsswitch.conf", "localtime", "os-release", "hosts"):
            if os.path.exists("/etc/" + name):
                shutil.copy("/etc/" + name, folder / name)
        files = {"passwd": "\n".join(users) + "\n", "group": "\n".join(groups) + "\n",
                 "shadow": "root:*:20000:0:99999:7:::\n", "machine-id": "%032x\n" % os.getpid()}
        for name, text in {**files, **etc}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        (folder / "shadow").chmod(0o640)

    def start(self):
        self.cgroup = self.make_cgroup()
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--cgroup", "--ipc", "--uts",
                   "sh", "-c", ENTER, "enter", str(self.root)]
        log = open(self.world.folder / "systemd.log", "ab")
        self.process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=lambda: (self.cgroup / "cgroup.procs").write_text(str(os.getpid())))
        log.close()
        wait_until(self.is_up, 60, "systemd")

    def is_up(self):
        if self.process.poll() is not None:
            raise unittest.SkipTest("no systemd in namespaces of its own here: " + self.world.log("systemd")[-500:])
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    @property
    def pid(self):
        """The host's number of the systemd."""
        children = pathlib.Path("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid))
        numbers = children.read_text().split() if children.exists() else []
        return int(numbers[0]) if numbers else 0

    def run(self, *command):
        """Runs a program of the root, as root, beside the services."""
        if not self.pid:
            return subprocess.CompletedProcess(command, 1, "", "systemd is gone")
        return subprocess.run(["nsenter", "--target", str(self.pid), "--mount", "--pid", "--cgroup", "--ipc", "--uts",
                               "--root", "--wd", *command], capture_output=True, text=True, timeout=30)

    def show(self, unit, name):
        return self.run("systemctl", "show", "--value", "--property", name, unit).stdout.strip()

    def log(self, name):
        return self.run("cat", "/var/log/tocsin/%s.log" % name).stdout

    def status(self, unit):
        """/proc/PID/status of the unit's main process, as a dictionary."""
        done = self.run("cat", "/proc/%s/status" % self.show(unit, "MainPID"))
        if done.returncode != 0:
            raise AssertionError("%s: %s" % (unit, done.stderr))
        return dict(re.findall(r"^(\w+):\s*(.*)$", done.stdout, re.M))

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            pid = self.pid
            if pid:
                os.kill(pid, signal.SIGKILL)  # ends all of its namespace
            self.process.wait(20)
        if self.cgroup is None:
            return
        for _ in range(100):
            for folder, _, _ in os.walk(self.cgroup, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass
            if not self.cgroup.exists():
                return
            time.sleep(0.05)
