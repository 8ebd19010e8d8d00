// Processes and control groups of hand-made hosts: recorded files, and members that come and go.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>

#include "agent/collectors/host/recording_sink.h"
#include "agent/collectors/processes/cgroup_files.h"
#include "agent/collectors/processes/proc_files.h"
#include "agent/collectors/processes/process_settings.h"
#include "common/base/file_system.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

/// One process to be.
struct Fake {
  int pid = 1;
  std::string comm = "sh";
  int parent = 1;
  int user_ticks = 0;
  int start = 1000;
  std::string cmdline{};
  std::string unit{};
  char state = 'S';
  bool has_io = true;
};

/// A host in a folder, removed with the object.
class FakeHost {
 public:
  FakeHost() {
    write("proc/stat", "cpu 1 2 3\nbtime 1700000000\nprocesses 5\n");
    write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
  }

  void write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_.file(name);
    std::filesystem::create_directories(path.parent_path());
    auto files = base::make_real_file_system();
    static_cast<void>(files->remove(path));
    auto file = files->open_append(path, 0644);
    REQUIRE(file);
    REQUIRE((*file)->append(text));
  }

  void put(const Fake& fake) {
    const std::string at = fmt::format("proc/{}/", fake.pid);
    write(at + "stat",
          fmt::format("{} ({}) {} {} 1 1 0 -1 4194304 11 0 2 0 {} 50 0 0 20 0 3 0 {} 1048576 100 "
                      "18446744073709551615 1 1\n",
                      fake.pid, fake.comm, fake.state, fake.parent, fake.user_ticks, fake.start));
    write(at + "status",
          "Name:\tx\nVmSwap:\t     4 kB\nvoluntary_ctxt_switches:\t7\n"
          "nonvoluntary_ctxt_switches:\t3\n");
    if (fake.has_io) write(at + "io", "rchar: 9\nread_bytes: 4096\nwrite_bytes: 8192\n");
    write(at + "limits",
          "Limit                     Soft Limit           Hard Limit           Units     \n"
          "Max open files            8                    16                   files     \n");
    for (const char* fd : {"0", "1"}) write(at + "fd/" + fd, "");
    write(at + "cmdline", fake.cmdline);
    if (!fake.unit.empty()) write(at + "cgroup", "0::/system.slice/" + fake.unit + "\n");
  }
  void end(int pid) { std::filesystem::remove_all(folder_.file(fmt::format("proc/{}", pid))); }

  HostPaths paths() const { return {folder_.file("proc"), folder_.file("sys"), folder_.path()}; }
  std::string proc() const { return folder_.file("proc"); }

 private:
  sim::TestFolder folder_;
};

struct Watch {
  explicit Watch(const FakeHost& host, ProcessSettings settings)
      : collector(make_process_collector(settings, host.paths(), {clock, failures})) {}

  RecordingSink round() {
    RecordingSink sink;
    const auto done = collector->collect(sink);
    CAPTURE(done);
    CHECK(done);
    CHECK_FALSE(sink.repeated);
    return sink;
  }

  base::SimClock clock;
  base::FailureLog failures{"test"};
  std::unique_ptr<Collector> collector;
};

ProcessSettings groups(std::vector<ProcessGroupSettings> list) {
  ProcessSettings settings;
  settings.groups = std::move(list);
  return settings;
}

const std::string kNum = "namedprocess_namegroup_num_procs,groupname=";
const std::string kUser = "namedprocess_namegroup_cpu_seconds_total,groupname=web,mode=user";

template <class Read>
auto read_toml(const std::string& text, base::Diagnostics& diagnostics, Read read) {
  const auto files = base::make_real_file_system();
  const config::Source source{"agent.toml", text};
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table root(context, &node);
  return read(root);
}

}  // namespace

