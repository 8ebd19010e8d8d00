#include "alertd/api/lookup_handlers.h"

#include <fmt/core.h>

#include <charconv>
#include <limits>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"
#include "alertd/api/selectors.h"

namespace tocsin::api {
namespace {

constexpr std::size_t kSeriesMax = 100'000;
constexpr std::size_t kLookEvery = 1024;  // series, between two looks at whether to go on
// Before and after all samples; half the range of int64, so that nothing overflows on the way.
constexpr std::int64_t kLatestMs = std::numeric_limits<std::int64_t>::max() / 2;
constexpr std::int64_t kEarliestMs = -kLatestMs;
constexpr base::Duration kSeriesWindow = std::chrono::hours(24);
constexpr const char* kTruncated = "results truncated due to limit";

base::Error gave_up() {
  return base::error(base::ErrorCode::Cancelled, "the look-up was given up");
}

net::ServerResponse end_before_start() {
  return bad_data("parameter 'end' is before 'start'");
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0U | code >> 6U);
    add(0x80U | (code & 0x3fU));
  } else if (code < 0x10000) {
    add(0xe0U | code >> 12U);
    add(0x80U | (code >> 6U & 0x3fU));
    add(0x80U | (code & 0x3fU));
  } else {
    add(0xf0U | code >> 18U);
    add(0x80U | (code >> 12U & 0x3fU));
    add(0x80U | (code >> 6U & 0x3fU));
    add(0x80U | (code & 0x3fU));
  }
}

}  // namespace

std::string unescape_name(std::string_view name) {
  if (!name.starts_with("U__")) return std::string(name);
  std::string out;
  for (std::size_t i = 3; i < name.size(); ++i) {
    if (name[i] != '_') {
      out += name[i];
      continue;
    }
    if (i + 1 < name.size() && name[i + 1] == '_') {
      out += '_';
      ++i;
      continue;
    }
    const std::size_t end = name.find('_', i + 1);
    if (end == std::string_view::npos) return std::string(name);
    std::uint32_t code = 0;
    const auto read = std::from_chars(name.data() + i + 1, name.data() + end, code, 16);
    const bool whole = read.ec == std::errc() && read.ptr == name.data() + end;
    if (!whole || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return std::string(name);
    append_utf8(code, out);
    i = end;
  }
  return out;
}

base::Result<void> LookUpHandlers::find_texts(const LookUp& wanted,
                                              std::span<const model::Matcher> matchers,
                                              const QueryRunner::Cancelled& cancelled,
                                              Texts& texts) const {
  if (!wanted.range) {
    TC_TRY(auto found, wanted.label ? source_.label_values(*wanted.label, matchers)
                                    : source_.label_names(matchers));
    for (std::string& text : found) texts.insert(std::move(text));
    return base::ok();
  }
  TC_TRY(const auto found, source_.select(matchers, base::to_ms(wanted.range->first),
                                          base::to_ms(wanted.range->second), {}));
  for (std::size_t i = 0; i < found->size(); ++i) {
    if (i % kLookEvery == 0 && cancelled()) return gave_up();
    const model::Labels& labels = found->labels(i);
    if (wanted.label) {
      const std::string_view value = labels.get(*wanted.label);
      if (!value.empty() && !texts.contains(value)) texts.emplace(value);
      continue;
    }
    for (const model::LabelView label : labels) {
      if (!texts.contains(label.name)) texts.emplace(label.name);
    }
  }
  return base::ok();
}

void LookUpHandlers::look_up(ApiCall call, LookUp wanted) const {
  auto sets = selectors_parameter(call.request, "match[]", parse_);
  const auto limit = count_parameter(call.request, "limit");
  const auto begin = time_parameter(call.request, "start", base::wall_time(kEarliestMs));
  const auto end = time_parameter(call.request, "end", base::wall_time(kLatestMs));
  if (const auto error = first_error(sets, limit, begin, end)) {
    return call.respond(failure(*error, 400));
  }
  const bool ranged =
      !call.request.parameter("start").empty() || !call.request.parameter("end").empty();
  if (ranged && *end < *begin) return call.respond(end_before_start());
  if (ranged) wanted.range = {*begin, *end};
  if (sets->empty()) sets->emplace_back();
  runner_.run(runner_.patience(call.request), std::move(call.respond),
              [this, sets = *sets, limit = *limit,
               wanted = std::move(wanted)](const QueryRunner::Cancelled& cancelled) {
                Texts all;
                for (const auto& matchers : sets) {
                  const auto found = find_texts(wanted, matchers, cancelled, all);
                  if (!found) return failure(found.error(), 422);
                }
                std::vector<std::string> sorted(all.begin(), all.end());
                Notes notes;
                if (limit != 0 && sorted.size() > limit) {
                  sorted.resize(limit);
                  notes.warnings.emplace_back(kTruncated);
                }
                return success(strings_text(sorted), notes);
              });
}

void LookUpHandlers::labels(ApiCall call) const {
  look_up(std::move(call), {});
}

void LookUpHandlers::label_values(ApiCall call) const {
  LookUp wanted;
  wanted.label = unescape_name(call.path.front());
  look_up(std::move(call), std::move(wanted));
}

void LookUpHandlers::series(ApiCall call) const {
  auto sets = selectors_parameter(call.request, "match[]", parse_);
  if (sets && sets->empty()) return call.respond(bad_data("parameter 'match[]' is missing"));
  const base::WallTime now = clock_.wall();
  const auto end = time_parameter(call.request, "end", now);
  const auto begin = time_parameter(call.request, "start", (end ? *end : now) - kSeriesWindow);
  const auto limit = count_parameter(call.request, "limit");
  if (const auto error = first_error(sets, limit, begin, end)) {
    return call.respond(failure(*error, 400));
  }
  if (*end < *begin) return call.respond(end_before_start());
  const std::size_t series_max = *limit == 0 || *limit > kSeriesMax ? kSeriesMax : *limit;
  runner_.run(runner_.patience(call.request), std::move(call.respond),
              [this, sets = *sets, begin_ms = base::to_ms(*begin), end_ms = base::to_ms(*end),
               series_max](const QueryRunner::Cancelled& cancelled) {
                std::set<model::Labels> all;
                for (const auto& matchers : sets) {
                  auto found = source_.select(matchers, begin_ms, end_ms, {});
                  if (!found) return failure(found.error(), 422);
                  for (std::size_t i = 0; i < (*found)->size(); ++i) {
                    if (i % kLookEvery == 0 && cancelled()) return failure(gave_up(), 422);
                    all.insert((*found)->labels(i));
                  }
                }
                Notes notes;
                std::string text = "[";
                std::size_t count = 0;
                for (const model::Labels& labels : all) {
                  if (count++ == series_max) {
                    notes.warnings.emplace_back(kTruncated);
                    break;
                  }
                  if (count > 1) text += ',';
                  text += labels_text(labels);
                }
                return success(text + ']', notes);
              });
}

}  // namespace tocsin::api
