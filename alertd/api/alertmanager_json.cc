#include "alertd/api/alertmanager_json.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <boost/json.hpp>
#include <iterator>

#include "alertd/api/json.h"
#include "common/net/http_text.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;
using base::Result;

constexpr std::size_t kMatchersMax = 100;
constexpr std::size_t kTextBytesMax = 64 << 10;

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

std::string_view view_of(const json::string& text) {
  return {text.data(), text.size()};
}

std::string_view state_of(const AlertmanagerAlert& one) {
  const AlertmanagerSuppression& by = one.suppression;
  if (!by.silenced_by.empty() || !by.inhibited_by.empty() || !by.muted_by.empty()) {
    return "suppressed";
  }
  return one.receivers.empty() ? "unprocessed" : "active";
}

void append_matchers(std::string& out, const std::vector<AlertmanagerMatcher>& matchers) {
  out += '[';
  for (std::size_t i = 0; i < matchers.size(); ++i) {
    const AlertmanagerMatcher& matcher = matchers[i];
    out += i == 0 ? "{\"isEqual\":" : ",{\"isEqual\":";
    out += matcher.is_equal ? "true" : "false";
    out += matcher.is_regex ? ",\"isRegex\":true" : ",\"isRegex\":false";
    out += ",\"name\":" + net::json_string(matcher.name);
    out += ",\"value\":" + net::json_string(matcher.value) + '}';
  }
  out += ']';
}

/// Reads the fields of a postable silence; the first mistake counts.
class SilenceReader {
 public:
  explicit SilenceReader(const json::object& object) : object_(object) {}

  Result<AlertmanagerSilence> read() {
    AlertmanagerSilence silence;
    TC_TRY(silence.id, text("id", false));
    TC_TRY(silence.created_by, text("createdBy", true));
    TC_TRY(silence.comment, text("comment", true));
    TC_TRY(silence.starts_at, time("startsAt"));
    TC_TRY(silence.ends_at, time("endsAt"));
    if (const json::value* sets = object_.if_contains("matcherSets");
        sets && sets->is_array() && !sets->get_array().empty()) {
      for (const json::value& set : sets->get_array()) {
        TC_TRY(std::vector<AlertmanagerMatcher> matchers, matchers_of(set));
        silence.matcher_sets.push_back(std::move(matchers));
      }
    } else {
      const json::value* set = object_.if_contains("matchers");
      if (!set) return bad("matchers in body is required");
      TC_TRY(std::vector<AlertmanagerMatcher> matchers, matchers_of(*set));
      silence.matcher_sets.push_back(std::move(matchers));
    }
    if (const json::value* pairs = object_.if_contains("annotations"); pairs && !pairs->is_null()) {
      if (!pairs->is_object()) return bad("annotations in body must be an object of texts");
      for (const auto& pair : pairs->get_object()) {
        if (!pair.value().is_string()) return bad("annotations in body must be texts");
        silence.annotations[std::string(pair.key())] = view_of(pair.value().get_string());
      }
    }
    return silence;
  }

 private:
  Result<std::string> text(std::string_view name, bool required) {
    const json::value* value = object_.if_contains(name);
    if (!value || value->is_null()) {
      if (required) return bad(fmt::format("{} in body is required", name));
      return std::string();
    }
    if (!value->is_string()) return bad(fmt::format("{} in body must be of type string", name));
    if (value->get_string().size() > kTextBytesMax) {
      return bad(fmt::format("{} in body is over {} bytes", name, kTextBytesMax));
    }
    return std::string(view_of(value->get_string()));
  }

  Result<base::WallTime> time(std::string_view name) {
    TC_TRY(const std::string value, text(name, true));
    auto parsed = base::parse_rfc3339(value);
    if (!parsed) return bad(fmt::format("{} in body: {}", name, parsed.error().message));
    return *parsed;
  }

  static Result<std::vector<AlertmanagerMatcher>> matchers_of(const json::value& value) {
    const json::array* items = value.if_array();
    if (!items) return bad("matchers in body must be of type array");
    if (items->empty()) return bad("matchers in body should have at least 1 items");
    if (items->size() > kMatchersMax) {
      return bad(fmt::format("{} matchers, limit {}", items->size(), kMatchersMax));
    }
    std::vector<AlertmanagerMatcher> matchers;
    for (std::size_t i = 0; i < items->size(); ++i) {
      const json::object* object = (*items)[i].if_object();
      if (!object) return bad(fmt::format("matchers.{} in body must be of type object", i));
      const json::value* name = object->if_contains("name");
      const json::value* text = object->if_contains("value");
      const json::value* regex = object->if_contains("isRegex");
      const json::value* equal = object->if_contains("isEqual");
      if (!name || !name->is_string()) {
        return bad(fmt::format("matchers.{}.name in body is required", i));
      }
      if (!text || !text->is_string()) {
        return bad(fmt::format("matchers.{}.value in body is required", i));
      }
      if (!regex || !regex->is_bool()) {
        return bad(fmt::format("matchers.{}.isRegex in body is required", i));
      }
      matchers.push_back({std::string(view_of(name->get_string())),
                          std::string(view_of(text->get_string())), regex->get_bool(),
                          !equal || !equal->is_bool() || equal->get_bool()});
    }
    return matchers;
  }

