#include "agent/collectors/processes/process_namer.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kCommBytes = 15;  // more the kernel does not keep
constexpr std::size_t kPartBytesMax = 64;

/// A process while it is being named: each fact is read once, when it is asked for.
class Asked {
 public:
  explicit Asked(const ProcessFacts& facts) : facts_(facts) {}

  std::string_view comm() const { return facts_.comm; }
  const std::string& user() { return once(user_, facts_.user); }
  const std::string& user_number() { return once(number_, facts_.user_number); }
  const std::string& unit() { return once(unit_, facts_.unit); }
  /// The arguments, joined by spaces.
  const std::string& line() {
    if (line_) return *line_;
    line_ = raw();
    while (!line_->empty() && line_->back() == '\0') line_->pop_back();
    std::replace(line_->begin(), line_->end(), '\0', ' ');
    return *line_;
  }
  /// The program as it was called.
  std::string_view exe() { return std::string_view(raw()).substr(0, raw().find('\0')); }
  std::string_view exe_base() {
    const std::string_view whole = exe();
    return whole.substr(whole.rfind('/') + 1);
  }

 private:
  static const std::string& once(std::optional<std::string>& kept,
                                 const std::function<std::string()>& read) {
    if (!kept) kept = read ? read() : std::string();
    return *kept;
  }
  const std::string& raw() { return once(raw_, facts_.cmdline); }

  const ProcessFacts& facts_;
  std::optional<std::string> raw_, line_, user_, number_, unit_;
};

using Captures = std::map<std::string, std::string>;

struct Group {
  ProcessGroupSettings settings;
  std::vector<std::unique_ptr<RE2>> cmdline;
};

bool any_of(const std::vector<std::string>& list, const auto& same) {
  return list.empty() || std::any_of(list.begin(), list.end(), same);
}

bool match_expression(const RE2& expression, const std::string& line, Captures& captures) {
  const auto names = expression.NamedCapturingGroups();
  std::vector<re2::StringPiece> parts(
      static_cast<std::size_t>(expression.NumberOfCapturingGroups()) + 1);
  if (!expression.Match(line, 0, line.size(), RE2::UNANCHORED, parts.data(),
                        static_cast<int>(parts.size()))) {
    return false;
  }
  for (const auto& [name, index] : names) {
    captures[name] = std::string(parts[static_cast<std::size_t>(index)]);
  }
  return true;
}

bool match(const Group& group, Asked& process, Captures& captures) {
  const ProcessGroupSettings& want = group.settings;
  if (!any_of(want.comm, [&](const std::string& name) {
        return std::string_view(name).substr(0, kCommBytes) == process.comm();
      })) {
    return false;
  }
  if (!any_of(want.user, [&](const std::string& name) {
        return name == process.user() || name == process.user_number();
      })) {
    return false;
  }
  if (!any_of(want.exe, [&](const std::string& name) {
        const bool path = name.find('/') != std::string::npos;
        return name == (path ? process.exe() : process.exe_base());
      })) {
    return false;
  }
  if (!any_of(want.unit, [&](const std::string& glob) {
        return ::fnmatch(glob.c_str(), process.unit().c_str(), 0) == 0;
      })) {
    return false;
  }
  return std::all_of(group.cmdline.begin(), group.cmdline.end(), [&](const auto& expression) {
    return match_expression(*expression, process.line(), captures);
  });
}

std::string bounded(std::string_view text) {
  if (text.size() > kPartBytesMax) {
    text = text.substr(0, kPartBytesMax);
    while (!text.empty() && !base::is_utf8(text)) text.remove_suffix(1);
  }
  return base::is_utf8(text) ? base::escape_control(text) : std::string("?");
}

/// Calls `part` with each {name} and `literal` with each text between.
void for_each_part(std::string_view name, const auto& literal, const auto& part) {
  while (!name.empty()) {
    const std::size_t open = name.find('{');
    const std::size_t close = name.find('}', open);
    literal(name.substr(0, close == std::string_view::npos ? name.size() : open));
    if (open == std::string_view::npos || close == std::string_view::npos) return;
    part(name.substr(open + 1, close - open - 1));
    name.remove_prefix(close + 1);
  }
}

std::string name_of(std::string_view name, Asked& process, const Captures& captures) {
  std::string out;
  for_each_part(
      name, [&](std::string_view text) { out += text; },
      [&](std::string_view key) {
        const auto capture = captures.find(std::string(key));
        if (capture != captures.end()) {
          out += bounded(capture->second);
        } else if (key == "comm") {
          out += bounded(process.comm());
        } else if (key == "exe") {
          out += bounded(process.exe_base());
        } else if (key == "user") {
          out += bounded(process.user());
        } else {
          out += bounded(process.unit());
        }
      });
  return out.empty() ? "unnamed" : out;
}

}  // namespace

struct ProcessNamer::State {
  std::vector<Group> groups;
  std::vector<ProcessGroupSettings> settings;
};

ProcessNamer::ProcessNamer(std::unique_ptr<State> state) : state_(std::move(state)) {}
ProcessNamer::ProcessNamer(ProcessNamer&&) noexcept = default;
ProcessNamer& ProcessNamer::operator=(ProcessNamer&&) noexcept = default;
ProcessNamer::~ProcessNamer() = default;

bool is_plain_group_name(std::string_view name) {
  return name.find('{') == std::string_view::npos;
}

base::Result<ProcessNamer> ProcessNamer::make(std::vector<ProcessGroupSettings> groups) {
  auto state = std::make_unique<State>();
  state->settings = std::move(groups);
  for (const ProcessGroupSettings& settings : state->settings) {
    Group group{settings, {}};
    std::set<std::string, std::less<>> known{"comm", "exe", "user", "unit"};
    for (const std::string& text : settings.cmdline) {
      RE2::Options options;
      options.set_log_errors(false);
      options.set_max_mem(1 << 20);
      auto expression = std::make_unique<RE2>(text, options);
      if (!expression->ok()) {
        return base::error(base::ErrorCode::InvalidArgument,
                           fmt::format("'{}': {}", base::escape_control(text),
                                       base::escape_control(expression->error())));
      }
      for (const auto& [name, index] : expression->NamedCapturingGroups()) known.insert(name);
      group.cmdline.push_back(std::move(expression));
    }
    std::string unknown;
    for_each_part(
        settings.name, [](std::string_view) {},
        [&](std::string_view key) {
          if (!known.contains(key)) unknown = key;
        });
    if (!unknown.empty()) {
      return base::error(base::ErrorCode::InvalidArgument,
                         fmt::format("nothing gives {{{}}} of the name '{}' a value", unknown,
                                     base::escape_control(settings.name)));
    }
    state->groups.push_back(std::move(group));
  }
  return ProcessNamer(std::move(state));
}

std::optional<std::string> ProcessNamer::group_of(const ProcessFacts& facts) const {
  Asked process(facts);
  for (const Group& group : state_->groups) {
    Captures captures;
    if (match(group, process, captures)) return name_of(group.settings.name, process, captures);
  }
  return std::nullopt;
}

const std::vector<ProcessGroupSettings>& ProcessNamer::groups() const {
  return state_->settings;
}

}  // namespace tocsin::agent
