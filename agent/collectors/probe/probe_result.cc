#include "agent/collectors/probe/probe_result.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kSuccess{"probe_success", "1 if the probe found all that it expects."};
constexpr MetricInfo kDuration{"probe_duration_seconds", "How long the probe took."};
constexpr MetricInfo kSlow{"probe_slow_seconds", "From when on the probe counts as slow."};
constexpr MetricInfo kFailed{"probe_failed", "1 for a probe that failed, with the reason."};
constexpr MetricInfo kLookup{"probe_dns_lookup_time_seconds",
                             "How long the target's name took to be found."};
constexpr MetricInfo kIp{"probe_ip_protocol", "Of the address that was used: 4 or 6."};

}  // namespace

std::string_view to_string(ProbeReason reason) {
  switch (reason) {
    case ProbeReason::Dns:
      return "dns";
    case ProbeReason::Connect:
      return "connect";
    case ProbeReason::Timeout:
      return "timeout";
    case ProbeReason::Tls:
      return "tls";
    case ProbeReason::CertificateExpired:
      return "certificate_expired";
    case ProbeReason::CertificateChain:
      return "certificate_chain";
    case ProbeReason::CertificateName:
      return "certificate_name";
    case ProbeReason::Protocol:
      return "protocol";
    case ProbeReason::Status:
      return "status";
    case ProbeReason::Header:
      return "header";
    case ProbeReason::Body:
      return "body";
    case ProbeReason::Answer:
      return "answer";
    case ProbeReason::Permission:
      return "permission";
    case ProbeReason::Settings:
      return "settings";
  }
  return "protocol";
}

void ProbeResult::reached(double lookup_seconds, int ip_protocol) {
  add(kLookup, lookup_seconds);
  add(kIp, ip_protocol);
}

void ProbeResult::write(RoundSink& sink, const model::Labels& labels, double slow_seconds) const {
  std::vector<model::LabelView> common;
  for (const model::LabelView label : labels) common.push_back(label);
  sink.add(kSuccess, common, failure ? 0 : 1);
  sink.add(kDuration, common, duration_seconds);
  sink.add(kSlow, common, slow_seconds);
  std::vector<model::LabelView> all = common;
  if (failure) {
    all.push_back({"reason", to_string(failure->reason)});
    sink.add(kFailed, all, 1);
  }
  for (const Sample& sample : samples_) {
    all = common;
    for (const auto& [name, value] : sample.labels) all.push_back({name, value});
    sink.add(*sample.metric, all, sample.value);
  }
}

}  // namespace tocsin::agent
