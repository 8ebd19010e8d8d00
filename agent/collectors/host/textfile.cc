#include "agent/collectors/host/textfile.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "agent/collectors/exposition/exposition.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {
namespace {

using base::ErrorCode;
using model::MetricType;

constexpr MetricInfo kError{"node_textfile_scrape_error",
                            "1 if a file of the textfile folder could not be used.",
                            MetricType::Gauge};
constexpr MetricInfo kModified{"node_textfile_mtime_seconds",
                               "When a file of the textfile folder was last written, in Unix time.",
                               MetricType::Gauge};

class TextfileCollector final : public Collector {
 public:
  TextfileCollector(std::string directory, base::Metrics& metrics, TextfileLimits limits)
      : directory_(std::move(directory)),
        limits_(limits),
        refused_(metrics.counter("tocsin_agent_textfile_refused_total",
                                 "Files of the textfile folder that were not used.")),
        reader_(limits.file_bytes_max) {
    text_limits_.text_bytes_max = limits.file_bytes_max;
    text_limits_.samples_max = limits.samples_max;
  }

  std::string_view name() const override { return "textfile"; }

  base::Result<void> collect(MetricSink& sink) override {
    std::optional<base::Error> first_error;
    const auto refuse = [&](base::Error error) {
      refused_.increment();
      if (!first_error) first_error = std::move(error);
    };
    if (!path_exists(directory_)) {
      refuse(base::error(ErrorCode::NotFound, "cannot read the folder '" + directory_ + "'"));
    }
    std::vector<std::string> names = names_in(directory_);
    std::erase_if(names, [](const std::string& file) { return !file.ends_with(".prom"); });
    std::sort(names.begin(), names.end());
    if (names.size() > limits_.files_max) {
      refuse(base::error(ErrorCode::LimitExceeded,
                         "'" + directory_ + "' has " + std::to_string(names.size()) +
                             " files, limit " + std::to_string(limits_.files_max)));
      names.resize(limits_.files_max);
    }
    for (const std::string& file : names) {
      if (auto done = add_file(sink, directory_ + "/" + file); !done) refuse(done.error());
    }
    sink.add(kError, first_error ? 1 : 0);
    if (first_error) return std::move(*first_error);
    return base::ok();
  }

 private:
  base::Result<void> add_file(MetricSink& sink, const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
      return base::error(ErrorCode::InvalidArgument, "'" + path + "' is no regular file");
    }
    TC_TRY(const std::string_view text, reader_.read(path));
    if (!text.empty() && text.back() != '\n') {
      return base::error(ErrorCode::InvalidArgument,
                         "'" + path + "': the last line is not finished");
    }
    const auto check = [](const ExpositionSample& sample) -> base::Result<void> {
      if (!sample.timestamp_ms) return base::ok();
      return base::error(ErrorCode::InvalidArgument,
                         "sample '" + std::string(sample.name) + "' has a timestamp");
    };
    if (auto checked = parse(text, check); !checked) {
      return base::with_context(std::move(checked).error(), "'" + path + "'");
    }
    const auto hand_on = [&](const ExpositionSample& sample) {
      sink.add(MetricInfo{sample.name, sample.help, series_type(sample)}, sample.labels,
               sample.value);
      return base::ok();
    };
    static_cast<void>(parse(text, hand_on));
    sink.add(kModified, {{"file", path}},
             static_cast<double>(status.st_mtim.tv_sec) +
                 static_cast<double>(status.st_mtim.tv_nsec) / 1e9);
    return base::ok();
  }

  base::Result<void> parse(std::string_view text, const ExpositionCallback& callback) const {
    TC_TRY([[maybe_unused]] const ExpositionSummary summary,
           parse_exposition(text, ExpositionFormat::Prometheus, text_limits_, callback));
    return base::ok();
  }

  std::string directory_;
  TextfileLimits limits_;
  ExpositionLimits text_limits_;
  base::Counter refused_;
  FileReader reader_;
};

}  // namespace

std::unique_ptr<Collector> make_textfile_collector(std::string directory, base::Metrics& metrics,
                                                   TextfileLimits limits) {
  return std::make_unique<TextfileCollector>(std::move(directory), metrics, limits);
}

}  // namespace tocsin::agent