TEST_CASE("a process's files: odd commands, cut texts, kernel threads") {
  const auto stat = parse_proc_stat(
      "42 (a) b (c) D 7 1 1 0 -1 4194304 11 0 22 0 33 44 0 0 20 0 5 0 66 1048576 100 9\n");
  REQUIRE(stat);
  CHECK(stat->comm == "a) b (c");
  CHECK(stat->state == 'D');
  CHECK(stat->parent == 7);
  CHECK(stat->minor_faults == 11);
  CHECK(stat->major_faults == 22);
  CHECK(stat->user_ticks == 33);
  CHECK(stat->system_ticks == 44);
  CHECK(stat->threads == 5);
  CHECK(stat->start_ticks == 66);
  CHECK(stat->resident_pages == 100);
  CHECK_FALSE(parse_proc_stat("42 (sh) S 1 1 1 0"));
  CHECK_FALSE(parse_proc_stat(""));
  CHECK(parse_proc_status("Name: kthreadd\n").swapped_bytes == 0);
  CHECK_FALSE(parse_proc_io("rchar: 9\n"));
  CHECK_FALSE(parse_open_files_limit("Max open files   unlimited   unlimited   files\n"));
  CHECK(unit_of_cgroup("0::/system.slice/nginx.service\n") == "nginx.service");
  CHECK(unit_of_cgroup("5:cpu:/x.service\n1:name=systemd:/user.slice/session-1.scope\n") ==
        "session-1.scope");
  CHECK(unit_of_cgroup("0::/user.slice/user@0.service/app.slice/a.service/inner\n") == "a.service");
  CHECK(unit_of_cgroup("0::/\n").empty());
}

