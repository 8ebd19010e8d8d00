"""Our host collectors against Debian's prometheus-node-exporter 1.5, on this very machine.

node_exporter is scraped, our agent prints one round, node_exporter is scraped again. For every family that both
sides know: the same name, type and label sets; counters lie between the two scrapes, gauges within a
tolerance that is written down here. What is not compared has a reason beside it.
"""

import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request

from harness import BIN, SOURCE, free_port

NODE_EXPORTER = shutil.which("prometheus-node-exporter")
FROZEN = SOURCE / ".." / "shared" / "conformance" / "scrapes" / "node_exporter.scrape.txt"

# The defaults of our HostSettings, given to node_exporter too: Debian's package also hides /run, /mnt, /media.
MOUNT_POINTS_EXCLUDE = (
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)")

# Families of node_exporter that we do not have, and why. A prefix ends in "_".
NOT_OURS = {
    "node_exporter_": "about node_exporter itself",
    "node_scrape_": "about node_exporter itself; ours is tocsin_agent_collector_*",
    "node_processes_threads_state": "costs one file a thread",
    "node_selinux_": "says one bit that never changes",
    # Hardware and file systems for which we have no collector.
    "node_bcache_": "no collector", "node_btrfs_": "no collector",
    "node_cpu_frequency_": "no collector",
    "node_cpu_scaling_": "no collector", "node_dmi_": "no collector",
    "node_drbd_": "no collector",
    "node_fibrechannel_": "no collector",
    "node_infiniband_": "no collector", "node_ipvs_": "no collector",
    "node_nfs_": "no collector", "node_nfsd_": "no collector",
    "node_rapl_": "no collector", "node_schedstat_": "no collector",
    "node_tape_": "no collector",
    "node_xfs_": "no collector", "node_zfs_": "no collector",
}

# Ours that node_exporter lacks by default, and why.
NOT_THEIRS = {
    "node_systemd_service_restart_total": "on by a flag there",
}

# Numbers of the kernel's configuration: a frozen scrape of another kernel may have more or fewer.
KERNEL_DEPENDENT = ("node_memory_", "node_netstat_", "node_sockstat_", "node_disk_",
                    "node_nf_conntrack_", "node_pressure_", "node_network_", "node_softnet_",
                    "node_filesystem_", "node_arp_", "node_os_", "node_time_clocksource_",
                    "node_vmstat_", "node_udp_", "node_cpu_guest_")

MIB = 1 << 20
# How far a gauge may move between the scrapes on a busy machine; 0 for all others.
GAUGE_TOLERANCE = {
    "node_memory_": 512 * MIB,
    "node_filesystem_avail_bytes": 1024 * MIB,
    "node_filesystem_free_bytes": 1024 * MIB,
    "node_filesystem_files_free": 20000,
    "node_load": 2,
    "node_procs_": 64,
    "node_processes_": 128,
    "node_filefd_allocated": 2048,
    "node_entropy_": 256,
    "node_sockstat_": 2048,
    "node_sockstat_TCP_mem_bytes": 16 * MIB,  # whole pages, given back at once
    "node_sockstat_UDP_mem_bytes": 16 * MIB,
    "node_disk_io_now": 256,
    "node_time_seconds": 0.01,  # ours has milliseconds
    "node_timex_": 1,
    "node_udp_queues": MIB,
    "node_arp_entries": 8,
    "node_nf_conntrack_entries": 2048,
    "node_textfile_mtime_seconds": 1e-3,
    "node_netstat_Tcp_CurrEstab": 256,  # a gauge among node_exporter's untyped
}

# Label sets that say what a process does at the very instant of the reading.
MOMENTARY = {
    "node_processes_state": {frozenset({("state", state)}) for state in "RDZ"},
    "node_processes_threads_state": {frozenset({("thread_state", state)}) for state in "RDZ"},
}

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Page:
    """One exposition: families[name][labels] = value; types[name]."""

    def __init__(self, text):
        self.families = {}
        self.types = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ", 3)
                self.types[name] = kind
            elif line and not line.startswith("#"):
                match = SAMPLE.match(line)
                if match is None:
                    raise AssertionError("not a sample: " + line)
                # An empty label is no label (our agent leaves it out; the server would too).
                labels = frozenset(
                    pair for pair in LABEL.findall(match.group(2) or "") if pair[1] != "")
                family = self.families.setdefault(match.group(1), {})
                if labels in family:
                    raise AssertionError("series given twice: " + line)
                family[labels] = float(match.group(3))

    def names(self):
        return {name for name in self.families if name.startswith("node_")}


