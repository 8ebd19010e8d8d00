#include "agent/collectors/probe/probe_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agent/collectors/blocking/server_settings.h"
#include "agent/collectors/probe/dns_message.h"
#include "agent/collectors/probe/journey.h"
#include "agent/collectors/probe/probe_url.h"
#include "common/base/strings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kTimeout{5'000};
constexpr base::Duration kIntervalMin{1'000};
constexpr base::Duration kIntervalMax{3'600'000};
constexpr std::size_t kProbesMax = 500;
constexpr std::size_t kStepsMax = 50;
constexpr std::size_t kPagesMax = 20;

const std::vector<std::string> kKinds = {"http", "tcp", "tls", "dns", "icmp", "smtp"};

std::optional<TextPattern> read_pattern(config::Table& table, std::string_view key,
                                        const std::string& text) {
  auto pattern = TextPattern::compile(text);
  if (pattern) return std::move(*pattern);
  table.error(key, pattern.error().message, "RE2 syntax");
  return std::nullopt;
}

std::vector<TextPattern> read_patterns(config::Table& table, std::string_view key) {
  std::vector<TextPattern> patterns;
  for (const std::string& text : table.strings(key)) {
    if (auto pattern = read_pattern(table, key, text)) patterns.push_back(std::move(*pattern));
  }
  return patterns;
}

std::string read_method(config::Table& table, const char* usual) {
  std::string method = table.string("method", usual);
  if (method.empty() ||
      method.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos) {
    table.error("method", fmt::format("'{}' is no method", base::escape_control(method)));
  }
  return method;
}

void read_headers(config::Table& table, HttpProbeSettings& http) {
  for (const auto& [name, value] : table.string_map("headers")) {
    const std::string lower = base::to_lower(name);
    if (lower == "authorization") {
      table.error("headers", "header 'Authorization' cannot be set here",
                  "use bearer_token_file, or basic_user and basic_password_file");
    } else if (name.empty() || name.find_first_of(" :") != std::string::npos ||
               base::escape_control(name + value) != name + value) {
      table.error("headers", fmt::format("'{}' is no header", base::escape_control(name)));
    } else {
      http.headers.emplace_back(name, value);
    }
  }
}

void read_credentials(config::Table& table, HttpProbeSettings& http) {
  if (auto token = table.secret("bearer_token")) http.bearer_token = std::move(*token);
  http.user = table.string("basic_user", "");
  if (auto password = table.secret("basic_password")) {
    http.password = std::move(*password);
    if (http.user.empty()) table.error("basic_password", "basic_password without basic_user");
  }
  if (!http.user.empty() && !http.bearer_token.empty()) {
    table.error("basic_user", "basic_user and bearer_token exclude each other");
  }
  if (http.user.find(':') != std::string::npos) {
    table.error("basic_user", "a user's name has no ':'");
  }
}

void read_json_number(config::Table& table, const char* key, JsonExpectation::Kind kind,
                      HttpExpectations& expect) {
  for (const auto& [path, text] : table.string_map(key)) {
    const auto number = base::parse_double(text);
    if (!number) {
      table.error(key, fmt::format("'{}' is no number", text));
      continue;
    }
    expect.json.push_back({path, kind, {}, *number, {}});
  }
}

void read_json(config::Table& table, HttpExpectations& expect) {
  for (const auto& [path, text] : table.string_map("json")) {
    expect.json.push_back({path, JsonExpectation::Kind::Equals, text, 0, {}});
  }
  read_json_number(table, "json_min", JsonExpectation::Kind::Min, expect);
  read_json_number(table, "json_max", JsonExpectation::Kind::Max, expect);
  for (const auto& [path, text] : table.string_map("json_fresh")) {
    const auto age = base::parse_duration(text);
    if (!age) {
      table.error("json_fresh", age.error().message);
      continue;
    }
    expect.json.push_back({path, JsonExpectation::Kind::Fresh, {}, 0, *age});
  }
}

void read_expectations(config::Table& table, HttpExpectations& expect) {
  expect.statuses.clear();
  for (const std::string& text : table.strings("status", {"2xx"})) {
    if (const auto range = parse_status_range(text)) {
      expect.statuses.push_back(*range);
    } else {
      table.error("status", range.error().message);
    }
  }
  for (const auto& [name, text] : table.string_map("headers_match")) {
    if (auto pattern = read_pattern(table, "headers_match", text)) {
      expect.headers_match.emplace(base::to_lower(name), std::move(*pattern));
    }
  }
  expect.body_matches = read_patterns(table, "body_match");
  expect.body_not_matches = read_patterns(table, "body_not_match");
  read_json(table, expect);
}

/// Reads what a page takes from its answer, and adds the names to `known`.
void read_takes(config::Table& table, JourneyPage& page, std::set<std::string>& known) {
  for (const auto& [name, text] : table.string_map("take")) {
    auto pattern = read_pattern(table, "take", text);
    if (pattern && pattern->groups() < 1) {
      table.error("take",
                  fmt::format("'{}' has no group in parentheses: what is to be taken", text));
    }
    if (pattern) page.take.emplace(name, std::move(*pattern));
    known.insert(name);
  }
  page.take_cookies = table.string_map("take_cookie");
  for (const auto& [name, cookie] : page.take_cookies) known.insert(name);
  if (page.take.contains("secret") || page.take_cookies.contains("secret")) {
    table.error("take", "'secret' is the name of the page's own secret");
  }
}

/// Checks that `${name}` stands for something; `known` are names of earlier pages.
void check_names(config::Table& table, const char* key, const std::string& text,
                 const JourneyPage& page, const std::set<std::string>& known) {
  const auto names = names_in(text);
  if (!names) {
    table.error(key, names.error().message);
    return;
  }
  for (const std::string& name : *names) {
    if (name == "secret" ? !page.secret.empty() : known.contains(name)) continue;
    table.error(
        key, fmt::format("nothing is taken as '{}' before this page", name),
        name == "secret" ? "secret_file = \"...\"" : "an earlier page's take or take_cookie");
  }
}

JourneyPage read_page(config::Table& table, const HttpProbeSettings& probe,
                      std::set<std::string>& known) {
  JourneyPage page;
  page.name = table.required_string("name");
  page.http.url = table.required_string("url");
  page.http.body_bytes_max = probe.body_bytes_max;
  page.http.require_tls = probe.require_tls;
  for (const auto& [name, value] : table.string_map("form")) page.form.emplace_back(name, value);
  page.http.body = table.string("body", "");
  const bool posts = !page.form.empty() || !page.http.body.empty();
  page.http.method = read_method(table, posts ? "POST" : "GET");
  if (!page.form.empty() && !page.http.body.empty()) {
    table.error("form", "form and body exclude each other");
  }
  if (auto secret = table.secret("secret")) page.secret = std::move(*secret);
  page.http.follow_redirects = table.boolean("follow_redirects", true);
  read_headers(table, page.http);
  read_expectations(table, page.http.expect);
  check_names(table, "url", page.http.url, page, known);
  check_names(table, "body", page.http.body, page, known);
  for (const auto& [name, value] : page.form) check_names(table, "form", value, page, known);
  for (const auto& [name, value] : page.http.headers) {
    check_names(table, "headers", value, page, known);
  }
  if (const auto url = resolve_url(probe.url, page.http.url); !url) {
    table.error("url", url.error().message);
  } else if (!parse_probe_url(*url)) {
    table.error("url", fmt::format("'{}' is no http:// or https:// address",
                                   base::escape_control(net::url_origin(*url))));
  } else if (!page.secret.empty() && url->starts_with("http://") &&
             !net::is_loopback_host(parse_probe_url(*url)->address.host)) {
    table.warning("url", "the secret travels in clear over http://", "use https://");
  }
  read_takes(table, page, known);
  table.finish();
  return page;
}

void read_journey(config::Table& table, ProbeSettings& settings) {
  std::set<std::string> names;
  std::set<std::string> known;
  for (config::Table& each : table.tables("page")) {
    settings.pages.push_back(read_page(each, settings.http, known));
    if (!names.insert(settings.pages.back().name).second) {
      each.error("name", fmt::format("two pages are called '{}'", settings.pages.back().name));
    }
  }
  if (settings.pages.empty()) return;
  if (settings.pages.size() > kPagesMax) {
    table.error("page", fmt::format("more than {} pages", kPagesMax));
  }
  for (const char* key :
       {"method", "body", "follow_redirects", "status", "headers_match", "body_match",
        "body_not_match", "json", "json_min", "json_max", "json_fresh"}) {
    if (table.has(key)) {
      table.error(key, fmt::format("'{}' of a journey belongs to one of its pages", key));
    }
  }
}

/// Returns what the label `target` says.
std::string read_http(config::Table& table, ProbeSettings& settings) {
  HttpProbeSettings& http = settings.http;
  http.url = table.required_string("url");
  const auto url = parse_probe_url(http.url);
  if (!url) {
    table.error("url", url.error().message, "user and password go into basic_user, basic_password");
    return {};
  }
  settings.route.address = url->address;
  http.method = read_method(table, "GET");
  http.body = table.string("body", "");
  http.follow_redirects = table.boolean("follow_redirects", true);
  http.require_tls = table.boolean("require_tls", false);
  http.hsts = table.boolean("hsts", true);
  http.body_bytes_max = table.bytes("body_bytes_max", http.body_bytes_max);
  if (http.body_bytes_max > (16U << 20U)) {
    table.error("body_bytes_max", "body_bytes_max may be 16MiB at most");
  }
  read_headers(table, http);
  read_credentials(table, http);
  read_expectations(table, http.expect);
  read_journey(table, settings);
  const bool secret = !http.bearer_token.empty() || !http.password.empty();
  if (secret && http.url.starts_with("http://") && !net::is_loopback_host(url->address.host)) {
    table.warning("url", "the credential travels in clear over http://", "use https://");
  }
  return url->shown;
}

void read_steps(config::Table& table, ProbeSettings& settings) {
  for (config::Table& each : table.tables("step")) {
    TalkStep step;
    if (const auto expect = each.optional_string("expect")) {
      step.expect = read_pattern(each, "expect", *expect);
    }
    step.send = each.string("send", "");
    step.start_tls = each.boolean("start_tls", false);
    const int things =
        (each.has("expect") ? 1 : 0) + (step.send.empty() ? 0 : 1) + (step.start_tls ? 1 : 0);
    if (things != 1) {
      each.error("expect", "a step is one of expect, send and start_tls");
    }
    each.finish();
    settings.talk.push_back(std::move(step));
  }
  if (settings.talk.size() > kStepsMax) {
    table.error("step", fmt::format("more than {} steps", kStepsMax));
  }
}

std::string read_dns(config::Table& table, ProbeSettings& settings) {
  DnsProbeSettings& dns = settings.dns;
  const std::string server = table.required_string("server");
  settings.route.address = read_host_port(table, "server", server, 53);
  dns.query = table.required_string("query");
  if (const auto made = make_dns_query({dns.query, 1, 0, true}); !made && table.has("query")) {
    table.error("query", made.error().message);
  }
  dns.record_name = table.one_of("record", "A", dns_record_names());
  dns.record = dns_record_type(dns.record_name);
  dns.tcp = table.one_of("transport", "udp", {"udp", "tcp"}) == "tcp";
  dns.recursion = table.boolean("recursion", true);
  dns.rcode = table.one_of("rcode", "NOERROR", dns_rcode_names());
  dns.expect = table.strings("expect");
  for (std::string& one : dns.expect) one = base::to_lower(one);
  return server;
}

std::string read_address(config::Table& table, ProbeSettings& settings, unsigned short port) {
  const std::string address = table.required_string("address");
  if (settings.kind == ProbeKind::Icmp) {
    settings.route.address = {address, 0};
    if (address.empty() || address.find_first_of(" /") != std::string::npos) {
      table.error("address", fmt::format("'{}' is no host", base::escape_control(address)));
    }
  } else if (!address.empty()) {
    settings.route.address = read_host_port(table, "address", address, port);
  }
  return address;
}

/// The keys of the kind. Returns the label `target`.
std::string read_kind(config::Table& table, ProbeSettings& settings) {
  switch (settings.kind) {
    case ProbeKind::Http:
      return read_http(table, settings);
    case ProbeKind::Dns:
      return read_dns(table, settings);
    case ProbeKind::Icmp:
      return read_address(table, settings, 0);
    case ProbeKind::Smtp:
      settings.start_tls = table.boolean("start_tls", false) ? StartTls::Smtp : StartTls::Plain;
      return read_address(table, settings, 25);
    case ProbeKind::Tls:
      settings.start_tls = read_start_tls(table);
      read_steps(table, settings);
      return read_address(table, settings, 443);
    case ProbeKind::Tcp:
      read_steps(table, settings);
      return read_address(table, settings, 0);
  }
  return {};
}

void read_route(config::Table& table, ProbeSettings& settings) {
  ProbeRoute& route = settings.route;
  const std::string ip = table.one_of("ip_protocol", "any", {"any", "4", "6"});
  route.ip = ip == "4" ? IpProtocol::V4 : ip == "6" ? IpProtocol::V6 : IpProtocol::Any;
  if (settings.kind == ProbeKind::Icmp || settings.kind == ProbeKind::Dns) return;
  if (const auto text = table.optional_string("connect_to")) {
    route.connect_to = read_host_port(table, "connect_to", *text, route.address.port);
  }
  route.tls = read_tls_options(table);
  route.server_name = table.string("server_name", route.address.host);
}

void read_labels(config::Table& table, const std::string& target, ProbeSettings& settings) {
  model::LabelsBuilder builder;
  for (const auto& [name, value] : table.string_map("labels")) {
    static const std::set<std::string> kOurs = {"probe",
                                                "target",
                                                "party",
                                                "reason",
                                                "phase",
                                                "page",
                                                "host",
                                                "instance",
                                                "version",
                                                "cipher",
                                                "issuer",
                                                "subject",
                                                "subjectalternative",
                                                "fingerprint_sha256"};
    if (!model::is_legacy_label_name(name) || name.starts_with("__") || kOurs.contains(name)) {
      table.error("labels", fmt::format("'{}' cannot be a label here", name));
    } else {
      builder.set(name, value);
    }
  }
  builder.set("probe", settings.name).set("target", table.string("target", target));
  if (table.one_of("party", "own", {"own", "third"}) == "third") builder.set("party", "third");
  settings.labels = builder.build();
}

ProbeSettings read_one(config::Table& table, base::Duration interval) {
  ProbeSettings settings;
  settings.name = table.required_string("name");
  const std::string kind = table.one_of("kind", "http", kKinds);
  settings.kind =
      static_cast<ProbeKind>(std::find(kKinds.begin(), kKinds.end(), kind) - kKinds.begin());
  const std::string target = read_kind(table, settings);
  read_route(table, settings);
  read_labels(table, target, settings);
  settings.interval = table.duration("interval", interval);
  if (settings.interval < kIntervalMin || settings.interval > kIntervalMax) {
    table.error("interval",
                fmt::format("interval must be {} to {}", base::format_duration(kIntervalMin),
                            base::format_duration(kIntervalMax)));
  }
  settings.timeout = read_round_timeout(table, kTimeout, interval);
  settings.slow = table.duration("slow", settings.slow);
  table.finish();
  return settings;
}

}  // namespace

