// What one probe found: whether it went well, why not, and its samples.
#pragma once

#include <boost/system/result.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sampler/round_sink.h"
#include "common/base/result.h"
#include "common/model/labels.h"

namespace tocsin::agent {

/// Why a probe failed; the label `reason` of probe_failed, so a closed set.
enum class ProbeReason {
  Dns,                 ///< The name was not found.
  Connect,             ///< Refused, unreachable.
  Timeout,             ///< No answer in time.
  Tls,                 ///< No agreement on TLS.
  CertificateExpired,  ///< Expired or not valid yet.
  CertificateChain,    ///< Signed by nobody that is trusted, or an intermediate is missing.
  CertificateName,     ///< For another name.
  Protocol,            ///< The other side does not speak as it should, or hangs up.
  Status,              ///< HTTP: another status, or too many redirects.
  Header,              ///< HTTP: a header is missing or other.
  Body,                ///< HTTP: what was to be in the body is not, or what must not is.
  Answer,              ///< Another answer than expected (DNS, conversations).
  Permission,          ///< This host does not let us probe.
  Settings,            ///< A file that the configuration names cannot be used.
};

/// Returns the label: "certificate_expired".
std::string_view to_string(ProbeReason reason);

/// A reason and one sentence for the log. No content of answers beyond a few words.
struct ProbeFailure {
  ProbeReason reason = ProbeReason::Protocol;
  std::string detail;
  std::string page{};  ///< Of a journey: where it ended.
};

/// A value, or why there is none.
template <class T>
class [[nodiscard]] Probed : public boost::system::result<T, ProbeFailure> {
 public:
  using boost::system::result<T, ProbeFailure>::result;
};

/// The `Probed<void>` of success.
inline Probed<void> probed() {
  return Probed<void>(boost::system::in_place_value);
}
inline ProbeFailure failed_probe(ProbeReason reason, std::string detail) {
  return ProbeFailure{reason, std::move(detail)};
}
/// A file or setting of ours that cannot be used.
inline ProbeFailure settings_failure(const base::Error& error) {
  return ProbeFailure{ProbeReason::Settings, error.message};
}

/// Built by one probe on its thread, then told in every round until the next.
class ProbeResult {
 public:
  using Label = std::pair<std::string_view, std::string>;  ///< The name is a literal.

  /// `metric` is a constant.
  void add(const MetricInfo& metric, std::vector<Label> labels, double value) {
    samples_.push_back({&metric, std::move(labels), value});
  }
  void add(const MetricInfo& metric, double value) { add(metric, {}, value); }

  /// Adds what all probes tell of how they reached the other side; `ip_protocol` 4 or 6, 0: not.
  void reached(double lookup_seconds, int ip_protocol);

  std::optional<ProbeFailure> failure;
  double duration_seconds = 0;

  /// Writes all, each series with `labels` (probe, target, ...).
  void write(RoundSink& sink, const model::Labels& labels, double slow_seconds) const;

 private:
  struct Sample {
    const MetricInfo* metric;
    std::vector<Label> labels;
    double value;
  };
  std::vector<Sample> samples_;
};

}  // namespace tocsin::agent
