#include "agent/collectors/probe/certificate_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "agent/collectors/kept/kept_round.h"
#include "agent/collectors/probe/revocation_desk.h"
#include "agent/collectors/probe/served_certificates.h"
#include "common/base/mutex.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kNotAfter{"cert_not_after_timestamp_seconds",
                               "When the certificate in the file ends, in seconds since 1970."};
constexpr MetricInfo kNotBefore{"cert_not_before_timestamp_seconds",
                                "From when on the certificate in the file is valid."};
constexpr MetricInfo kModified{"cert_file_modified_timestamp_seconds",
                               "When the file was written last."};
constexpr MetricInfo kFiles{"cert_files", "Certificates that were found on the disk."};
constexpr MetricInfo kProblem{"cert_problem", "1 if the certificate has this problem, 0 if not."};
constexpr MetricInfo kServedNotAfter{"cert_served_not_after_timestamp_seconds",
                                     "When the certificate that the server shows ends."};
constexpr MetricInfo kMatches{"cert_served_matches_file",
                              "1 if the server shows the certificate of the file, 0 if another."};
constexpr MetricInfo kWeak{"cert_weak_protocol_accepted",
                           "1 if the server takes this old version of TLS."};

constexpr base::Duration kWeakInterval = std::chrono::hours(24);

/// The common name is going out of use: some authorities leave it empty.
std::string name_of(const CertificateFacts& facts) {
  return facts.subject_cn.empty() && !facts.names.empty() ? facts.names.front() : facts.subject_cn;
}

/// Thread: one at a time.
class CertificateReader {
 public:
  CertificateReader(CertificateSettings settings, const ProbeWorld& world)
      : settings_(std::move(settings)),
        world_(world),
        revocation_(settings_, world_.executor.clock()) {}

  PooledSource::Answer read() {
    const base::Clock& clock = world_.executor.clock();
    const base::MonotonicTime deadline = clock.monotonic() + settings_.timeout;
    KeptRound round(settings_.key(), world_.failures);
    const StoredCertificates stored = read_certificates(settings_, world_.files);
    const auto shown = ask_servers(settings_, stored.all, clock, deadline);
    if (settings_.weak_protocols) add_weak(deadline, round);
    // Last: an authority that is silent takes the time that is left.
    revocation_.begin(deadline);
    add_stored(stored, round);
    const bool served = add_served(shown, round);
    if (settings_.revocation) round.check("revocation", revocation_.outcome());
    return {std::move(round).fill(), served && stored.failures.empty()};
  }

 private:
  void add_stored(const StoredCertificates& stored, KeptRound& round) {
    round.add(kFiles, {{"certificate", settings_.name}}, static_cast<double>(stored.all.size()));
    base::Result<void> files = base::ok();
    for (const auto& failure : stored.failures) {
      if (files) files = failure.error;  // the first; one line says one thing
    }
    round.check("files", files);
    auto trust = trusted(settings_.ca_file);
    if (!trust) {
      round.failed("ca_file", trust.error());
    } else {
      round.check("ca_file", base::ok());
    }
    // One series for one name in one file; of two the one that ends first.
    std::map<std::pair<std::string, std::string>, const StoredCertificate*> distinct;
    for (const StoredCertificate& one : stored.all) {
      const StoredCertificate*& kept = distinct[{one.path, name_of(one.facts)}];
      if (kept == nullptr || one.facts.not_after < kept->facts.not_after) kept = &one;
    }
    for (const auto& [key, one] : distinct) add_one(*one, trust ? trust->get() : nullptr, round);
  }

  void add_one(const StoredCertificate& one, x509_store_st* trust, KeptRound& round) {
    const auto add = [&](const MetricInfo& metric, double value) {
      round.add(
          metric,
          {{"certificate", settings_.name}, {"path", one.path}, {"subject_cn", name_of(one.facts)}},
          value);
    };
    const auto problem = [&](const char* name, bool bad) {
      round.add(kProblem,
                {{"certificate", settings_.name},
                 {"path", one.path},
                 {"subject_cn", name_of(one.facts)},
                 {"problem", name}},
                bad ? 1 : 0);
    };
    base::WallTime end = one.facts.not_after;
    for (const X509Pointer& each : one.chain) end = std::min(end, facts_of(*each).not_after);
    add(kNotAfter, base::to_seconds(end));
    add(kNotBefore, base::to_seconds(one.facts.not_before));
    add(kModified, base::to_seconds(one.modified));
    if (trust != nullptr) {
      const ChainProblems chain = chain_problems(one.chain, *trust);
      problem("chain_order", chain.order);
      problem("chain_incomplete", chain.incomplete);
      if (const auto revoked = revocation_.ask(one.chain, one.facts.fingerprint, *trust)) {
        problem("revoked", *revoked);
      }
    }
    if (one.key_matches) problem("key_mismatch", !*one.key_matches);
    if (one.key_exposed) problem("key_exposed", *one.key_exposed);
    if (!settings_.names.empty()) {
      problem("name", std::any_of(settings_.names.begin(), settings_.names.end(),
                                  [&](const std::string& name) {
                                    return !is_for(*one.chain.front(), name);
                                  }));
    }
  }