net::HostPort read_host_port(config::Table& table, const char* key, const std::string& text,
                             unsigned short port) {
  const bool bare_v6 = !text.starts_with('[') && std::count(text.begin(), text.end(), ':') > 1;
  const bool has_port =
      !bare_v6 && text.find(':', text.rfind(']') == std::string::npos ? 0 : text.rfind(']')) !=
                      std::string::npos;
  const std::string whole = has_port || port == 0 ? text
                            : bare_v6             ? fmt::format("[{}]:{}", text, port)
                                                  : fmt::format("{}:{}", text, port);
  auto parsed = net::parse_host_port(whole);
  if (parsed) return std::move(*parsed);
  table.error(key, parsed.error().message);
  return {};
}

net::TlsOptions read_tls_options(config::Table& table) {
  net::TlsOptions tls;
  tls.ca_file = table.string("ca_file", "");
  tls.client_cert_file = table.string("client_cert_file", "");
  tls.client_key_file = table.string("client_key_file", "");
  tls.insecure = table.boolean("insecure_tls", false);
  if (tls.client_cert_file.empty() != tls.client_key_file.empty()) {
    table.error("client_cert_file", "client_cert_file and client_key_file belong together");
  }
  return tls;
}

StartTls read_start_tls(config::Table& table) {
  const std::string text = table.one_of("start_tls", "", {"", "smtp", "imap", "pop3", "postgres"});
  if (text == "smtp") return StartTls::Smtp;
  if (text == "imap") return StartTls::Imap;
  if (text == "pop3") return StartTls::Pop3;
  return text == "postgres" ? StartTls::Postgres : StartTls::Plain;
}

std::vector<ProbeSettings> read_probe_settings(config::Table& root, base::Duration interval) {
  std::vector<ProbeSettings> all;
  std::set<std::string> names;
  for (config::Table& table : root.tables("probe")) {
    all.push_back(read_one(table, interval));
    if (!names.insert(all.back().name).second) {
      table.error("name", fmt::format("two probes are called '{}'", all.back().name));
    }
  }
  if (all.size() > kProbesMax) root.error("probe", fmt::format("more than {} probes", kProbesMax));
  return all;
}

}  // namespace tocsin::agent
