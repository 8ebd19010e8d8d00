#include "agent/collectors/application/receiver.h"

#include "agent/collectors/blocking/blocking_source.h"

namespace tocsin::agent {
namespace {

constexpr MetricInfo kUp{"tocsin_agent_receiver_up",
                         "1 while applications can hand metrics in by this way."};

class ReceiverSource final : public AsyncSource {
 public:
  ReceiverSource(std::shared_ptr<MetricReceiver> receiver, base::Executor& executor,
                 base::FailureLog& failures)
      : receiver_(std::move(receiver)),
        executor_(executor),
        failures_(failures),
        key_("receiver " + std::string(receiver_->name())) {}

  const std::string& key() const override { return key_; }

  void start(base::WallTime /*timestamp*/, std::function<void(const Fill&)> done) override {
    executor_.post(
        [receiver = receiver_, &failures = failures_, key = key_, done = std::move(done)] {
          done([&](RoundSink& sink) {
            const auto opened = receiver->open();
            // Closed by a reload: another one has taken its place.
            if (!opened && opened.error().code == base::ErrorCode::Cancelled) return;
            const std::string_view name = receiver->name();
            sink.add(kUp, {{"receiver", name}}, opened ? 1 : 0);
            if (opened) {
              failures.clear(key);
            } else {
              failures.report(key, opened.error().message);
              add_check_failed(sink, name, "listen", opened.error());
            }
            receiver->write(sink);
          });
        });
  }

 private:
  std::shared_ptr<MetricReceiver> receiver_;
  base::Executor& executor_;
  base::FailureLog& failures_;
  std::string key_;
};

}  // namespace

std::unique_ptr<AsyncSource> make_receiver_source(std::shared_ptr<MetricReceiver> receiver,
                                                  base::Executor& executor,
                                                  base::FailureLog& failures) {
  return std::make_unique<ReceiverSource>(std::move(receiver), executor, failures);
}

}  // namespace tocsin::agent
