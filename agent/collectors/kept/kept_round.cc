#include "agent/collectors/kept/kept_round.h"

#include <algorithm>
#include <memory>

#include "agent/collectors/blocking/blocking_source.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

// Names of processes and files are any bytes, and anybody may choose them.
std::string as_text(const std::string& value) {
  std::string text = value;
  if (!base::is_utf8(text)) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; },
        '?');
  }
  return base::escape_control(text);
}

}  // namespace

void KeptRound::add(const MetricInfo& metric, std::initializer_list<Label> labels, double value) {
  Sample sample{&metric, {}, value};
  for (const auto& [name, text] : labels) sample.labels.emplace_back(name, as_text(text));
  samples_.push_back(std::move(sample));
}

void KeptRound::check(std::string_view name, const base::Result<void>& outcome) {
  const std::string subject = server_ + ", " + std::string(name);
  if (outcome) {
    failures_.clear(subject);
    return;
  }
  failures_.report(subject, outcome.error().message);
  failed_.push_back({std::string(name), outcome.error()});
}

void KeptRound::say(std::string_view subject, const std::string& what) {
  if (!what.empty()) failures_.report(server_ + ", " + std::string(subject), what);
}

Fill KeptRound::fill() && {
  return
      [server = std::move(server_),
       samples = std::make_shared<const std::vector<Sample>>(std::move(samples_)),
       failed = std::make_shared<const std::vector<Failure>>(std::move(failed_))](RoundSink& sink) {
        std::vector<model::LabelView> labels;
        for (const Sample& sample : *samples) {
          labels.clear();
          for (const Label& label : sample.labels) labels.push_back({label.first, label.second});
          sink.add(*sample.metric, labels, sample.value);
        }
        for (const Failure& failure : *failed) {
          add_check_failed(sink, server, failure.check, failure.error);
        }
      };
}

}  // namespace tocsin::agent
