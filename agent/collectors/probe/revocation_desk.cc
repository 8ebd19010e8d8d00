#include "agent/collectors/probe/revocation_desk.h"

#include <algorithm>

#include "agent/collectors/probe/http_exchange.h"

namespace tocsin::agent {

namespace {

constexpr base::Duration kFetchTimeout{5'000};
constexpr std::size_t kAnswerBytesMax = 16 << 20;  // lists of large authorities are megabytes

}  // namespace

void RevocationDesk::begin(base::MonotonicTime deadline) {
  deadline_ = deadline;
  outcome_ = base::ok();
  std::erase_if(said_, [](const auto& each) { return !each.second.asked_now; });
  for (auto& [fingerprint, said] : said_) said.asked_now = false;
}

std::optional<bool> RevocationDesk::ask(const std::vector<X509Pointer>& chain,
                                        const std::string& fingerprint, x509_store_st& trust) {
  if (!settings_.revocation) return std::nullopt;
  Said& said = said_[fingerprint];
  if (!said.asked_now && clock_.monotonic() >= said.due) question(chain, trust, said);
  said.asked_now = true;
  if (outcome_ && !said.outcome) outcome_ = said.outcome;
  return said.revoked;
}

void RevocationDesk::question(const std::vector<X509Pointer>& chain, x509_store_st& trust,
                              Said& said) {
  const auto fetch = [this](const std::string& url, const std::string& body) {
    const auto left = std::chrono::duration_cast<base::Duration>(deadline_ - clock_.monotonic());
    return fetch_file(url, {}, std::clamp(left / 2, base::Duration{1}, kFetchTimeout),
                      kAnswerBytesMax, {}, body, "application/ocsp-request");
  };
  const auto answer = any_revoked(chain, trust, fetch);
  if (!answer) {
    said.outcome = answer.error();
  } else if (!*answer) {
    said.outcome =
        base::error(base::ErrorCode::NotFound,
                    "'" + facts_of(*chain.front()).subject +
                        "' names neither a responder (OCSP) nor a list (CRL) of its authority");
  } else {
    said.revoked = **answer;
    said.outcome = base::ok();
    said.due = clock_.monotonic() + settings_.revocation_interval;
  }
}

}  // namespace tocsin::agent
