#include "agent/collectors/probe/text_pattern.h"

#include <fmt/format.h>
#include <re2/re2.h>

namespace tocsin::agent {

namespace {

constexpr std::int64_t kMemoryMax = 1 << 20;

RE2::Options options() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kMemoryMax);
  options.set_encoding(RE2::Options::EncodingLatin1);  // bodies may be anything
  return options;
}

}  // namespace

struct TextPattern::State {
  explicit State(const std::string& expression) : text(expression), re(expression, options()) {}
  std::string text;
  RE2 re;
};

base::Result<TextPattern> TextPattern::compile(const std::string& expression) {
  auto state = std::make_shared<const State>(expression);
  if (!state->re.ok()) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("'{}': {}", expression, state->re.error()));
  }
  return TextPattern(std::move(state));
}

bool TextPattern::matches(std::string_view text) const {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), state_->re);
}

std::optional<std::string> TextPattern::captured(std::string_view text) const {
  std::string group;
  if (groups() < 1 ||
      !RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), state_->re, &group)) {
    return std::nullopt;
  }
  return group;
}

int TextPattern::groups() const {
  return state_->re.NumberOfCapturingGroups();
}

const std::string& TextPattern::text() const {
  return state_->text;
}

}  // namespace tocsin::agent
