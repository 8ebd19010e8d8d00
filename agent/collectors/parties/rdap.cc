#include "agent/collectors/parties/rdap.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kDepthMax = 32;

base::Error bad(std::string what) {
  return {ErrorCode::InvalidArgument, std::move(what)};
}

Result<json::object> parse_object(std::string_view text) {
  json::error_code code;
  json::parse_options options;
  options.max_depth = kDepthMax;
  const json::value value = json::parse(text, code, {}, options);
  if (code || !value.is_object()) return bad("the answer is no JSON object");
  return value.get_object();
}

const json::array* array_of(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  return member == nullptr ? nullptr : member->if_array();
}

std::string text_of(const json::value& value) {
  const json::string* text = value.if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

std::string member_text(const json::value& value, std::string_view name) {
  const json::object* object = value.if_object();
  const json::value* member = object == nullptr ? nullptr : object->if_contains(name);
  return member == nullptr ? std::string() : text_of(*member);
}

/// "client hold", also written "clientHold" by some: without spaces, in lower case.
std::string plain(std::string_view word) {
  std::string text = base::to_lower(word);
  std::erase(text, ' ');
  return text;
}

/// Adds one entry of the list: [[zones], [addresses]].
bool add_service(const json::value& service, RdapServers& servers) {
  const json::array* pair = service.if_array();
  if (pair == nullptr || pair->size() < 2) return false;
  const json::array* zones = pair->at(0).if_array();
  const json::array* addresses = pair->at(1).if_array();
  if (zones == nullptr || addresses == nullptr) return false;
  std::string chosen;
  for (const json::value& address : *addresses) {
    const std::string url = text_of(address);
    if (chosen.empty() || (!chosen.starts_with("https://") && url.starts_with("https://"))) {
      chosen = url;
    }
  }
  if (chosen.empty()) return false;
  if (!chosen.ends_with('/')) chosen += '/';
  for (const json::value& zone : *zones) servers[base::to_lower(text_of(zone))] = chosen;
  return true;
}

}  // namespace

bool is_domain(std::string_view name) {
  const auto labels = base::split(name, '.');
  if (labels.size() < 2 || name.size() > 253) return false;
  return std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
    return !label.empty() && label.size() <= 63 && !label.starts_with('-') &&
           !label.ends_with('-') &&
           label.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == label.npos;
  });
}

Result<RdapServers> parse_rdap_bootstrap(std::string_view text) {
  TC_TRY(const json::object root, parse_object(text));
  const json::array* services = array_of(root, "services");
  if (services == nullptr) return bad("the list of RDAP servers has no 'services'");
  RdapServers servers;
  for (const json::value& service : *services) {
    if (!add_service(service, servers)) return bad("the list of RDAP servers is malformed");
  }
  return servers;
}

const std::string* rdap_server(const RdapServers& servers, std::string_view domain) {
  for (std::size_t dot = domain.find('.'); dot != domain.npos; dot = domain.find('.', dot + 1)) {
    const auto found = servers.find(std::string(domain.substr(dot + 1)));
    if (found != servers.end()) return &found->second;
  }
  return nullptr;
}

Result<DomainAnswer> parse_rdap_domain(std::string_view text, std::string_view domain) {
  TC_TRY(const json::object root, parse_object(text));
  std::string name = base::to_lower(member_text(root, "ldhName"));
  if (name.ends_with('.')) name.pop_back();
  if (name != domain) {
    return bad(fmt::format("the answer is about '{}'", base::escape_control(name)));
  }
  DomainAnswer answer;
  for (const char* problem : kDomainProblems) answer.problems[problem] = false;
  if (const json::array* events = array_of(root, "events")) {
    for (const json::value& event : *events) {
      if (member_text(event, "eventAction") != "expiration") continue;
      auto when = base::parse_rfc3339(member_text(event, "eventDate"));
      if (!when) return bad("the date of expiration is no date");
      answer.expires = *when;
    }
  }
  if (const json::array* states = array_of(root, "status")) {
    for (const json::value& state : *states) {
      const std::string word = plain(text_of(state));
      if (word == "clienthold" || word == "serverhold") answer.problems["hold"] = true;
      if (word == "redemptionperiod") answer.problems["redemption"] = true;
      if (word == "pendingdelete") answer.problems["pending_delete"] = true;
    }
  }
  return answer;
}

}  // namespace tocsin::agent
