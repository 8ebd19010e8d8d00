#include "agent/collectors/parties/domains_source.h"

#include <fmt/format.h>

#include "agent/collectors/kept/kept_round.h"
#include "agent/collectors/parties/rdap.h"
#include "agent/collectors/probe/http_exchange.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr const char* kKey = "domains";
constexpr std::size_t kAnswerBytesMax = 4 << 20;
constexpr base::Duration kBootstrapInterval = std::chrono::hours(24);

constexpr MetricInfo kExpiry{"domain_expiry_timestamp_seconds",
                             "When the registration of the domain ends, in seconds since 1970."};
constexpr MetricInfo kProblem{"domain_problem",
                              "1 if the registration of the domain has this problem, 0 if not."};
constexpr MetricInfo kAsked{"domain_asked_timestamp_seconds",
                            "When the registry last said something of the domain."};

/// Lives on the source's thread.
class Domains {
 public:
  Domains(DomainsSettings settings, const DomainsWorld& world, DomainFetch fetch)
      : settings_(std::move(settings)),
        clock_(world.executor.clock()),
        files_(world.files),
        failures_(world.failures),
        fetch_(std::move(fetch)) {}

  Fill read() {
    KeptRound round(kKey, failures_);
    for (const std::string& name : settings_.names) {
      Known& known = known_[name];
      if (clock_.monotonic() >= known.due) ask(name, known);
      round.check(name, known.outcome);
      tell(name, known, round);
    }
    return std::move(round).fill();
  }

 private:
  struct Known {
    std::optional<DomainAnswer> answer;
    base::WallTime answered;
    Result<void> outcome = base::ok();
    base::MonotonicTime due;
  };

  void ask(const std::string& name, Known& known) {
    auto answer = question(name);
    if (answer) {
      known.answer = std::move(*answer);
      known.answered = clock_.wall();
      known.outcome = base::ok();
    } else if (settings_.dates.contains(name) && answer.error().code == ErrorCode::NotFound) {
      known.outcome = base::ok();  // a zone without RDAP, which the configuration knows
    } else {
      known.outcome = answer.error();
    }
    known.due = clock_.monotonic() + (known.outcome ? settings_.interval : settings_.retry);
  }

  /// Errors: NotFound (no server for the zone), others as they come.
  Result<DomainAnswer> question(const std::string& name) {
    TC_TRY(const std::string server, server_of(name));
    const auto body = fetch_(server + "domain/" + name, "application/rdap+json");
    if (!body && body.error().code == ErrorCode::NotFound) {
      DomainAnswer gone;
      for (const char* problem : kDomainProblems) gone.problems[problem] = false;
      gone.problems["unregistered"] = true;
      return gone;
    }
    if (!body) return body.error();
    auto answer = parse_rdap_domain(*body, name);
    if (!answer) return base::with_context(answer.error(), server);
    if (!answer->expires && !settings_.dates.contains(name)) {
      return base::error(ErrorCode::InvalidArgument,
                         fmt::format("{} tells no end of '{}': name it in expires", server, name));
    }
    return answer;
  }

  Result<std::string> server_of(const std::string& name) {
    if (const std::string* server = rdap_server(settings_.servers, name)) {
      return server->ends_with('/') ? *server : *server + "/";
    }
    TC_TRY(bootstrap());
    if (const std::string* server = rdap_server(servers_, name)) return *server;
    return base::error(ErrorCode::NotFound,
                       fmt::format("no RDAP server is known for the zone of '{}': set servers, or "
                                   "name the day in expires",
                                   name));
  }

  Result<void> bootstrap() {
    if (!servers_.empty() && clock_.monotonic() < bootstrap_due_) return base::ok();
    Result<std::string> text = settings_.bootstrap_file.empty()
                                   ? fetch_(settings_.bootstrap_url, "application/json")
                                   : files_.read(settings_.bootstrap_file, kAnswerBytesMax);
    if (!text) {
      // Not NotFound, which means that the list was read and does not know the zone.
      return base::error(ErrorCode::Unavailable,
                         fmt::format("the list of RDAP servers: {}", text.error().message));
    }
    TC_TRY(servers_, parse_rdap_bootstrap(*text));
    bootstrap_due_ = clock_.monotonic() + kBootstrapInterval;
    return base::ok();
  }

  void tell(const std::string& name, const Known& known, KeptRound& round) const {
    std::optional<base::WallTime> expires;
    if (known.answer) expires = known.answer->expires;
    if (const auto date = settings_.dates.find(name); !expires && date != settings_.dates.end()) {
      expires = date->second;
    }
    if (expires) round.add(kExpiry, {{"domain", name}}, base::to_seconds(*expires));
    if (!known.answer) return;
    round.add(kAsked, {{"domain", name}}, base::to_seconds(known.answered));
    for (const auto& [problem, there] : known.answer->problems) {
      round.add(kProblem, {{"domain", name}, {"problem", problem}}, there ? 1 : 0);
    }
  }

  DomainsSettings settings_;
  const base::Clock& clock_;
  base::FileSystem& files_;
  base::FailureLog& failures_;
  DomainFetch fetch_;
  RdapServers servers_;
  base::MonotonicTime bootstrap_due_;
  std::map<std::string, Known> known_;
};

}  // namespace

std::unique_ptr<AsyncSource> make_domains_source(const DomainsSettings& settings,
                                                 const DomainsWorld& world) {
  return make_domains_source(
      settings, world, [settings](const std::string& url, const std::string& accept) {
        return fetch_file(url, settings.tls, settings.ask_timeout, kAnswerBytesMax, accept);
      });
}

std::unique_ptr<AsyncSource> make_domains_source(const DomainsSettings& settings,
                                                 const DomainsWorld& world, DomainFetch fetch) {
  SlowReading reading;
  reading.key = kKey;
  reading.interval = settings.look;
  reading.timeout = settings.timeout;
  reading.thread = kKey;
  reading.read = [domains = std::make_shared<Domains>(settings, world, std::move(fetch))] {
    return domains->read();
  };
  return make_slow_source(std::move(reading), {world.executor, world.executor.clock()},
                          world.failures);
}

}  // namespace tocsin::agent
