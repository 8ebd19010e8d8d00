#include "alertd/ingest/agent_registry.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::ingest {
namespace {

namespace json = boost::json;
using base::ErrorCode;

constexpr std::size_t kFileBytesMax = 16 << 20;
constexpr std::size_t kNameBytesMax = 128;
constexpr mode_t kMode = 0600;
constexpr std::string_view kTokenPrefix = "tca_";

bool is_agent_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// `*` matches any text, also none; everything else itself. Linear in the length of both.
bool matches_pattern(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

base::Result<void> check(const Agent& agent) {
  const auto wrong = [&](std::string_view what) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("agent '{}': {}", base::escape_control(agent.name), what));
  };
  if (!is_agent_name(agent.name)) {
    return wrong("a name is 1 to 128 letters, digits, '.', '_' or '-'");
  }
  if (!is_sha256(agent.token_sha256)) return wrong("token_sha256 is not 64 hexadecimal digits");
  for (const model::LabelView label : agent.labels) {
    if (!model::is_legacy_label_name(label.name) || label.name.starts_with("__")) {
      return wrong(fmt::format("'{}' cannot be a forced label", base::escape_control(label.name)));
    }
    if (label.name == kHostLabel) return wrong("the label 'host' is the agent's name");
  }
  return base::ok();
}

std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return "";
  return std::string(value->get_string());
}

base::Result<Agent> read_agent(const json::value& value) {
  if (!value.is_object()) {
    return base::error(ErrorCode::InvalidArgument, "an entry of 'agents' is not an object");
  }
  const json::object& object = value.get_object();
  Agent agent;
  agent.name = text_of(object, "name");
  agent.token_sha256 = text_of(object, "token_sha256");
  TC_TRY(agent.created, base::parse_rfc3339(text_of(object, "created")));
  if (const json::value* labels = object.if_contains("labels"); labels && labels->is_object()) {
    model::LabelsBuilder builder;
    for (const auto& label : labels->get_object()) {
      if (label.value().is_string()) builder.set(label.key(), label.value().get_string());
    }
    agent.labels = builder.build();
  }
  if (const json::value* relay = object.if_contains("may_relay"); relay && relay->is_array()) {
    for (const json::value& pattern : relay->get_array()) {
      if (pattern.is_string()) agent.may_relay.emplace_back(pattern.get_string());
    }
  }
  TC_TRY(check(agent));
  return agent;
}

base::Result<std::vector<Agent>> parse(const std::string& text) {
  boost::system::error_code failure;
  const json::value root = json::parse(text, failure);
  if (failure) {
    return base::error(ErrorCode::InvalidArgument, fmt::format("not JSON: {}", failure.message()));
  }
  const json::value* list = root.is_object() ? root.get_object().if_contains("agents") : nullptr;
  if (list == nullptr || !list->is_array()) {
    return base::error(ErrorCode::InvalidArgument, "no list 'agents'");
  }
  std::vector<Agent> agents;
  std::set<std::string> names;
  for (const json::value& value : list->get_array()) {
    TC_TRY(Agent agent, read_agent(value));
    if (!names.insert(agent.name).second) {
      return base::error(ErrorCode::InvalidArgument,
                         fmt::format("agent '{}' is there twice", agent.name));
    }
    agents.push_back(std::move(agent));
  }
  return agents;
}

std::string serialize(std::vector<Agent> agents) {
  std::sort(agents.begin(), agents.end(),
            [](const Agent& a, const Agent& b) { return a.name < b.name; });
  json::array list;
  for (const Agent& agent : agents) {
    json::object labels;
    for (const model::LabelView label : agent.labels) {
      labels[json::string_view(label.name.data(), label.name.size())] =
          json::string_view(label.value.data(), label.value.size());
    }
    json::array relay;
    for (const std::string& pattern : agent.may_relay) relay.emplace_back(pattern);
    list.emplace_back(json::object{{"name", agent.name},
                                   {"token_sha256", agent.token_sha256},
                                   {"created", base::format_rfc3339(agent.created)},
                                   {"labels", std::move(labels)},
                                   {"may_relay", std::move(relay)}});
  }
  return json::serialize(json::object{{"version", 1}, {"agents", std::move(list)}}) + "\n";
}

}  // namespace

bool Agent::may_send_for(std::string_view host) const {
  return host == name || std::any_of(may_relay.begin(), may_relay.end(), [&](const auto& pattern) {
           return matches_pattern(pattern, host);
         });
}

