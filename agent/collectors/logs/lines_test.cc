// What lines mean: recorded lines of nginx, gunicorn, Traefik, Django, PostgreSQL, sshd, sudo, ...
#include <doctest/doctest.h>

#include <cmath>

#include "agent/collectors/logs/access_line.h"
#include "agent/collectors/logs/app_line.h"
#include "agent/collectors/logs/auth_line.h"
#include "agent/collectors/logs/auth_windows.h"
#include "agent/collectors/logs/fingerprints.h"
#include "agent/collectors/logs/routes.h"
#include "agent/collectors/logs/syslog_line.h"
#include "agent/collectors/logs/trusted_proxies.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using Kind = AuthEvent::Kind;
using base::wall_time;

base::WallTime seconds(std::int64_t at) {
  return wall_time(1'700'000'000'000 + at * 1'000);
}

}  // namespace

TEST_CASE("access line: combined, with and without a duration, and what clients may send") {
  const auto plain = parse_combined(
      R"(203.0.113.9 - - [27/Nov/2026:22:04:13 +0000] "GET /a/1?x=2 HTTP/1.1" 200 512 "-" "curl")");
  REQUIRE(plain);
  CHECK(plain->method == "GET");
  CHECK(plain->path == "/a/1?x=2");
  CHECK(plain->status == 200);
  CHECK(plain->bytes == 512);
  CHECK(!plain->seconds);

  const auto timed = parse_combined(
      R"(::1 - me "x [27/Nov/2026:22:04:13 +0000] "POST /b HTTP/2.0" 502 157 "-" "a \" b" 1.250)");
  REQUIRE(timed);
  CHECK(timed->status == 502);
  REQUIRE(timed->seconds);
  CHECK(*timed->seconds == 1.25);

  const auto common =
      parse_combined(R"(1.2.3.4 - - [27/Nov/2026:22:04:13 +0000] "HEAD / HTTP/1.0" 304 -)");
  REQUIRE(common);
  CHECK(common->bytes == 0);
  CHECK(common->method == "HEAD");

  const auto junk = parse_combined(
      R"(1.2.3.4 - - [27/Nov/2026:22:04:13 +0000] "\x16\x03\x01\x02" 400 150 "-" "-")");
  REQUIRE(junk);
  CHECK(junk->method.empty());
  CHECK(junk->status == 400);
  CHECK(!parse_combined("2026/11/27 22:04:13 [error] 12#12: *3 open() failed"));
  CHECK(!parse_combined(R"(1.2.3.4 - - [x] "GET / HTTP/1.1" 9999 1)"));
  CHECK(!parse_combined(R"(1.2.3.4 - - [x] "GET / HTTP)"));
  CHECK(!parse_combined(""));
}

TEST_CASE("access line: JSON of nginx, of Traefik, and damaged JSON") {
  AccessFormatSettings nginx;
  const auto entry = parse_access_json(
      R"({"request_method":"GET","request_uri":"/a","status":"503","body_bytes_sent":"12",)"
      R"("request_time":"0.004"})",
      nginx);
  REQUIRE(entry);
  CHECK(entry->status == 503);
  CHECK(*entry->seconds == doctest::Approx(0.004));

  AccessFormatSettings request;
  request.method_field = "";
  request.path_field = "http.request";
  const auto nested = parse_access_json(
      R"({"http":{"request":"DELETE /x HTTP/1.1"},"status":204,"request_time":null})", request);
  REQUIRE(nested);
  CHECK(nested->method == "DELETE");
  CHECK(nested->path == "/x");
  CHECK(!nested->seconds);

  AccessFormatSettings traefik;
  traefik.method_field = "RequestMethod";
  traefik.path_field = "RequestPath";
  traefik.status_field = "DownstreamStatus";
  traefik.duration_field = "Duration";
  traefik.duration_unit_seconds = 1e-9;
  const auto proxied = parse_access_json(
      R"({"RequestMethod":"PUT","RequestPath":"/y","DownstreamStatus":500,"Duration":2500000000})",
      traefik);
  REQUIRE(proxied);
  CHECK(*proxied->seconds == doctest::Approx(2.5));
  CHECK(!parse_access_json(R"({"status":200,)", nginx));
  CHECK(!parse_access_json(R"([1])", nginx));
  CHECK(!parse_access_json(R"({"status":"ok"})", nginx));
}

TEST_CASE("access line: a pattern of one's own") {
  AccessFormatSettings settings;
  settings.kind = AccessFormatSettings::Kind::Pattern;
  settings.pattern =
      R"(^(?P<method>\w+) (?P<path>\S+) -> (?P<status>\d+) in (?P<duration>[\d.]+)ms)";
  settings.duration_unit_seconds = 1e-3;
  const auto format = AccessFormat::make(settings);
  REQUIRE(format);
  const auto entry = format->parse("GET /x -> 201 in 250ms");
  REQUIRE(entry);
  CHECK(entry->status == 201);
  CHECK(*entry->seconds == doctest::Approx(0.25));
  CHECK(!format->parse("something else"));
  settings.pattern = "(?P<path>.*)";
  CHECK(!AccessFormat::make(settings));
  settings.pattern = "(";
  CHECK(!AccessFormat::make(settings));
}

TEST_CASE("routes: what names one thing is :id") {
  CHECK(route_template("/students/4711/grades?term=2#x") == "/students/:id/grades");
  CHECK(route_template("/o/7f1d2c3a-0a4b-4c5d-8e6f-001122334455") == "/o/:id");
  CHECK(route_template("/o/deadbeef01") == "/o/:id");
  CHECK(route_template("/reset/MTA-c9x2k1-3f0a77b2e9d84c15") == "/reset/:id");
  CHECK(route_template("/u/ada@example.org") == "/u/:id");
  CHECK(route_template("/u/%E1%9E%80") == "/u/:id");
  CHECK(route_template("/u/ada.lovelace+x") == "/u/:id");
  CHECK(route_template("/api/v2/http404/login.php") == "/api/v2/http404/login.php");
  CHECK(route_template("/static/app.3f9a1c22d7e8.js") == "/static/:id.js");
  CHECK(route_template("/2026/11/27") == "/:id/:id/:id");
  CHECK(route_template("/1/2/3/4/5/6/7/8") == "/:id/:id/:id/:id/:id/:id/...");
  CHECK(route_template("/") == "/");
  CHECK(route_template("http://host:80/a?b") == "/a");
  CHECK(route_template("") == "other");
  CHECK(route_template("*") == "other");
}

TEST_CASE("routes: patterns come first, the table is bounded, and scanners do not fill it") {
  auto routes = Routes::make({{"/api/.*/export", "export"}}, 2);
  REQUIRE(routes);
  CHECK(routes->of("/api/7/export?x", true) == "export");
  CHECK(routes->of("/wp-login.php", false) == "other");
  CHECK(routes->of("/a", true) == "/a");
  CHECK(routes->of("/b/1", true) == "/b/:id");
  CHECK(routes->of("/c", true) == "other");
  CHECK(routes->of("/b/2", false) == "/b/:id");
  CHECK(!Routes::make({{"(", "x"}}, 2));
}

TEST_CASE("app line: levels as programs write them") {
  const auto level = [](std::string_view line) { return to_string(level_of_line(line)); };
  CHECK(level("2026-11-27 22:04:13,123 ERROR django.request Internal Server Error: /x") == "error");
  CHECK(level("[2026-11-27 22:04:13 +0000] [77] [CRITICAL] WORKER TIMEOUT") == "critical");
  CHECK(level("2026/11/27 22:04:13 [error] 12#12: *3 connect() failed") == "error");
  CHECK(level("2026-11-27 22:04:13.000 UTC [9] FATAL:  password authentication failed") ==
        "critical");
  CHECK(level("2026-11-27 22:04:13 UTC [9] LOG:  checkpoint starting") == "info");
  CHECK(level("time=2026-11-27T22:04:13Z level=warn msg=\"no errors\"") == "warning");
  CHECK(level(R"({"time": "x", "levelname": "error"})") == "error");
  CHECK(level("done with 0 errors, error rate 0") == "none");
  CHECK(level("  File \"/app/x.py\", line 7, in f") == "none");
  CHECK(level("warning: deprecated") == "warning");
  CHECK(level("[50] started") == "none");
  CHECK(level(std::string(300, 'x') + " ERROR") == "none");
  CHECK(level_of_priority(3) == LineLevel::Error);
  CHECK(level_of_priority(-1) == LineLevel::None);
  CHECK(level_of_name("Fatal") == LineLevel::Critical);
}

TEST_CASE("app line: fingerprints keep the kind and drop the case") {
  const std::string a = fingerprint_text(
      "2026-11-27 22:04:13,123 ERROR payment 4711 of 'Ada Lovelace' <ada@example.org> failed: "
      "card 0a1b2c3d4e5f, key=\"s3cret\"");
  const std::string b = fingerprint_text(
      "2026-11-28 01:00:00,001 ERROR payment 9 of 'Bob' <bob@example.net> failed: "
      "card ffeeddccbb01, key=\"other\"");
  CHECK(a == b);
  CHECK(a.find("Ada") == std::string::npos);
  CHECK(a.find("example") == std::string::npos);
  CHECK(a.find("s3cret") == std::string::npos);
  CHECK(a != fingerprint_text("2026-11-27 22:04:13,123 ERROR refund 4711 failed"));
  CHECK(fingerprint_text("don't stop") == "don't stop");
  CHECK(fingerprint_text("a\x01\x80\xff b\n") == "a * b ");
  CHECK(fingerprint_text(std::string(5'000, 'x')).size() <= 200);
  CHECK(fingerprint_text("Nov 27 x") == fingerprint_text("Dec  1 x"));
}

TEST_CASE("app line: e-mail addresses and audit events") {
  CHECK(has_email("sent to ada.l@mail.example.org."));
  CHECK(!has_email("celery@host ready, @decorator, a@b.1, @x.org"));
  const auto event = audit_event(
      R"(INFO Sensitive operation audit: {"action": "grade_change", "status": "ok", "user": "x"})",
      "Sensitive operation audit:", "action", "status");
  REQUIRE(event);
  CHECK(event->action == "grade_change");
  CHECK(event->status == "ok");
  const auto odd = audit_event(R"(Sensitive operation audit: {"action": "of Ada Lovelace"})",
                               "Sensitive operation audit:", "action", "status");
  REQUIRE(odd);
  CHECK(odd->action == "other");
  CHECK(odd->status == "none");
  CHECK(
      audit_event("Sensitive operation audit: {", "Sensitive operation audit:", "a", "b")->action ==
      "malformed");
  CHECK(!audit_event("nothing", "Sensitive operation audit:", "a", "b"));
}

TEST_CASE("fingerprints: new once, bounded, kept") {
  Fingerprints known(2);
  CHECK(known.add(1, seconds(0)));
  CHECK(!known.add(1, seconds(1)));
  CHECK(known.add(2, seconds(2)));
  CHECK(known.add(3, seconds(3)));
  CHECK(known.size() == 2);
  CHECK(known.add(1, seconds(4)));
  CHECK(known.top(1).front().second == 1);
  Fingerprints later(10);
  for (const auto& row : known.save()) later.load(row[1], row[2]);
  CHECK(!later.add(1, seconds(5)));
  CHECK(later.add(9, seconds(5)));
}

TEST_CASE("syslog line: both forms of time, and the turn of the year") {
  const auto now = base::parse_rfc3339("2026-11-27T22:04:13Z").value();
  const auto iso =
      parse_syslog("2026-11-27T23:04:13.500000+01:00 db1 sshd[77]: Accepted x: y", now);
  REQUIRE(iso);
  CHECK(*iso->time == now + base::Duration{500});
  CHECK(iso->program == "sshd");
  CHECK(iso->pid == "77");
  CHECK(iso->message == "Accepted x: y");

  const auto old = parse_syslog("Nov  7 22:04:13 db1 /usr/sbin/useradd[1]: new user: name=x", now);
  REQUIRE(old);
  CHECK(old->program == "useradd");
  CHECK(now - *old->time > std::chrono::hours{24 * 19});
  CHECK(now - *old->time < std::chrono::hours{24 * 21});

  const auto january = base::parse_rfc3339("2027-01-01T12:00:00Z").value();
  const auto before = parse_syslog("Dec 31 12:00:00 db1 sudo: x", january);
  REQUIRE(before);
  CHECK(january - *before->time <= std::chrono::hours{40});
  CHECK(before->pid.empty());

  CHECK(!parse_syslog("Nov 27 22:04 db1 sshd[7]: x", now));
  CHECK(!parse_syslog("Xyz 27 22:04:13 db1 sshd[7]: x", now));
  CHECK(!parse_syslog("Nov 27 22:04:13 db1 last message without a tag: x", now));
  CHECK(!parse_syslog("Nov 27 22:04:13 db1", now));
  CHECK(!parse_syslog("", now));
}

TEST_CASE("auth line: sshd") {
  const auto failed = parse_auth("sshd", "Failed password for ada from 203.0.113.9 port 50 ssh2");
  REQUIRE(failed);
  CHECK(failed->kind == Kind::Failure);
  CHECK(failed->user == "ada");
  CHECK(failed->source == "203.0.113.9");

  // The name is the client's choice; the address is what sshd appends.
  const auto forged = parse_auth(
      "sshd",
      "Failed password for invalid user x from 1.1.1.1 port 1 ssh2 from 203.0.113.9 port 5 "
      "ssh2");
  REQUIRE(forged);
  CHECK(forged->source == "203.0.113.9");
  CHECK(forged->unknown_user);

  const auto three = parse_auth(
      "sshd", "message repeated 3 times: [ Failed password for root from ::1 port 5 ssh2]");
  REQUIRE(three);
  CHECK(three->count == 3);
  CHECK(three->source == "::1");

  const auto in =
      parse_auth("sshd", "Accepted publickey for ada from 10.0.0.1 port 5 ssh2: ED25519");
  REQUIRE(in);
  CHECK(in->kind == Kind::Success);

  const auto left =
      parse_auth("sshd", "Connection closed by invalid user oracle 203.0.113.9 port 50 [preauth]");
  REQUIRE(left);
  CHECK(left->kind == Kind::Aborted);
  CHECK(left->user == "oracle");
  CHECK(left->source == "203.0.113.9");

  CHECK(!parse_auth("sshd", "Failed publickey for ada from 10.0.0.1 port 5 ssh2"));
  CHECK(!parse_auth("sshd", "Failed none for ada from 10.0.0.1 port 5 ssh2"));
  CHECK(!parse_auth("sshd", "Connection closed by 10.0.0.1 port 5 [preauth]"));
  CHECK(!parse_auth("sshd", "Failed password for ada"));
  CHECK(!parse_auth("sshd", "pam_unix(sshd:auth): authentication failure; rhost=1.2.3.4 user=ada"));
  CHECK(!parse_auth("sshd", "message repeated 9 times: [ noise"));
}

TEST_CASE("auth line: sudo, su, login, PAM") {
  CHECK(parse_auth("sudo", "     ada : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls")->kind ==
        Kind::Sudo);
  const auto wrong = parse_auth(
      "sudo", "ada : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/x");
  REQUIRE(wrong);
  CHECK(wrong->kind == Kind::Failure);
  CHECK(wrong->count == 3);
  CHECK(parse_auth("sudo", "ada : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; COMMAND=/x")->kind ==
        Kind::SudoRefused);
  CHECK(parse_auth("su", "(to backup) ada on pts/0")->user == "backup");
  CHECK(parse_auth("su", "FAILED SU (to root) ada on pts/0")->kind == Kind::Failure);
  CHECK(parse_auth("login", "FAILED LOGIN (1) on '/dev/tty1' FOR 'ada', Authentication failure")
            ->user == "ada");
  CHECK(parse_auth("login", "LOGIN ON tty1 BY ada")->kind == Kind::Success);
  const auto pam =
      parse_auth("vsftpd",
                 "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp "
                 "ruser=ada rhost=203.0.113.9  user=ada");
  REQUIRE(pam);
  CHECK(pam->service == "vsftpd");
  CHECK(pam->source == "203.0.113.9");
  CHECK(pam->user == "ada");
  const auto session =
      parse_auth("CRON", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)");
  REQUIRE(session);
  CHECK(session->kind == Kind::SessionOpened);
  CHECK(session->service == "cron");
  CHECK(!parse_auth("cron", "pam_unix(cron"));
}

TEST_CASE("auth line: accounts") {
  const auto added = parse_auth(
      "useradd", "new user: name=eve, UID=1002, GID=1002, home=/home/eve, shell=/bin/bash");
  REQUIRE(added);
  CHECK(added->kind == Kind::AccountAdded);
  CHECK(added->user == "eve");
  CHECK(parse_auth("userdel", "delete user 'eve'")->kind == Kind::AccountRemoved);
  CHECK(parse_auth("usermod", "add 'eve' to group 'sudo'")->target == "sudo");
  CHECK(parse_auth("gpasswd", "user eve added by root to group docker")->target == "docker");
  CHECK(parse_auth("passwd", "pam_unix(passwd:chauthtok): password changed for eve")->kind ==
        Kind::PasswordChanged);
  CHECK(!parse_auth("useradd", "failed adding user 'eve', exit code: 9"));
}

TEST_CASE("trusted proxies: the client's own claim is not believed") {
  const auto proxies = TrustedProxies::parse({"127.0.0.1", "10.0.0.0/8", "fd00::/8"});
  REQUIRE(proxies);
  CHECK(proxies->contains("10.200.0.1"));
  CHECK(!proxies->contains("11.0.0.1"));
  CHECK(proxies->contains("fd12::1"));
  CHECK(!proxies->contains("nonsense"));
  CHECK(proxies->client("127.0.0.1", "9.9.9.9, 203.0.113.9, 10.0.0.2") == "203.0.113.9");
  CHECK(proxies->client("203.0.113.9", "9.9.9.9") == "203.0.113.9");
  CHECK(proxies->client("127.0.0.1", "") == "127.0.0.1");
  CHECK(proxies->client("127.0.0.1:555", "[2001:db8::7]:80") == "2001:db8::7");
  CHECK(proxies->client("10.0.0.1", "unknown") == "10.0.0.1");
  CHECK(!TrustedProxies::parse({"10.0.0.0/33"}));
  CHECK(!TrustedProxies::parse({"proxy"}));
  CHECK(TrustedProxies::parse({"0.0.0.0/0"})->contains("8.8.8.8"));
  CHECK(!TrustedProxies::parse({"0.0.0.0/0"})->contains("2001:db8::7"));
}

TEST_CASE("auth windows: peaks within a round, spread, backlog, bound") {
  AuthWindows windows(1'000);
  const base::Duration minute{60'000};
  for (int i = 0; i < 12; ++i) {
    windows.failure(seconds(i), 7, 100 + static_cast<std::uint64_t>(i) % 3);
  }
  for (int i = 0; i < 5; ++i) windows.failure(seconds(i), 8, 100);
  // The round comes late: the peak was, and is told.
  CHECK(windows.source_max(minute, seconds(300)).value == 12);
  CHECK(windows.source_max(minute, seconds(300)).key == 7);
  CHECK(windows.account_max(minute, seconds(300)).value == 9);
  CHECK(windows.accounts_per_source_max(minute, seconds(300)).value == 3);
  windows.end_round(seconds(300));
  CHECK(windows.source_max(minute, seconds(300)).value == 0);
  CHECK(windows.source_max(minute * 10, seconds(300)).value == 12);
  CHECK(windows.failures_before(seconds(300), 7, 0) == 12);
  CHECK(windows.failures_before(seconds(300), 99, 100) == 9);
  // Twelve an hour are no attack, though they are read at once.
  AuthWindows slow(1'000);
  for (int i = 0; i < 24; ++i) slow.failure(seconds(i * 300), 7, 1);
  CHECK(slow.source_max(minute, seconds(24 * 300)).value == 1);
  slow.end_round(seconds(24 * 300));
  CHECK(slow.source_max(AuthWindows::kLongest, seconds(24 * 300)).value <= 4);
  AuthWindows small(10);
  for (int i = 0; i < 25; ++i) small.failure(seconds(25 - i), 1, 1);
  CHECK(small.dropped() == 15);
  // Unknown sources are nobody.
  AuthWindows unknown(10);
  unknown.failure(seconds(0), 0, 0);
  CHECK(unknown.source_max(minute, seconds(1)).value == 0);
}

TEST_CASE("every parser takes any bytes") {
  const std::vector<std::string> seeds{
      R"(1.2.3.4 - - [27/Nov/2026:22:04:13 +0000] "GET /a/1 HTTP/1.1" 200 5 "-" "x" 0.1)",
      R"({"request_method":"GET","request_uri":"/a","status":"503","level":"error"})",
      R"(Sensitive operation audit: {"action": "x", "status": "ok"})",
      "2026-11-27T22:04:13+00:00 db1 sshd[7]: Failed password for ada from 1.2.3.4 port 5 ssh2",
      "Nov 27 22:04:13 db1 sudo:  ada : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls",
      "Nov 27 22:04:13 db1 sshd[7]: message repeated 3 times: [ Failed password for x from y]",
      "2026/11/27 22:04:13 [error] 12#12: *3 connect() 'a' \"b\" failed, ada@example.org",
  };
  const auto proxies = TrustedProxies::parse({"10.0.0.0/8", "::1"});
  REQUIRE(proxies);
  const AccessFormatSettings json;
  std::uint64_t state = 42;
  const auto random = [&state](std::size_t below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::size_t>(state >> 33U) % below;
  };
  std::size_t understood = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string line = seeds[random(seeds.size())];
    for (std::size_t changes = random(4); changes > 0; --changes) {
      const std::size_t at = random(line.size());
      switch (random(3)) {
        case 0:
          line[at] = static_cast<char>(random(256));
          break;
        case 1:
          line.erase(at, random(20));
          break;
        default:
          line.insert(at, line.substr(random(line.size()), random(20)));
          break;
      }
      if (line.empty()) line = "x";
    }
    if (parse_combined(line)) ++understood;
    if (parse_access_json(line, json)) ++understood;
    if (audit_event(line, "Sensitive operation audit:", "action", "status")) ++understood;
    if (level_of_line(line) != LineLevel::None) ++understood;
    const std::string kind = fingerprint_text(line);
    CHECK_MESSAGE((kind.size() <= 200 && base::is_utf8(kind)), line);
    CHECK_MESSAGE(base::is_utf8(route_template(line)), line);
    if (has_email(line)) ++understood;
    proxies->client(line, line);
    const auto syslog = parse_syslog(line, seconds(0));
    if (syslog && parse_auth(syslog->program, syslog->message)) ++understood;
    parse_auth("sshd", line);
    parse_auth("su", line);
    parse_auth("login", line);
    parse_auth("gpasswd", line);
  }
  CHECK(understood > 10'000);
}

}  // namespace tocsin::agent
