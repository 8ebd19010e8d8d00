#include "agent/collectors/parties/contracts_source.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kEnd{"contract_end_timestamp_seconds",
                          "When the contract ends, in seconds since 1970."};
constexpr MetricInfo kNotice{"contract_notice_seconds",
                             "So long before its end it must be decided what comes after it."};
constexpr MetricInfo kReviewed{"contract_reviewed_timestamp_seconds",
                               "When somebody last looked at the contract."};
constexpr MetricInfo kEvery{"contract_review_interval_seconds",
                            "How often somebody must look at it."};

double seconds_of(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

class ContractsSource final : public AsyncSource {
 public:
  explicit ContractsSource(std::vector<ContractSettings> contracts)
      : contracts_(std::move(contracts)) {}

  const std::string& key() const override { return key_; }

  void start(base::WallTime, std::function<void(const Fill&)> done) override {
    done([this](RoundSink& sink) {
      for (const ContractSettings& contract : contracts_) tell(contract, sink);
    });
  }

 private:
  static void tell(const ContractSettings& contract, RoundSink& sink) {
    const auto add = [&](const MetricInfo& metric, double value) {
      const model::LabelView label{"contract", contract.name};
      sink.add(metric, {&label, 1}, value);
    };
    if (contract.ends) {
      add(kEnd, base::to_seconds(*contract.ends));
      add(kNotice, seconds_of(contract.notice));
    }
    if (contract.reviewed) {
      add(kReviewed, base::to_seconds(*contract.reviewed));
      add(kEvery, seconds_of(contract.review_every));
    }
  }

  std::string key_ = "contracts";
  std::vector<ContractSettings> contracts_;
};

}  // namespace

std::unique_ptr<AsyncSource> make_contracts_source(std::vector<ContractSettings> contracts) {
  return std::make_unique<ContractsSource>(std::move(contracts));
}

}  // namespace tocsin::agent