TEST_CASE("groups: sums of their members, empty ones too") {
  FakeHost host;
  host.put({.pid = 10, .comm = "nginx", .user_ticks = 100});
  host.put({.pid = 11, .comm = "nginx", .parent = 10, .user_ticks = 200, .start = 3000});
  host.put({.pid = 12, .comm = "cat", .parent = 10, .state = 'Z'});
  host.put({.pid = 13, .comm = "bash"});
  Watch watch(host, groups({{.name = "web", .comm = {"nginx"}}, {.name = "db", .comm = {"pg"}}}));
  const RecordingSink sink = watch.round();
  CHECK(sink.value(kNum + "web") == 3.0);  // with the child that matches nothing
  CHECK(sink.value(kNum + "db") == 0.0);
  CHECK(sink.value("namedprocess_namegroup_num_procs_min,groupname=db") == 1.0);
  CHECK(sink.value(kUser) == 3.0);
  const std::string memory = "namedprocess_namegroup_memory_bytes,groupname=web,memtype=";
  CHECK(sink.value(memory + "virtual") == 3.0 * 1048576);
  CHECK(sink.value(memory + "resident") == 300.0 * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  CHECK(sink.value(memory + "swapped") == 3.0 * 4096);
  CHECK(sink.value("namedprocess_namegroup_open_filedesc,groupname=web") == 6.0);
  CHECK(sink.value("namedprocess_namegroup_worst_fd_ratio,groupname=web") == 0.25);
  CHECK(sink.value("namedprocess_namegroup_oldest_start_time_seconds,groupname=web") ==
        1'700'000'010.0);
  CHECK_FALSE(sink.value("namedprocess_namegroup_oldest_start_time_seconds,groupname=db"));
  CHECK(sink.value("namedprocess_namegroup_states,groupname=web,state=Zombie") == 1.0);
  CHECK(sink.value("namedprocess_namegroup_num_threads,groupname=web") == 9.0);
  CHECK(sink.value("namedprocess_namegroup_write_bytes_total,groupname=web") == 3.0 * 8192);
}

TEST_CASE("counters stay when members end, and take no past along") {
  FakeHost host;
  host.put({.pid = 10, .comm = "nginx", .user_ticks = 100});
  host.put({.pid = 11, .comm = "sh", .user_ticks = 500});
  Watch watch(host, groups({{.name = "web", .comm = {"nginx"}}}));
  CHECK(watch.round().value(kUser) == 1.0);
  host.put({.pid = 10, .comm = "nginx", .user_ticks = 300});
  CHECK(watch.round().value(kUser) == 3.0);
  host.end(10);
  RecordingSink sink = watch.round();
  CHECK(sink.value(kUser) == 3.0);
  CHECK(sink.value(kNum + "web") == 0.0);
  // A new process counts from its beginning; the number of an old one taken again, too.
  host.put({.pid = 10, .comm = "nginx", .user_ticks = 50, .start = 9000});
  CHECK(watch.round().value(kUser) == 3.5);
  host.put({.pid = 10, .comm = "nginx", .user_ticks = 20, .start = 9900});
  CHECK(watch.round().value(kUser) == 3.7);
  // One that was there and becomes another program has used nothing for this group yet.
  host.put({.pid = 11, .comm = "nginx", .user_ticks = 510});
  for (int i = 0; i < 5; ++i) sink = watch.round();
  CHECK(sink.value(kNum + "web") == 2.0);
  CHECK(sink.value(kUser) == 3.7);
  host.put({.pid = 11, .comm = "nginx", .user_ticks = 610});
  CHECK(watch.round().value(kUser) == 4.7);
  // And one that becomes something else leaves.
  host.put({.pid = 11, .comm = "sh", .user_ticks = 700});
  sink = watch.round();
  CHECK(sink.value(kNum + "web") == 1.0);
  CHECK(sink.value(kUser) == 4.7);
}

TEST_CASE("matching by program, arguments, user and unit; names made of parts") {
  FakeHost host;
  using std::string_literals::operator""s;
  host.put(
      {.pid = 10, .comm = "python3", .cmdline = "/usr/bin/python3\0worker.py\0--queue=mail\0"s});
  host.put({.pid = 11, .comm = "python3", .cmdline = "python3\0worker.py\0--queue=bulk\0"s});
  host.put({.pid = 12, .comm = "sshd", .unit = "ssh.service"});
  host.put({.pid = 13, .comm = "a-very-long-nam", .cmdline = "/opt/x/a-very-long-name\0"s});
  host.put({.pid = 14, .comm = "odd", .cmdline = "odd\0\xff\xfe\0"s});
  ProcessSettings settings = groups({
      {.name = "worker {queue}", .cmdline = {"worker\\.py", "--queue=(?P<queue>\\w+)"}, .min = 0},
      {.name = "ssh", .unit = {"ssh*.service"}},
      {.name = "long", .comm = {"a-very-long-name"}, .exe = {"a-very-long-name"}},
      {.name = "never", .comm = {"sshd"}, .user = {"nobody-at-all"}},
      {.name = "rest {comm}", .user = {fmt::format("{}", ::getuid())}, .min = 0},
  });
  Watch watch(host, settings);
  const RecordingSink sink = watch.round();
  for (const char* name : {"worker mail", "worker bulk", "ssh", "long", "rest odd"}) {
    CAPTURE(name);
    CHECK(sink.value(kNum + name) == 1.0);
  }
  CHECK(sink.value(kNum + "never") == 0.0);
}

TEST_CASE("too many groups are one, and room is made by empty ones") {
  FakeHost host;
  for (int pid = 10; pid < 14; ++pid) host.put({.pid = pid, .comm = fmt::format("p{}", pid)});
  ProcessSettings settings = groups({{.name = "{comm}", .min = 0}});
  settings.groups_max = 3;
  settings.children = false;
  Watch watch(host, settings);
  RecordingSink sink = watch.round();
  CHECK(sink.value(kNum + "p10") == 1.0);
  CHECK(sink.value(kNum + "other") == 1.0);
  host.end(10);
  host.put({.pid = 20, .comm = "p20"});
  sink = watch.round();
  CHECK(sink.value(kNum + "p20") == 1.0);
  CHECK_FALSE(sink.value(kNum + "p10"));
}

TEST_CASE("what the kernel hides is left out and said, not told as 0") {
  FakeHost host;
  host.put({.pid = 10, .comm = "nginx", .has_io = false});
  Watch watch(host, groups({{.name = "web", .comm = {"nginx"}}}));
  const RecordingSink sink = watch.round();
  CHECK_FALSE(sink.has_name("namedprocess_namegroup_read_bytes_total"));
  CHECK(sink.value(
            "tocsin_agent_check_failed,check=io,reason=permission_denied,server=processes") == 1.0);
}

TEST_CASE("very many processes: a bounded number a round, nothing told before all were seen") {
  FakeHost host;
  for (int pid = 1000; pid < 1060; ++pid) host.put({.pid = pid, .comm = "sh", .parent = 1});
  host.put({.pid = 2000, .comm = "nginx"});
  ProcessSettings settings = groups({{.name = "web", .comm = {"nginx"}}});
  settings.reads_per_round = 20;
  Watch watch(host, settings);
  for (int i = 0; i < 3; ++i)
    CHECK_FALSE(watch.round().has_name("namedprocess_namegroup_num_procs"));
  CHECK(watch.round().value(kNum + "web") == 1.0);
  // Members are read each round all the same.
  host.end(2000);
  CHECK(watch.round().value(kNum + "web") == 0.0);
}

TEST_CASE("no /proc is a failure") {
  base::SimClock clock;
  base::FailureLog failures{"test"};
  const auto collector = make_process_collector(groups({{.name = "web", .comm = {"nginx"}}}),
                                                {"/nonexistent", "/sys", "/"}, {clock, failures});
  RecordingSink sink;
  CHECK_FALSE(collector->collect(sink));
  CHECK(sink.samples.empty());
}

TEST_CASE("control groups: services and containers, limits, pressure") {
  FakeHost host;
  const std::string root = "sys/fs/cgroup/";
  host.write(root + "cgroup.controllers", "cpu io memory pids\n");
  const std::string id(64, 'a');
  for (const std::string& path :
       {std::string("system.slice/nginx.service"), std::string("system.slice/cron.service"),
        "system.slice/docker-" + id + ".scope"}) {
    host.write(root + path + "/cgroup.controllers", "cpu io memory pids\n");
    host.write(root + path + "/cpu.stat",
               "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 10\n"
               "nr_throttled 4\nthrottled_usec 500000\n");
    host.write(root + path + "/cpu.max", "150000 100000\n");
    host.write(root + path + "/memory.current", "1000\n");
    host.write(root + path + "/memory.max", "max\n");
    host.write(root + path + "/memory.stat", "anon 600\nfile 300\ninactive_file 200\n");
    host.write(root + path + "/memory.events", "low 0\nhigh 2\nmax 3\noom 1\noom_kill 1\n");
    host.write(root + path + "/pids.current", "5\n");
    host.write(root + path + "/pids.max", "50\n");
    host.write(root + path + "/io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2\n8:16 rbytes=5\n");
    host.write(root + path + "/io.pressure",
               "some avg10=0.00 total=1500000\nfull avg10=0.00 total=500000\n");
  }
  CgroupSettings settings;
  settings.exclude = {"system.slice/cron.service"};
  const auto collector = make_cgroup_collector(settings, host.paths());
  RecordingSink sink;
  REQUIRE(collector->collect(sink));
  CHECK_FALSE(sink.repeated);
  const std::string nginx = ",id=/system.slice/nginx.service,name=nginx.service";
  CHECK(sink.value("container_cpu_usage_seconds_total" + nginx) == 3.0);
  CHECK(sink.value("container_cpu_cfs_throttled_seconds_total" + nginx) == 0.5);
  CHECK(sink.value("container_spec_cpu_cores" + nginx) == 1.5);
  CHECK(sink.value("container_memory_working_set_bytes" + nginx) == 800.0);
  CHECK(sink.value("container_oom_events_total" + nginx) == 1.0);
  CHECK(sink.value("container_fs_reads_bytes_total" + nginx) == 15.0);
  CHECK(sink.value("container_pressure_io_stalled_seconds_total" + nginx) == 0.5);
  CHECK(sink.value("container_threads_max" + nginx) == 50.0);
  CHECK_FALSE(sink.has_name("container_spec_memory_limit_bytes"));
  CHECK(sink.value("container_memory_usage_bytes,id=/system.slice/docker-" + id +
                   ".scope,name=aaaaaaaaaaaa") == 1000.0);
  CHECK(sink.value("container_groups_found") == 2.0);

  FakeHost old;  // version 1
  const auto none = make_cgroup_collector({}, old.paths())->collect(sink);
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find("unified_cgroup_hierarchy") != std::string::npos);
}

TEST_CASE("settings: mistakes are said with what to write instead") {
  base::Diagnostics diagnostics;
  const ProcessSettings good = read_toml(
      "[[process_group]]\nname = \"web\"\ncomm = [\"nginx\"]\nmin = 2\n"
      "[[process_group]]\nname = \"{comm}\"\n[processes]\ngroups_max = 50\n",
      diagnostics, read_process_settings);
  CHECK(diagnostics.empty());
  REQUIRE(good.groups.size() == 2);
  CHECK(good.groups[0].min == 2);
  CHECK(good.groups[1].min == 0);
  CHECK(good.groups_max == 50);
  for (const char* bad :
       {"[[process_group]]\nname = \"all\"\n", "[[process_group]]\ncomm = [\"x\"]\n",
        "[[process_group]]\nname = \"w {queue}\"\ncmdline = [\"worker\"]\n",
        "[[process_group]]\nname = \"w\"\ncmdline = [\"(\"]\n",
        "[[process_group]]\nname = \"{comm}\"\nmin = 3\n", "[processes]\ngroups_max = 0\n"}) {
    CAPTURE(bad);
    base::Diagnostics said;
    static_cast<void>(read_toml(bad, said, read_process_settings));
    CHECK(base::has_errors(said));
  }
  base::Diagnostics said;
  static_cast<void>(read_toml("[cgroups]\ninclude = [\"/abs\"]\n", said, read_cgroup_settings));
  CHECK(base::has_errors(said));
}

}  // namespace tocsin::agent
