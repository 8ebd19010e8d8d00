#include "agent/collectors/host/pattern.h"

#include <re2/re2.h>

#include "common/base/check.h"

namespace tocsin::agent {

struct Pattern::State {
  explicit State(const std::string& expression) : re(expression, options()) {}

  static RE2::Options options() {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(std::int64_t{1} << 20U);
    return options;
  }

  RE2 re;
};

base::Result<Pattern> Pattern::compile(const std::string& expression) {
  auto state = std::make_unique<State>(expression);
  if (!state->re.ok()) {
    return base::error(base::ErrorCode::InvalidArgument,
                       "bad regular expression: " + state->re.error());
  }
  return Pattern(std::move(state));
}

Pattern::Pattern(const std::string& expression) : state_(std::make_unique<State>(expression)) {
  TC_CHECK(state_->re.ok(), "unchecked regular expression: " + expression);
}

Pattern::Pattern(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

bool Pattern::matches(std::string_view text) const {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), state_->re);
}

}  // namespace tocsin::agent
