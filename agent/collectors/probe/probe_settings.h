// What `[[probe]]` in the agent's configuration says.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/probe/http_checks.h"
#include "agent/collectors/probe/text_pattern.h"
#include "common/base/secret.h"
#include "common/base/time.h"
#include "common/model/labels.h"
#include "common/net/http_client.h"
#include "common/net/url.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

enum class ProbeKind { Http, Tcp, Tls, Dns, Icmp, Smtp };
enum class IpProtocol { Any, V4, V6 };
/// How a connection begins before TLS does; Plain: with TLS, or without any.
enum class StartTls { Plain, Smtp, Imap, Pop3, Postgres };

/// Where to, and over what; for everything that opens a connection.
struct ProbeRoute {
  net::HostPort address;
  std::optional<net::HostPort> connect_to;  ///< Instead of what `address` resolves to.
  IpProtocol ip = IpProtocol::Any;
  net::TlsOptions tls;
  std::string server_name;  ///< Asked for by SNI, and whose certificate it must be; never empty.
};

struct HttpProbeSettings {
  std::string url;
  std::string method = "GET";
  net::Headers headers;
  std::string body;
  std::string user;
  base::Secret password;
  base::Secret bearer_token;
  bool follow_redirects = true;
  bool require_tls = false;  ///< Where the last redirect leads must be https.
  bool hsts = true;          ///< Tell whether browsers are told to come over TLS only.
  std::size_t body_bytes_max = 1 << 20;
  HttpExpectations expect;
};

/// One page of a journey; see journey.h for `${name}`.
struct JourneyPage {
  std::string name;        ///< The label `page`.
  HttpProbeSettings http;  ///< `url` may be relative to the page before; without credentials.
  std::vector<std::pair<std::string, std::string>> form;
  base::Secret secret;                      ///< `${secret}` on this page.
  std::map<std::string, TextPattern> take;  ///< Names, and where in the body their values are.
  std::map<std::string, std::string> take_cookies;
};

/// One step of a conversation: wait for a line, say something, or begin TLS.
struct TalkStep {
  std::optional<TextPattern> expect;
  std::string send;  ///< A line end is added.
  bool start_tls = false;
};

struct DnsProbeSettings {
  std::string query;
  int record = 1;  ///< As in the protocol; 1 is A.
  std::string record_name = "A";
  bool tcp = false;
  bool recursion = true;
  std::string rcode = "NOERROR";
  std::vector<std::string> expect;  ///< All of these must be among the answers.
};

struct ProbeSettings {
  std::string name;
  ProbeKind kind = ProbeKind::Http;
  model::Labels labels;  ///< Of every series: probe, target, party, and those of the configuration.
  base::Duration interval{15'000};
  base::Duration timeout{5'000};
  base::Duration slow{2'000};
  ProbeRoute route;
  StartTls start_tls = StartTls::Plain;
  HttpProbeSettings http;
  std::vector<JourneyPage> pages;  ///< Not empty: `http` is asked for nothing but its origin.
  std::vector<TalkStep> talk;
  DnsProbeSettings dns;

  std::string key() const { return "probe " + name; }
};

/// Reads every `[[probe]]` table of the root. `interval` is the round's: a time-out must be
/// shorter. Mistakes go to the diagnostics.
std::vector<ProbeSettings> read_probe_settings(config::Table& root, base::Duration interval);

/// Reads `key` as host:port; a missing port is `port`, or an error if that is 0.
net::HostPort read_host_port(config::Table& table, const char* key, const std::string& text,
                             unsigned short port);
/// Reads ca_file, client_cert_file, client_key_file and insecure_tls.
net::TlsOptions read_tls_options(config::Table& table);
/// Reads "", "smtp", "imap", "pop3" or "postgres".
StartTls read_start_tls(config::Table& table);

}  // namespace tocsin::agent