  const json::object& object_;
};

}  // namespace

std::string_view to_string(SilenceState state) {
  switch (state) {
    case SilenceState::Pending:
      return "pending";
    case SilenceState::Active:
      return "active";
    case SilenceState::Expired:
      return "expired";
  }
  return "expired";
}

std::string api_time(base::WallTime time) {
  std::string text = base::format_rfc3339(time);
  if (text.find('.') == std::string::npos && text.ends_with('Z')) {
    text.insert(text.size() - 1, ".000");
  }
  return text;
}

void append_alert(std::string& out, const AlertmanagerAlert& one,
                  const std::vector<std::string>& receivers,
                  const std::vector<std::string>* muted_by) {
  const model::Alert& alert = one.alert;
  out += "{\"annotations\":" + labels_text(alert.annotations);
  out += ",\"endsAt\":\"" + api_time(alert.ends_at.value_or(alert.valid_until));
  fmt::format_to(std::back_inserter(out), "\",\"fingerprint\":\"{:016x}\"", alert.fingerprint());
  out += ",\"receivers\":[";
  for (std::size_t i = 0; i < receivers.size(); ++i) {
    out += (i == 0 ? "{\"name\":" : ",{\"name\":") + net::json_string(receivers[i]) + '}';
  }
  out += "],\"startsAt\":\"" + api_time(alert.starts_at);
  out += "\",\"status\":{\"inhibitedBy\":" + strings_text(one.suppression.inhibited_by);
  const bool group_muted = muted_by && !muted_by->empty();
  out += ",\"mutedBy\":" + strings_text(group_muted ? *muted_by : one.suppression.muted_by);
  out += ",\"silencedBy\":" + strings_text(one.suppression.silenced_by);
  out += ",\"state\":\"";
  out += group_muted ? "suppressed" : state_of(one);
  out += "\"},\"updatedAt\":\"" + api_time(alert.updated_at) + '"';
  if (!alert.generator_url.empty()) {
    out += ",\"generatorURL\":" + net::json_string(alert.generator_url);
  }
  out += ",\"labels\":" + labels_text(alert.labels) + '}';
}

void append_silence(std::string& out, const AlertmanagerSilence& silence) {
  out += "{\"id\":" + net::json_string(silence.id) + ",\"status\":{\"state\":\"";
  out += to_string(silence.state);
  out += "\"},\"updatedAt\":\"" + api_time(silence.updated_at);
  out += "\",\"comment\":" + net::json_string(silence.comment);
  out += ",\"createdBy\":" + net::json_string(silence.created_by);
  out += ",\"endsAt\":\"" + api_time(silence.ends_at) + "\",\"matchers\":";
  append_matchers(out, silence.matcher_sets.empty() ? std::vector<AlertmanagerMatcher>()
                                                    : silence.matcher_sets.front());
  if (silence.matcher_sets.size() > 1) {
    out += ",\"matcherSets\":[";
    for (std::size_t i = 0; i < silence.matcher_sets.size(); ++i) {
      if (i > 0) out += ',';
      append_matchers(out, silence.matcher_sets[i]);
    }
    out += ']';
  }
  if (!silence.annotations.empty()) {
    out += ",\"annotations\":{";
    bool first = true;
    for (const auto& [name, value] : silence.annotations) {
      if (!first) out += ',';
      first = false;
      out += net::json_string(name) + ':' + net::json_string(value);
    }
    out += '}';
  }
  out += ",\"startsAt\":\"" + api_time(silence.starts_at) + "\"}";
}

Result<AlertmanagerSilence> parse_silence(std::string_view body) {
  json::parse_options parsing;
  parsing.max_depth = 8;
  json::error_code failure;
  const json::value document = json::parse(json::string_view(body.data(), body.size()), failure,
                                           json::storage_ptr(), parsing);
  if (failure) return bad(fmt::format("parsing silence body failed: {}", failure.message()));
  const json::object* object = document.if_object();
  if (!object) return bad("parsing silence body failed: expected an object");
  return SilenceReader(*object).read();
}

net::ServerResponse alertmanager_ok(std::string body) {
  net::ServerResponse response;
  response.body = std::move(body);
  response.body += '\n';
  return response;
}

net::ServerResponse alertmanager_error(int status, std::string_view message) {
  net::ServerResponse response = alertmanager_ok(net::json_string(message));
  response.status = status;
  return response;
}

net::ServerResponse alertmanager_invalid(int status, int code, std::string_view message) {
  net::ServerResponse response = alertmanager_ok(
      fmt::format("{{\"code\":{},\"message\":{}}}", code, net::json_string(message)));
  response.status = status;
  return response;
}

net::ServerResponse alertmanager_failure(const base::Error& error) {
  switch (error.code) {
    case base::ErrorCode::InvalidArgument:
    case base::ErrorCode::LimitExceeded:
      return alertmanager_error(400, error.message);
    case base::ErrorCode::NotFound:
      return alertmanager_error(404, error.message);
    case base::ErrorCode::Unavailable:
    case base::ErrorCode::Timeout:
      return alertmanager_error(503, error.message);
    default:
      return alertmanager_error(500, error.message);
  }
}

}  // namespace tocsin::api