def in_chroot():
    """In a chroot node_exporter shows the mounts of process 1, which lead nowhere there; we show ours."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return all(line.split()[1] != "/" for line in mounts)


def listed(name, table):
    return any(name == entry or (entry.endswith("_") and name.startswith(entry)) for entry in table)


def tolerance(name):
    return max((size for prefix, size in GAUGE_TOLERANCE.items() if name.startswith(prefix)),
               default=0)


def our_round(folder, host=None):
    """Runs one round of ours: the agent, or the small printer where no agent is built.

    `host` is a folder with proc, sys and root in place of this machine's.
    """
    agent = BIN / "tocsin-agent"
    textfiles = folder / "textfiles"
    if agent.exists():
        config = folder / "agent.toml"
        text = '[spool]\npath = "%s"\n[host]\ntextfile_directory = "%s"\n' % (
            folder / "spool", textfiles)
        if host is not None:
            text += 'proc_path = "%s"\nsys_path = "%s"\nroot_path = "%s"\n' % (
                host / "proc", host / "sys", host / "root")
        config.write_text(text)
        command = [str(agent), "--config", str(config), "--once"]
    else:
        command = [str(BIN / "host_collectors_print"), str(textfiles)]
        if host is not None:
            command += [str(host / part) for part in ("proc", "sys", "root")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise AssertionError("%s: %s" % (command, done.stderr))
    return Page(done.stdout)


@contextlib.contextmanager
def node_exporter(folder, *flags):
    """Runs node_exporter with our excludes; yields a function that scrapes it."""
    port = free_port()
    process = subprocess.Popen(
        [NODE_EXPORTER, "--web.listen-address=127.0.0.1:%d" % port,
         "--web.disable-exporter-metrics", "--collector.processes",
         "--collector.textfile.directory=%s" % (folder / "textfiles"),
         "--collector.filesystem.mount-points-exclude=" + MOUNT_POINTS_EXCLUDE, *flags],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def scrape():
        url = "http://127.0.0.1:%d/metrics" % port
        end = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(url, timeout=10) as reply:
                    return Page(reply.read().decode())
            except OSError:
                if time.monotonic() > end or process.poll() is not None:
                    raise
                time.sleep(0.05)

    try:
        yield scrape
    finally:
        process.terminate()
        process.wait(10)


class Parity(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        (cls.folder / "textfiles").mkdir()
        (cls.folder / "textfiles" / "job.prom").write_text(
            "# HELP node_parity_example From a file.\n# TYPE node_parity_example gauge\n"
            'node_parity_example{a="b \\"c\\""} 1.5\n')

    def setUp(self):
        if not (BIN / "tocsin-agent").exists() and not (BIN / "host_collectors_print").exists():
            self.skipTest("neither tocsin-agent nor host_collectors_print is built")

    def test_names_types_labels_and_values(self):
        if NODE_EXPORTER is None:
            self.skipTest("prometheus-node-exporter is not installed")
        with node_exporter(self.folder) as scrape:
            scrape()  # the first one is slow and would widen the bounds
            before = scrape()
            ours = our_round(self.folder)
            after = scrape()

        if in_chroot():
            print("in a chroot: node_filesystem_* is left out of the comparison")
            for page in (before, ours, after):
                page.families = {name: family for name, family in page.families.items()
                                 if not name.startswith("node_filesystem_")}
        theirs = before.names() & after.names()
        self.assertGreater(len(theirs), 150)
        missing = {name for name in theirs - ours.names() if not listed(name, NOT_OURS)}
        self.assertEqual(missing, set(), "node_exporter has these, we do not")
        extra = {name for name in ours.names() - before.names() - after.names()
                 if name not in NOT_THEIRS}
        self.assertEqual(extra, set(), "we have these, node_exporter does not")

        for name in sorted(theirs & ours.names()):
            with self.subTest(name=name):
                self.assertEqual(ours.types.get(name), before.types.get(name))
                self.compare_family(name, before, ours, after)

    def compare_family(self, name, before, ours, after):
        first, mine, last = (page.families[name] for page in (before, ours, after))
        # What both scrapes have, we must have; what neither has, we must not. States of processes and
        # the like come and go in between: those in one scrape may or may not be in ours. A process that
        # runs is often the reader itself, so that node_exporter sees one each time and we see none.
        momentary = MOMENTARY.get(name, frozenset())
        self.assertLessEqual((first.keys() & last.keys()) - momentary, mine.keys(), "label sets we lack")
        if not momentary:
            self.assertLessEqual(mine.keys(), first.keys() | last.keys(), "label sets only we have")
        growing = before.types[name] == "counter" or (
            before.types[name] == "untyped" and name != "node_netstat_Tcp_CurrEstab")
        for labels in mine.keys() & first.keys() & last.keys():
            low, value, high = first[labels], mine[labels], last[labels]
            slack = 1e-9 * max(abs(low), abs(high))
            if growing:
                self.assertLessEqual(low - slack, value, (labels, low, high))
                self.assertLessEqual(value, high + slack, (labels, low, high))
            else:
                allowed = tolerance(name) + abs(high - low) + slack
                self.assertLessEqual(abs(value - low), allowed, (labels, low, value, high))

    def test_hand_made_host(self):
        """Hardware this machine lacks: disks known to udev, RAID, bonds, memory errors, throttling."""
        if NODE_EXPORTER is None:
            self.skipTest("prometheus-node-exporter is not installed")
        host = SOURCE / "tests" / "data" / "proc"
        not_compared = {
            "node_os_": "node_exporter refuses the escaped dollar of this os-release",
            "node_processes_": "node_exporter refuses the process with brackets in its name",
            "node_network_receive_nohandler_total": "node_exporter has it by netlink only",
            "node_softnet_": "node_exporter 1.5 numbers the lines, we give the CPU's own number",
        }
        with node_exporter(self.folder, "--no-collector.netdev.netlink",
                           "--path.procfs=%s" % (host / "proc"), "--path.sysfs=%s" % (host / "sys"),
                           "--path.rootfs=%s" % (host / "root"),
                           "--path.udev.data=%s" % (host / "root/run/udev/data")) as scrape:
            before = scrape()
            ours = our_round(self.folder, host)
            after = scrape()
        skipped = {**NOT_OURS, **NOT_THEIRS, **not_compared}
        theirs = {name for name in before.names() if not listed(name, skipped)}
        mine = {name for name in ours.names() if not listed(name, skipped)}
        self.assertEqual(theirs, mine)
        self.assertTrue({"node_md_disks", "node_bonding_active", "node_disk_device_mapper_info",
                         "node_edac_csrow_correctable_errors_total", "node_cpu_isolated",
                         "node_cpu_core_throttles_total"} <= mine)
        for name in sorted(mine):
            with self.subTest(name=name):
                self.assertEqual(ours.types.get(name), before.types.get(name))
                self.compare_family(name, before, ours, after)

    def test_names_and_types_of_the_frozen_scrape(self):
        if not FROZEN.exists():
            self.skipTest("no frozen scrape beside the source folder")
        frozen = Page(FROZEN.read_text())
        ours = our_round(self.folder)
        missing = {name for name in frozen.names() - ours.names()
                   if not listed(name, NOT_OURS) and not name.startswith(KERNEL_DEPENDENT)}
        self.assertEqual(missing, set())
        shared = frozen.names() & ours.names()
        self.assertGreater(len(shared), 100)
        for name in sorted(shared):
            self.assertEqual(ours.types.get(name), frozen.types.get(name), name)
            # Label names, not values: another machine has other devices.
            keys = [{label for label, _ in labels} for labels in frozen.families[name]]
            for labels in ours.families[name]:
                if name.endswith("_info") or name.startswith("node_os_"):
                    continue  # empty labels are left out there and here, but not the same ones
                self.assertIn({label for label, _ in labels}, keys, name)

    def test_files_of_other_programs(self):
        ours = our_round(self.folder)
        self.assertEqual(ours.families["node_parity_example"],
                         {frozenset({("a", 'b \\"c\\"')}): 1.5})
        self.assertEqual(ours.families["node_textfile_scrape_error"], {frozenset(): 0})


if __name__ == "__main__":
    unittest.main()
