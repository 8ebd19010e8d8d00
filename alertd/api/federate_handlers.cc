#include "alertd/api/federate_handlers.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "alertd/api/json.h"
#include "alertd/api/newest.h"
#include "alertd/api/selectors.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

constexpr std::string_view kInstance = "instance";

/// Every character that a legacy name may not have becomes an underscore.
std::string with_underscores(std::string_view name, bool metric) {
  std::string out;
  for (const char c : name) {
    const bool continuation = (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
    if (continuation) continue;
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9' && !out.empty();
    out += letter || digit || (metric && c == ':') ? c : '_';
  }
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// Writes names as the client reads them.
class Names {
 public:
  explicit Names(bool utf8) : utf8_(utf8) {}
  /// The name, and whether it must stand within the braces.
  std::pair<std::string, bool> metric(std::string_view name) const {
    if (model::is_legacy_metric_name(name)) return {std::string(name), false};
    if (utf8_) return {quoted(name), true};
    return {with_underscores(name, true), false};
  }
  std::string label(std::string_view name) const {
    if (model::is_legacy_label_name(name)) return std::string(name);
    return utf8_ ? quoted(name) : with_underscores(name, false);
  }

 private:
  bool utf8_;
};

void append_line(const promql::VectorSample& sample, const model::Labels& external,
                 const Names& names, std::string& out) {
  const auto [name, inside] = names.metric(sample.labels.metric_name());
  std::string labels = inside ? name : "";
  const auto add = [&](std::string_view label, std::string_view value) {
    if (!labels.empty()) labels += ',';
    labels += names.label(label);
    labels += '=';
    labels += quoted(value);
  };
  for (const model::LabelView label : sample.labels) {
    if (label.name != model::kMetricName) add(label.name, label.value);
  }
  for (const model::LabelView label : external) {
    if (!sample.labels.has(label.name)) add(label.name, label.value);
  }
  if (!sample.labels.has(kInstance) && !external.has(kInstance)) add(kInstance, "");
  if (!inside) out += name;
  fmt::format_to(std::back_inserter(out), "{{{}}} {} {}\n", labels,
                 base::format_double(sample.sample.value), sample.sample.timestamp_ms);
}

/// Whether the client reads quoted names in the text format.
bool reads_utf8_names(std::string_view accept) {
  for (const std::string_view part : base::split(accept, ',')) {
    const std::string clause = base::to_lower(base::trim(part));
    if (clause.starts_with("text/plain") &&
        clause.find("escaping=allow-utf-8") != std::string::npos) {
      return true;
    }
  }
  return false;
}

net::ServerResponse plain_failure(const base::Error& error, int invalid) {
  return plain_text(failure(error, invalid).status, error.message + '\n');
}

}  // namespace

base::Result<std::string> exposition(const promql::Vector& samples, const model::Labels& external,
                                     bool utf8_names, std::size_t bytes_max) {
  const Names names(utf8_names);
  std::vector<std::pair<std::string, const promql::VectorSample*>> sorted;
  for (const promql::VectorSample& sample : samples) {
    const std::string_view name = sample.labels.metric_name();
    if (!name.empty()) sorted.emplace_back(names.metric(name).first, &sample);
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second->labels < b.second->labels;
  });
  std::string out;
  const std::string* last = nullptr;
  for (const auto& [name, sample] : sorted) {
    if (last == nullptr || *last != name) out += fmt::format("# TYPE {} untyped\n", name);
    last = &name;
    append_line(*sample, external, names, out);
    if (out.size() > bytes_max) {
      return base::error(
          base::ErrorCode::LimitExceeded,
          fmt::format("the answer has more than {} bytes; select fewer series", bytes_max));
    }
  }
  return out;
}

void FederateHandlers::federate(ApiCall call) const {
  auto sets = selectors_parameter(call.request, "match[]", parse_);
  if (!sets) return call.respond(plain_failure(sets.error(), 400));
  const bool utf8 = reads_utf8_names(call.request.header("accept"));
  runner_.run(runner_.patience(call.request), std::move(call.respond),
              [this, sets = *sets, utf8,
               now_ms = base::to_ms(clock_.wall())](const QueryRunner::Cancelled& cancelled) {
                std::map<model::Labels, model::Sample> newest;
                for (const auto& matchers : sets) {
                  auto some =
                      newest_samples(source_, matchers, now_ms, options_.lookback, cancelled);
                  if (!some) return plain_failure(some.error(), 422);
                  for (promql::VectorSample& one : *some) {
                    newest.insert_or_assign(std::move(one.labels), one.sample);
                  }
                }
                promql::Vector samples;
                for (auto& [labels, sample] : newest) samples.push_back({labels, sample});
                auto text = exposition(samples, options_.external_labels, utf8, options_.bytes_max);
                if (!text) return plain_failure(text.error(), 422);
                net::ServerResponse response = plain_text(200, std::move(*text));
                response.content_type = utf8 ? "text/plain; version=1.0.0; charset=utf-8; "
                                               "escaping=allow-utf-8"
                                             : "text/plain; version=0.0.4; charset=utf-8";
                return response;
              });
}

}  // namespace tocsin::api