  /// Returns whether all servers showed one.
  bool add_served(const std::vector<ServedCertificate>& shown, KeptRound& round) {
    base::Result<void> outcome = base::ok();
    const auto trust = trusted(settings_.ca_file);  // a failure was told by add_stored
    for (const ServedCertificate& one : shown) {
      if (one.failure) {
        if (outcome) {
          outcome = base::error(
              base::ErrorCode::Unavailable,
              fmt::format("{} shows no certificate: {}", one.target, one.failure->detail));
        }
        continue;
      }
      const auto problem = [&](const char* name, bool bad) {
        round.add(kProblem,
                  {{"certificate", settings_.name}, {"target", one.target}, {"problem", name}},
                  bad ? 1 : 0);
      };
      round.add(kServedNotAfter,
                {{"certificate", settings_.name},
                 {"target", one.target},
                 {"subject_cn", name_of(one.tls.certificate)}},
                base::to_seconds(one.tls.earliest_expiry));
      problem("name", !one.tls.named);
      problem("untrusted", !one.tls.verified && !one.tls.expired);
      // Whoever shows a certificate says where its authority is: only one that is trusted is asked.
      if (one.tls.verified && trust) {
        if (const auto revoked =
                revocation_.ask(one.tls.chain, one.tls.certificate.fingerprint, **trust)) {
          problem("revoked", *revoked);
        }
      }
      if (one.path.empty()) continue;
      round.add(kMatches,
                {{"certificate", settings_.name}, {"path", one.path}, {"target", one.target}},
                one.matches_file ? 1 : 0);
    }
    round.check("served", outcome);
    return outcome.has_value();
  }

  void add_weak(base::MonotonicTime deadline, KeptRound& round) {
    const base::Clock& clock = world_.executor.clock();
    if (weak_.empty() || clock.monotonic() >= weak_due_) {
      std::vector<WeakProtocol> weak;
      base::Result<void> outcome = base::ok();
      for (const ProbeRoute& route : settings_.served_by) {
        const auto asked = ask_weak_protocols(settings_, route, clock, deadline);
        if (asked) {
          weak.insert(weak.end(), asked->begin(), asked->end());
        } else {
          outcome = base::error(base::ErrorCode::Unavailable, asked.error().detail);
        }
      }
      round.check("weak_protocols", outcome);
      if (outcome) {
        weak_ = std::move(weak);
        weak_due_ = clock.monotonic() + kWeakInterval;
      }
    }
    for (const WeakProtocol& one : weak_) {
      round.add(kWeak,
                {{"certificate", settings_.name}, {"target", one.target}, {"version", one.version}},
                one.accepted ? 1 : 0);
    }
  }

  CertificateSettings settings_;
  ProbeWorld world_;
  RevocationDesk revocation_;
  std::vector<WeakProtocol> weak_;
  base::MonotonicTime weak_due_;
};

}  // namespace

PooledSource::Reading certificate_reading(const CertificateSettings& settings,
                                          const ProbeWorld& world) {
  /// What the last reading said, told again beside a failure.
  struct Kept {
    base::Mutex mutex;
    Fill fill GUARDED_BY(mutex);
  };
  const auto kept = std::make_shared<Kept>();
  PooledSource::Reading reading;
  reading.interval = settings.interval;
  reading.timeout = settings.timeout;
  reading.read = [reader = std::make_shared<CertificateReader>(settings, world), kept] {
    PooledSource::Answer answer = reader->read();
    const base::MutexLock lock(kept->mutex);
    kept->fill = answer.fill;
    return answer;
  };
  reading.down = [name = settings.key(), &failures = world.failures,
                  kept](const base::Error& why) -> PooledSource::Answer {
    KeptRound round(name, failures);
    round.failed("reading", why);
    const base::MutexLock lock(kept->mutex);
    return {[before = kept->fill, now = std::move(round).fill()](RoundSink& sink) {
              if (before) before(sink);
              now(sink);
            },
            false};
  };
  return reading;
}

}  // namespace tocsin::agent
