// The consumers, the reader of all logs with its state, and the configuration.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "agent/collectors/host/recording_sink.h"
#include "agent/collectors/logs/logs_reader.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

namespace fs = std::filesystem;

LogLine line_of(std::string_view text) {
  LogLine line;
  line.text = text;
  return line;
}

/// What is told now. The first time new counters are told as 0.
RecordingSink told(LogConsumer& consumer) {
  RecordingSink sink;
  consumer.tell(sink);
  CHECK(!sink.repeated);
  return sink;
}

std::string request(std::string_view path, int status, std::string_view seconds) {
  return fmt::format(
      R"(1.2.3.4 - - [27/Nov/2026:22:04:13 +0000] "GET {} HTTP/1.1" {} 100 "-" "x" {})", path,
      status, seconds);
}

LogsSettings settings_of(const std::string& text, std::string& errors) {
  const config::Source source{"agent.toml", text};
  base::Diagnostics diagnostics;
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table root(context, &node);
  LogsSettings settings = read_logs_settings(root, base::Duration{15'000});
  root.finish();
  errors.clear();
  for (const auto& one : diagnostics) errors += fmt::format("{}: {}\n", one.line, one.message);
  return settings;
}

/// Files, settings and readers of one state folder.
struct ReaderBench {
  explicit ReaderBench(const std::string& toml) {
    std::string errors;
    std::string text = toml;
    for (std::size_t at; (at = text.find("DIR")) != std::string::npos;) {
      text.replace(at, 3, folder.path());
    }
    settings = settings_of(text, errors);
    REQUIRE(errors == "");
    settings.state_file = folder.file("logs.state");
  }
  void begin() {
    reader.reset();
    reader = std::make_unique<LogsReader>(settings, LogsReader::World{*files, clock});
  }
  void append(const std::string& name, std::string_view text) {
    auto file = files->open_append(folder.file(name), 0600);
    REQUIRE((*file)->append(text));
  }
  RecordingSink read() {
    clock.advance(base::Duration{10'000});
    const LogsRound round = reader->read();
    failures = round.failures;
    RecordingSink sink;
    round.samples.replay(sink);
    CHECK(!sink.repeated);
    return sink;
  }

  sim::TestFolder folder;
  std::unique_ptr<base::FileSystem> files = base::make_real_file_system();
  base::SimClock clock{base::RealClock().wall()};
  LogsSettings settings;
  std::unique_ptr<LogsReader> reader;
  std::vector<LogsRound::Failure> failures;
};

}  // namespace

TEST_CASE("access log: requests, durations and bytes; new series begin at 0") {
  AccessLogOptions options;
  options.job = "shop";
  options.buckets = {0.1, 1};
  auto log = AccessLog::make(options).value();
  log->take(line_of(request("/a/1", 200, "0.05")));
  log->take(line_of(request("/a/2", 200, "0.5")));
  log->take(line_of(request("/a/3", 500, "7")));
  log->take(line_of(request("/nothing-here", 404, "0.1")));
  log->take(line_of("no access line"));
  const RecordingSink first = told(*log);
  CHECK(first.value("access_log_requests_total,job=shop") == 4);
  CHECK(first.value("access_log_lines_malformed_total,job=shop") == 1);
  const std::string ok = "http_requests_total,job=shop,method=GET,route=/a/:id,status=200";
  CHECK(first.value(ok) == 0);
  const RecordingSink then = told(*log);
  CHECK(then.value(ok) == 2);
  CHECK(then.value("http_requests_total,job=shop,method=GET,route=/a/:id,status=500") == 1);
  CHECK(then.value("http_requests_total,job=shop,method=GET,route=other,status=404") == 1);
  CHECK(then.value("http_response_size_bytes_total,job=shop,route=/a/:id") == 300);
  const std::string bucket = "http_request_duration_seconds_bucket,job=shop,le=";
  CHECK(then.value(bucket + "0.1,route=/a/:id") == 1);
  CHECK(then.value(bucket + "1,route=/a/:id") == 2);
  CHECK(then.value(bucket + "+Inf,route=/a/:id") == 3);
  CHECK(then.value("http_request_duration_seconds_sum,job=shop,route=/a/:id") == 7.55);
  CHECK(then.value("http_request_duration_seconds_count,job=shop,route=/a/:id") == 3);
}

TEST_CASE("access log: a flood of paths and methods stays bounded") {
  AccessLogOptions options;
  options.routes_max = 10;
  auto log = AccessLog::make(options).value();
  for (int i = 0; i < 5'000; ++i) {
    const std::string path =
        fmt::format("/x{}y", std::string(1 + i % 20, static_cast<char>('a' + i % 26)));
    std::string text = request(path, 200 + i % 7, "0.1");
    text.replace(text.find("GET"), 3, fmt::format("M{}", i));
    log->take(line_of(text));
  }
  CHECK(told(*log).samples.size() < 11 * 7 + 11 * 15 + 11 + 10);
}

TEST_CASE("app log: levels, new kinds of errors, patterns, audit, personal data; kept") {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  AppLogOptions options;
  options.log = "shop";
  options.learning = base::Duration{60'000};
  options.audit_silent_after = base::Duration{3'600'000};
  LogPattern slow;
  slow.name = "slow";
  slow.regex = "took (?P<value>[0-9.]+) s";
  slow.value = LogPattern::Value::Gauge;
  LogPattern sold = slow;
  sold.name = "sold";
  sold.regex = "sold (?P<value>[0-9.]+)";
  sold.value = LogPattern::Value::Counter;
  LogPattern plain;
  plain.name = "limit";
  plain.regex = "Rate limit exceeded";
  options.patterns = {slow, sold, plain};
  auto log = AppLog::make(options, clock).value();
  log->take(line_of("ERROR payment 1 failed"));
  clock.advance(base::Duration{120'000});
  log->take(line_of("ERROR payment 2 failed"));
  log->take(line_of("ERROR refund 3 failed for ada@example.org"));
  log->take(line_of("ERROR refund 4 failed for bob@example.org"));
  log->take(line_of("INFO took 1.5 s, sold 3"));
  log->take(line_of("INFO took 2.5 s, sold 4"));
  log->take(line_of("WARNING Rate limit exceeded"));
  log->take(line_of(R"({"levelname": "CRITICAL", "message": "x of 7"})"));
  log->take(line_of(R"({"message": "x of 8", "levelname": "critical", "more": 1})"));
  log->take(line_of("   "));
  log->take(line_of("Nov 27 22:04:13 db1 tocsin-agent[7]: a new kind of error: ERROR x"));
  log->take(line_of(R"(Sensitive operation audit: {"action": "export", "status": "ok"})"));
  told(*log);
  const RecordingSink sink = told(*log);
  CHECK(sink.value("log_lines_total,level=error,log=shop") == 4);
  CHECK(sink.value("log_lines_total,level=critical,log=shop") == 2);
  CHECK(sink.value("log_errors_total,log=shop") == 6);
  CHECK(sink.value("log_fingerprints,log=shop") == 3);
  CHECK(sink.value("log_new_fingerprints_total,log=shop") == 2);  // learnt: the payment
  CHECK(sink.value("log_personal_data_total,log=shop") == 2);
  CHECK(sink.value("log_pattern_value,log=shop,pattern=slow") == 2.5);
  CHECK(sink.value("log_pattern_value_total,log=shop,pattern=sold") == 7);
  CHECK(sink.value("log_patterns_total,log=shop,pattern=limit") == 1);
  CHECK(sink.value("audit_events_total,action=export,log=shop,status=ok") == 1);
  const auto last = sink.value("audit_last_event_timestamp_seconds,log=shop");
  REQUIRE(last);
  for (const auto& [series, value] : sink.samples) CHECK(series.find("@") == std::string::npos);

  clock.advance(base::Duration{500'000});
  auto later = AppLog::make(options, clock).value();
  for (const auto& row : log->save()) later->load({row.begin(), row.end()});
  later->take(line_of("ERROR payment 7 failed"));
  later->take(line_of("ERROR something else"));
  const RecordingSink again = told(*later);
  CHECK(again.value("log_new_fingerprints_total,log=shop") == 1);
  CHECK(again.value("audit_last_event_timestamp_seconds,log=shop") == last);
}

TEST_CASE("auth log: brute force, spray, success after failures, accounts") {
  base::SimClock clock{base::parse_rfc3339("2026-11-27T22:10:00Z").value()};
  AuthLogOptions options;
  options.log = "auth";
  options.service_accounts = {"backup"};
  auto log = AuthLog::make(options, clock).value();
  const auto say = [&](int second, std::string_view tail) {
    log->take(line_of(fmt::format("2026-11-27T22:{:02}:{:02}+00:00 db1 {}", 9, second, tail)));
  };
  for (int i = 0; i < 12; ++i) {
    say(i, fmt::format("sshd[{}]: Failed password for ada from 203.0.113.9 port 5 ssh2", i));
    say(i, fmt::format("sshd[{}]: Connection closed by authenticating user ada 203.0.113.9 port 5 "
                       "[preauth]",
                       i));
  }
  for (int i = 0; i < 40; ++i) {
    say(20, fmt::format("sshd[{}]: Failed password for invalid user u{} from 198.51.100.7 port 5 "
                        "ssh2",
                        100 + i, i));
  }
  say(30, "sshd[900]: Connection closed by invalid user key 192.0.2.1 port 5 [preauth]");
  say(31, "sshd[901]: Accepted password for ada from 203.0.113.9 port 5 ssh2");
  say(32, "sshd[902]: Accepted publickey for backup from 192.0.2.2 port 5 ssh2: ED25519 x");
  say(33, "sudo: eve : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/x");
  say(34, "useradd[7]: new user: name=eve, UID=1002, GID=1002, home=/h, shell=/bin/sh");
  say(35, "usermod[8]: add 'eve' to group 'sudo'");
  say(35, "usermod[8]: add 'eve' to shadow group 'sudo'");
  say(36, "usermod[9]: add 'eve' to group 'audio'");
  log->take(line_of("junk"));
  told(*log);
  // The first round tells the peaks; counters that were there from the begin are exact then.
  const RecordingSink sink = told(*log);
  CHECK(sink.value("sec_auth_failures_total,log=auth,service=sshd") == 53);
  CHECK(sink.value("sec_auth_successes_total,log=auth,service=sshd") == 2);
  CHECK(sink.value("sec_auth_unknown_users_total,log=auth") == 41);
  CHECK(sink.value("sec_auth_failures_source_max,log=auth,window=5m") == 40);
  CHECK(sink.value("sec_auth_failures_account_max,log=auth,window=5m") == 12);
  CHECK(sink.value("sec_auth_accounts_per_source_max,log=auth,window=10m") == 40);
  CHECK(sink.value("sec_auth_success_after_failures_total,log=auth") == 1);
  CHECK(sink.value("sec_service_account_logins_total,log=auth") == 1);
  CHECK(sink.value("sec_sudo_total,log=auth,result=refused") == 1);
  CHECK(sink.value("sec_new_accounts_total,log=auth") == 1);
  CHECK(sink.value("sec_admin_group_additions_total,log=auth") == 1);
  for (const auto& [series, value] : sink.samples) {
    CHECK(series.find("203.0.113") == std::string::npos);
    CHECK(series.find("ada") == std::string::npos);
  }
}

TEST_CASE("auth log: an attack goes on over a restart") {
  base::SimClock clock{base::parse_rfc3339("2026-11-27T22:10:00Z").value()};
  AuthLogOptions options;
  options.log = "auth";
  auto log = AuthLog::make(options, clock).value();
  for (int i = 0; i < 10; ++i) {
    log->take(
        line_of(fmt::format("2026-11-27T22:09:{:02}Z db1 sshd[{}]: Failed password for ada "
                            "from 203.0.113.9 port 5 ssh2",
                            i, i)));
  }
  auto later = AuthLog::make(options, clock).value();
  for (const auto& row : log->save()) later->load({row.begin(), row.end()});
  later->load({"failure", "x", "1", "2"});
  CHECK(told(*later).value("sec_auth_failures_source_max,log=auth,window=5m") == 10);
  later->take(line_of(
      "2026-11-27T22:09:30Z db1 sshd[77]: Accepted password for ada from 203.0.113.9 port 5 ssh2"));
  CHECK(told(*later).value("sec_auth_success_after_failures_total,log=auth") == 1);
}

TEST_CASE("auth log: an application's log-ins behind a proxy") {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  AuthLogOptions options;
  options.log = "shop";
  options.pattern =
      R"re(login (?:(?P<ok>ok)|(?P<fail>failed)) user=(?P<user>\S*) ip=(?P<ip>\S+) )re"
      R"re(xff="(?P<forwarded>[^"]*)")re";
  options.trusted_proxies = {"127.0.0.1"};
  auto log = AuthLog::make(options, clock).value();
  for (int i = 0; i < 15; ++i) {
    // Behind the proxy one client claims to be another one each time.
    log->take(line_of(
        fmt::format(R"(login failed user=u{} ip=127.0.0.1 xff="10.9.8.{}, 203.0.113.9")", i, i)));
  }
  // Past the proxy: what it claims counts for nothing.
  log->take(line_of(R"(login ok user=x ip=198.51.100.7 xff="203.0.113.9")"));
  log->take(line_of(R"(login ok user=z ip=127.0.0.1 xff="203.0.113.9")"));
  told(*log);
  const RecordingSink sink = told(*log);
  CHECK(sink.value("sec_auth_failures_total,log=shop,service=application") == 15);
  CHECK(sink.value("sec_auth_failures_source_max,log=shop,window=1m") == 15);
  CHECK(sink.value("sec_auth_accounts_per_source_max,log=shop,window=10m") == 15);
  CHECK(sink.value("sec_auth_success_after_failures_total,log=shop") == 1);
  CHECK(!sink.has_name("sec_sudo_total"));
}

TEST_CASE("reader: samples of all logs, failures that name what is missing, and state") {
  ReaderBench bench(R"(
[[log]]
name = "shop"
path = "DIR/shop.log"
silent_after = "1h"
learning = "0s"
[[access_log]]
name = "web"
path = "DIR/access.log"
[log_files]
deleted = false
logrotate_status = "DIR/status"
)");
  bench.append("shop.log", "ERROR old\n");
  bench.append("status", "logrotate state -- version 2\n");
  bench.begin();
  RecordingSink sink = bench.read();
  CHECK(sink.value("log_readable,log=shop") == 1);
  CHECK(sink.value("log_readable,log=web") == 0);
  REQUIRE(bench.failures.size() == 1);
  CHECK(bench.failures[0].server == "web");
  CHECK(bench.failures[0].error.code == base::ErrorCode::NotFound);
  CHECK(sink.value("log_silent_after_seconds,log=shop") == 3600);
  CHECK(sink.has_name("log_last_line_timestamp_seconds"));
  CHECK(sink.has_name("logrotate_last_run_timestamp_seconds"));
  bench.append("shop.log", "ERROR one\n");
  bench.append("access.log", request("/a", 200, "1") + "\n");
  sink = bench.read();
  CHECK(sink.value("log_errors_total,log=shop") == 1);
  CHECK(sink.value("log_new_fingerprints_total,log=shop") == 1);
  CHECK(sink.value("access_log_requests_total,job=web") == 1);
  CHECK(bench.failures.empty());

  // A reload: the old one writes its state when it goes, the new one reads it at its first round.
  bench.append("shop.log", "ERROR two\n");
  bench.begin();
  bench.append("shop.log", "ERROR one\n");
  CHECK(bench.read().value("log_errors_total,log=shop") == 0);
  sink = bench.read();
  CHECK(sink.value("log_errors_total,log=shop") == 2);
  CHECK(sink.value("log_new_fingerprints_total,log=shop") == 1);

  bench.folder.write("logs.state", "garbage");
  bench.reader.reset();
  bench.folder.write("logs.state", "garbage");
  bench.begin();
  bench.read();
  REQUIRE(bench.failures.size() == 1);
  CHECK(bench.failures[0].check == "state");
  CHECK(bench.failures[0].error.code == base::ErrorCode::Corruption);
}

TEST_CASE("deleted files: one that this process holds, counted once and by its blocks") {
  sim::TestFolder folder;
  const auto files = base::make_real_file_system();
  const base::RealClock clock;
  DeletedFilesOptions options;
  options.processes_told = 1'000;
  const auto held = [&] {
    DeletedFiles scan(options, *files, clock);
    for (int i = 0; i < 100; ++i) {
      // Of other people's processes nothing may be seen; ours may.
      static_cast<void>(scan.step(clock.monotonic() + base::Duration{60'000}));
      RecordingSink seen;
      scan.tell(seen);
      if (seen.has_name("node_deleted_open_hidden_processes")) break;
    }
    RecordingSink sink;
    scan.tell(sink);
    double all = 0;
    for (const auto& [series, value] : sink.samples) {
      if (series.starts_with("node_deleted_open_bytes,process=collectors_logs")) all += value;
    }
    return all;
  };
  const double before = held();
  const std::string path = folder.file("gone");
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0);
  const std::string block(1 << 20, 'x');
  REQUIRE(::write(fd, block.data(), block.size()) == static_cast<ssize_t>(block.size()));
  const int again = ::dup(fd);
  REQUIRE(::unlink(path.c_str()) == 0);
  const double after = held();
  CHECK(after - before >= 1 << 20);
  CHECK(after - before < 2 << 20);
  ::close(fd);
  ::close(again);
  CHECK(held() == before);
}

TEST_CASE("logs settings: what is wrong is said where it stands") {
  std::string errors;
  CHECK(!settings_of("", errors).any());
  CHECK(errors == "");
  const LogsSettings good = settings_of(R"toml(
[[log]]
name = "shop"
journal_units = ["shop.service"]
[[log.pattern]]
name = "slow"
regex = "took (?P<value>\\d+)"
value = "counter"
[[access_log]]
path = "/var/log/nginx/access.log"
format = "traefik"
buckets = ["100ms", "1s"]
[[access_log.route]]
pattern = "/api/"
name = "api"
[[auth_log]]
service_accounts = ["backup"]
)toml",
                                        errors);
  CHECK(errors == "");
  CHECK(good.any());
  CHECK(good.apps.at(0).journal->units.at(0) == "shop.service");
  CHECK(good.accesses.at(0).options.format.duration_unit_seconds == 1e-9);
  CHECK(good.accesses.at(0).options.buckets == std::vector<double>{0.1, 1});
  CHECK(good.auths.at(0).tail.patterns == std::vector<std::string>{"/var/log/auth.log"});
  REQUIRE(good.deleted);

  const auto error_of = [&](const std::string& text) {
    settings_of(text, errors);
    return errors;
  };
  CHECK(error_of("[[log]]\n") == "1: no path is given\n");
  CHECK(error_of("[[log]]\npath = \"x.log\"\n") == "2: 'x.log' is not an absolute path\n");
  CHECK(error_of("[[log]]\npath = \"/x\"\njournal_units = [\"a\"]\n") ==
        "2: a log is read from files or from the journal\n");
  CHECK(error_of("[[log]]\nname = \"a b\"\npath = \"/x\"\n").find("2: 'a b' is no name") == 0);
  CHECK(error_of("[[log]]\npath = \"/x\"\n[[log]]\npath = \"/y\"\n")
            .find("two tables are called 'app'") != std::string::npos);
  CHECK(error_of("[[access_log]]\npath = \"/x\"\nformat = \"pattern\"\npattern = \"(\"\n")
            .find("4: bad regular expression") == 0);
  CHECK(error_of("[[access_log]]\npath = \"/x\"\npattern = \"x\"\n") ==
        "3: a pattern needs format = \"pattern\"\n");
  CHECK(
      error_of("[[access_log]]\npath = \"/x\"\nbuckets = [\"2s\", \"1s\"]\n").find("3: buckets") ==
      0);
  CHECK(error_of("[[auth_log]]\ntrusted_proxies = [\"10.0.0.0/99\"]\n") ==
        "2: '10.0.0.0/99' is no address and no network\n");
  CHECK(error_of("[[auth_log]]\npattern = \"x\"\n").find("2: the pattern needs the group") == 0);
  CHECK(error_of("[[log]]\npath = \"/x\"\n[[log.pattern]]\nname = \"a\"\nregex = \"x\"\nvalue = "
                 "\"gauge\"\n")
            .find("5: a pattern with a value needs the group") == 0);
  CHECK(error_of("[[log]]\npath = \"/x\"\npaht = \"/y\"\n").find("paht") != std::string::npos);
}

}  // namespace tocsin::agent
