#include "agent/collectors/scrape/scrape_target.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/collectors/exposition/exposition.h"

namespace tocsin::agent {
namespace {

using base::ErrorCode;

constexpr std::string_view kAccept =
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

constexpr MetricInfo kUp{"up", "1 if the target answered with metrics that could be read."};
constexpr MetricInfo kSeconds{"scrape_duration_seconds", "Time the scrape took."};
constexpr MetricInfo kLines{"scrape_samples_scraped", "Samples that the target exposed."};
constexpr MetricInfo kKept{"scrape_samples_post_metric_relabeling",
                           "Samples that were left after relabelling."};
constexpr MetricInfo kAdded{"scrape_series_added",
                            "Series that were not there in the scrape before."};

bool has(const relabel::MutableLabels& labels, std::string_view name) {
  return std::any_of(labels.begin(), labels.end(),
                     [&](const auto& label) { return label.first == name; });
}

// Takes the samples of one text; an error stops the parser.
class Collecting {
 public:
  explicit Collecting(const ScrapeSettings& settings) : settings_(settings) {
    target_.emplace_back("job", settings.job);
    target_.emplace_back("instance", settings.instance);
    for (const model::LabelView label : settings.labels) {
      if (label.name != "job" && label.name != "instance")
        target_.emplace_back(label.name, label.value);
    }
    // Extra labels may give the target another job or instance.
    for (auto& [name, value] : target_) {
      if (settings.labels.has(name)) value = settings.labels.get(name);
    }
  }

  base::Result<void> take(const ExpositionSample& sample) {
    ++scraped_.lines;
    assemble(sample);
    if (!relabel::apply(settings_.metric_relabel, labels_)) return base::ok();
    std::erase_if(labels_, [](const auto& label) {
      return label.second.empty() ||
             (label.first.starts_with("__") && label.first != model::kMetricName);
    });
    if (labels_.empty()) return base::ok();
    if (!has(labels_, model::kMetricName)) {
      return base::error(ErrorCode::InvalidArgument,
                         fmt::format("relabelling took the name of '{}' away", sample.name));
    }
    TC_TRY(check_limits(sample.name));
    std::sort(labels_.begin(), labels_.end());
    model::WriteBatch& batch = scraped_.samples;
    batch.begin_series();
    for (const auto& [name, value] : labels_) {
      batch.add_label(batch.text().copy(name), batch.text().copy(value));
    }
    const bool timed = settings_.honor_timestamps && sample.timestamp_ms;
    batch.add_sample({timed ? *sample.timestamp_ms : 0, sample.value});
    describe(sample);
    return base::ok();
  }

  Scraped& scraped() { return scraped_; }
  const std::vector<std::pair<std::string, std::string>>& target() const { return target_; }

 private:
  void assemble(const ExpositionSample& sample) {
    labels_.clear();
    labels_.emplace_back(model::kMetricName, sample.name);
    for (const model::LabelView label : sample.labels) {
      if (!label.value.empty()) labels_.emplace_back(label.name, label.value);
    }
    // `host` is the identity of this agent and never a target's to say.
    move_away("host");
    for (const auto& [name, value] : target_) {
      if (settings_.honor_labels && has(labels_, name)) continue;
      move_away(name);
      labels_.emplace_back(name, value);
    }
  }

  void move_away(const std::string& name) {
    for (auto& [label, value] : labels_) {
      if (label != name) continue;
      std::string moved = "exported_" + name;
      while (has(labels_, moved)) moved.insert(0, "exported_");
      label = moved;
      return;
    }
  }

  base::Result<void> check_limits(std::string_view sample_name) const {
    const auto over = [&](std::string_view what, std::size_t size, std::size_t limit) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("{} of '{}': {}, limit {}", what, sample_name, size, limit));
    };
    if (scraped_.samples.sample_count() >= settings_.sample_limit) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("more samples than sample_limit {}", settings_.sample_limit));
    }
    if (labels_.size() > settings_.label_limit) {
      return over("number of labels", labels_.size(), settings_.label_limit);
    }
    for (const auto& [name, value] : labels_) {
      if (name.size() > settings_.label_name_bytes_max) {
        return over("length of a label name", name.size(), settings_.label_name_bytes_max);
      }
      if (value.size() > settings_.label_value_bytes_max) {
        return over("length of label " + name, value.size(), settings_.label_value_bytes_max);
      }
    }
    return base::ok();
  }

  void describe(const ExpositionSample& sample) {
    if (described_ == sample.family ||
        (sample.help.empty() && sample.type == model::MetricType::Unknown)) {
      return;
    }
    model::TextArena& text = scraped_.samples.text();
    described_ = text.copy(sample.family);
    scraped_.samples.add_metadata(
        {described_, sample.type, text.copy(sample.help), text.copy(sample.unit)});
  }

  const ScrapeSettings& settings_;
  std::vector<std::pair<std::string, std::string>> target_;
  relabel::MutableLabels labels_;
  Scraped scraped_;
  std::string_view described_;
};