base::Result<void> AgentRegistry::load_locked() {
  if (!files_.exists(path_)) {
    agents_.clear();
    modified_ns_ = 0;
    return base::ok();
  }
  TC_TRY(const mode_t mode, files_.mode(path_));
  if ((mode & 0022U) != 0) {
    return base::error(ErrorCode::PermissionDenied,
                       fmt::format("'{}' may be written by others (mode {:04o}); run: chmod 600 {}",
                                   path_, static_cast<unsigned>(mode), path_));
  }
  // The time first: a change in between is then seen by the next reload.
  TC_TRY(const std::int64_t modified_ns, files_.modified_ns(path_));
  TC_TRY(const std::string text, files_.read(path_, kFileBytesMax));
  auto parsed = parse(text);
  if (!parsed) return base::with_context(std::move(parsed).error(), path_);
  ByHash agents;
  for (Agent& agent : *parsed) {
    std::string hash = agent.token_sha256;
    agents[std::move(hash)] = std::make_shared<const Agent>(std::move(agent));
  }
  agents_ = std::move(agents);
  modified_ns_ = modified_ns;
  return base::ok();
}

base::Result<void> AgentRegistry::save_locked(ByHash agents) {
  std::vector<Agent> list;
  for (const auto& [hash, agent] : agents) list.push_back(*agent);
  TC_TRY(files_.write_atomic(path_, serialize(std::move(list)), kMode));
  agents_ = std::move(agents);
  const auto modified_ns = files_.modified_ns(path_);
  modified_ns_ = modified_ns ? *modified_ns : 0;
  return base::ok();
}

base::Result<void> AgentRegistry::load() {
  const base::MutexLock lock(mutex_);
  return load_locked();
}

base::Result<bool> AgentRegistry::reload_if_changed() {
  const base::MutexLock lock(mutex_);
  std::int64_t modified_ns = 0;
  if (files_.exists(path_)) {
    TC_TRY(modified_ns, files_.modified_ns(path_));
  }
  if (modified_ns == modified_ns_) return false;
  TC_TRY(load_locked());
  return true;
}

base::Result<base::Secret> AgentRegistry::add(const NewAgent& wanted) {
  const base::MutexLock lock(mutex_);
  // Somebody else may have changed the file: never write an old state over it.
  TC_TRY(load_locked());
  const base::Secret token(std::string(kTokenPrefix) + random_.hex(32));
  Agent agent{wanted.name, base::sha256_hex(token.reveal()), clock_.wall(), wanted.labels,
              wanted.may_relay};
  TC_TRY(check(agent));
  ByHash agents = agents_;
  for (const auto& [hash, known] : agents) {
    if (known->name != agent.name) continue;
    return base::error(
        ErrorCode::InvalidArgument,
        fmt::format("agent '{}' exists; remove it first to give it a new token", agent.name));
  }
  const std::string hash = agent.token_sha256;
  agents[hash] = std::make_shared<const Agent>(std::move(agent));
  TC_TRY(save_locked(std::move(agents)));
  return token;
}

base::Result<void> AgentRegistry::remove(std::string_view name) {
  const base::MutexLock lock(mutex_);
  TC_TRY(load_locked());
  ByHash agents = agents_;
  if (std::erase_if(agents, [&](const auto& entry) { return entry.second->name == name; }) == 0) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("no agent '{}'", base::escape_control(name)));
  }
  return save_locked(std::move(agents));
}

std::vector<Agent> AgentRegistry::list() const {
  std::vector<Agent> all;
  {
    const base::MutexLock lock(mutex_);
    for (const auto& [hash, agent] : agents_) all.push_back(*agent);
  }
  std::sort(all.begin(), all.end(), [](const Agent& a, const Agent& b) { return a.name < b.name; });
  return all;
}

std::shared_ptr<const Agent> AgentRegistry::authenticate(std::string_view token) const {
  // The look-up is by a hash that the sender cannot steer: its timing tells nothing about any
  // token.
  const std::string hash = base::sha256_hex(token);
  const base::MutexLock lock(mutex_);
  const auto at = agents_.find(hash);
  if (at == agents_.end() || !base::equals_constant_time(at->first, hash)) return nullptr;
  return at->second;
}

}  // namespace tocsin::ingest
