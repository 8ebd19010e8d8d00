// Probes over a TCP connection: it opens, TLS begins, and both sides say what they should.
#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/probe/probes.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kPattern{"probe_failed_due_to_regex",
                              "1 if the probe failed because a pattern did not match."};

constexpr std::size_t kShownBytesMax = 60;

std::string shown(std::string_view line) {
  return base::escape_control(line.substr(0, kShownBytesMax));
}

/// Reads a reply of SMTP, all its lines, that must begin with `code`.
Probed<void> expect_smtp(ProbeSocket& socket, std::string_view code) {
  for (;;) {
    TC_TRY(const std::string line, socket.read_line());
    if (!line.starts_with(code)) {
      return failed_probe(ProbeReason::Answer,
                          fmt::format("expected {}, got '{}'", code, shown(line)));
    }
    if (line.size() < 4 || line[3] != '-') return probed();
  }
}

Probed<void> expect_start(ProbeSocket& socket, std::string_view begin) {
  for (;;) {
    TC_TRY(const std::string line, socket.read_line());
    if (line.starts_with(begin)) return probed();
    if (line.starts_with("* ") && begin != "* ") continue;  // IMAP: told besides
    return failed_probe(ProbeReason::Answer,
                        fmt::format("expected '{}', got '{}'", begin, shown(line)));
  }
}

Probed<void> greet_smtp(ProbeSocket& socket) {
  TC_TRY(expect_smtp(socket, "220"));
  TC_TRY(socket.write("EHLO tocsin.invalid\r\n"));
  return expect_smtp(socket, "250");
}

Probed<void> ask_postgres(ProbeSocket& socket) {
  // SSLRequest: length 8, code 80877103. Source: PostgreSQL, "Message Formats".
  TC_TRY(socket.write(std::string_view("\x00\x00\x00\x08\x04\xd2\x16\x2f", 8)));
  TC_TRY(const std::string answer, socket.read_bytes(1));
  if (answer == "S") return probed();
  return failed_probe(ProbeReason::Tls, "the server does not offer TLS");
}

Probed<void> begin_tls(ProbeSocket& socket, const ProbeRoute& route) {
  TC_TRY(socket.start_tls(route));
  if (route.tls.insecure) return probed();
  if (auto failure = certificate_failure(socket.tls)) return std::move(*failure);
  return probed();
}

Probed<void> talk(ProbeSocket& socket, const ProbeSettings& settings, bool* due_to_pattern) {
  for (const TalkStep& step : settings.talk) {
    if (step.start_tls) {
      TC_TRY(begin_tls(socket, settings.route));
    } else if (!step.expect) {
      TC_TRY(socket.write(step.send + "\r\n"));
    } else {
      // Lines that are not it are passed over, as in other probers.
      *due_to_pattern = true;
      for (bool found = false; !found;) {
        TC_TRY(const std::string line, socket.read_line());
        found = step.expect->matches(line);
      }
      *due_to_pattern = false;
    }
  }
  return probed();
}

Probed<void> converse(ProbeSocket& socket, const ProbeSettings& settings, bool* due_to_pattern) {
  TC_TRY(socket.connect(settings.route));
  const bool smtp = settings.kind == ProbeKind::Smtp;
  if (smtp && settings.start_tls == StartTls::Plain) {
    TC_TRY(greet_smtp(socket));
    return socket.write("QUIT\r\n");
  }
  TC_TRY(prepare_start_tls(socket, settings.start_tls));
  if (settings.kind == ProbeKind::Tls || smtp) TC_TRY(begin_tls(socket, settings.route));
  if (smtp) {
    TC_TRY(socket.write("EHLO tocsin.invalid\r\n"));
    TC_TRY(expect_smtp(socket, "250"));
    return socket.write("QUIT\r\n");
  }
  return talk(socket, settings, due_to_pattern);
}

}  // namespace

Probed<void> prepare_start_tls(ProbeSocket& socket, StartTls how) {
  switch (how) {
    case StartTls::Plain:
      return probed();
    case StartTls::Smtp:
      TC_TRY(greet_smtp(socket));
      TC_TRY(socket.write("STARTTLS\r\n"));
      return expect_smtp(socket, "220");
    case StartTls::Imap:
      TC_TRY(expect_start(socket, "* "));
      TC_TRY(socket.write("a1 STARTTLS\r\n"));
      return expect_start(socket, "a1 OK");
    case StartTls::Pop3:
      TC_TRY(expect_start(socket, "+OK"));
      TC_TRY(socket.write("STLS\r\n"));
      return expect_start(socket, "+OK");
    case StartTls::Postgres:
      return ask_postgres(socket);
  }
  return probed();
}

ProbeResult probe_talk(const ProbeSettings& settings, const base::Clock& clock) {
  ProbeResult result;
  ProbeSocket socket(clock, clock.monotonic() + settings.timeout);
  bool due_to_pattern = false;
  if (const auto done = converse(socket, settings, &due_to_pattern); !done) {
    result.failure = done.error();
    if (due_to_pattern) {
      result.failure->reason = ProbeReason::Answer;
      result.failure->detail = "the expected line did not come; " + result.failure->detail;
    }
  }
  result.reached(socket.resolve_seconds, socket.ip_protocol);
  result.add(kPattern, due_to_pattern ? 1 : 0);
  add_tls(socket.tls, result);
  return result;
}

ProbeResult run_probe(const ProbeSettings& settings, const base::Clock& clock) {
  const base::MonotonicTime begin = clock.monotonic();
  ProbeResult result;
  switch (settings.kind) {
    case ProbeKind::Http:
      result = probe_http(settings, clock);
      break;
    case ProbeKind::Dns:
      result = probe_dns(settings, clock);
      break;
    case ProbeKind::Icmp:
      result = probe_icmp(settings, clock);
      break;
    case ProbeKind::Tcp:
    case ProbeKind::Tls:
    case ProbeKind::Smtp:
      result = probe_talk(settings, clock);
      break;
  }
  result.duration_seconds = seconds_since(clock, begin);
  return result;
}

}  // namespace tocsin::agent