base::Result<Scraped> scrape_of(const ScrapeSettings& settings,
                                const base::Result<net::HttpResponse>& answer) {
  if (!answer) return answer.error();
  if (answer->status != 200) {
    return base::error(ErrorCode::Unavailable, fmt::format("HTTP {}", answer->status));
  }
  return parse_scrape(settings, answer->header("content-type"), answer->body);
}

}  // namespace

base::Result<Scraped> parse_scrape(const ScrapeSettings& settings, std::string_view content_type,
                                   std::string_view body) {
  ExpositionLimits limits;
  limits.text_bytes_max = settings.body_bytes_max;
  Collecting collecting(settings);
  TC_TRY(const ExpositionSummary summary,
         parse_exposition(body, exposition_format(content_type), limits,
                          [&](const ExpositionSample& sample) { return collecting.take(sample); }));
  collecting.scraped().lines = summary.samples;
  return std::move(collecting.scraped());
}

ScrapeTarget::ScrapeTarget(ScrapeSettings settings, World world)
    : settings_(std::move(settings)), world_(world), key_(settings_.key()) {}

void ScrapeTarget::start(base::WallTime /*timestamp*/, std::function<void(const Fill&)> done) {
  net::HttpRequest request;
  request.url = settings_.url;
  request.headers = settings_.headers;
  request.headers.emplace_back("Accept", kAccept);
  request.headers.emplace_back("User-Agent", "tocsin-agent/" TOCSIN_VERSION);
  request.headers.emplace_back(
      "X-Prometheus-Scrape-Timeout-Seconds",
      fmt::format("{}", static_cast<double>(settings_.timeout.count()) / 1000));
  request.bearer_token = settings_.bearer_token;
  request.timeout = settings_.timeout;
  request.response_bytes_max = settings_.body_bytes_max;
  request.tls = settings_.tls;
  const base::MonotonicTime began = world_.executor.clock().monotonic();
  world_.http.send(std::move(request), world_.executor,
                   [this, began, done = std::move(done), alive = std::weak_ptr<int>(alive_)](
                       const base::Result<net::HttpResponse>& answer) {
                     if (!alive.expired()) answered(began, answer, done);
                   });
}

void ScrapeTarget::answered(base::MonotonicTime began,
                            const base::Result<net::HttpResponse>& answer,
                            const std::function<void(const Fill&)>& done) {
  const base::Result<Scraped> scraped = scrape_of(settings_, answer);
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  const double seconds = std::chrono::duration<double>(now - began).count();
  if (scraped) {
    world_.failures.clear(key_);
  } else {
    world_.failures.report(key_, scraped.error().message);
  }
  done([&](RoundSink& sink) { fill(sink, scraped, seconds); });
}

void ScrapeTarget::fill(RoundSink& sink, const base::Result<Scraped>& scraped,
                        double seconds) const {
  std::size_t kept = 0;
  if (scraped) {
    const model::WriteBatch& batch = scraped->samples;
    kept = batch.sample_count();
    for (const model::MetricMetadata& about : batch.metadata()) sink.describe(about);
    std::vector<model::LabelView> labels;
    for (const auto& series : batch.series()) {
      labels.clear();
      MetricInfo info{{}, {}, model::MetricType::Unknown};
      for (const model::LabelView label : batch.labels(series)) {
        if (label.name == model::kMetricName) {
          info.name = label.value;
        } else {
          labels.push_back(label);
        }
      }
      const model::Sample& sample = batch.samples(series).front();
      if (sample.timestamp_ms == 0) {
        sink.add(info, labels, sample.value);
      } else {
        sink.add_at(info, labels, sample.value, sample.timestamp_ms);
      }
    }
  }
  const auto added = static_cast<double>(sink.series_added());
  const Collecting own(settings_);
  std::vector<model::LabelView> labels;
  for (const auto& [name, value] : own.target()) labels.push_back({name, value});
  sink.add(kUp, labels, scraped ? 1 : 0);
  sink.add(kSeconds, labels, seconds);
  sink.add(kLines, labels, scraped ? static_cast<double>(scraped->lines) : 0);
  sink.add(kKept, labels, static_cast<double>(kept));
  sink.add(kAdded, labels, added);
}

}  // namespace tocsin::agent
