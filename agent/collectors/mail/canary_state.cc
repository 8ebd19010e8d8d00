#include "agent/collectors/mail/canary_state.h"

#include <algorithm>
#include <boost/json.hpp>

#include "agent/collectors/kept/state_file.h"

namespace tocsin::agent {

namespace json = boost::json;

namespace {

/// Two days of one every ten minutes are 288.
constexpr std::size_t kWaitingMax = 500;
constexpr std::int64_t kNever = -1;

std::optional<base::WallTime> time_at(const json::object& saved, std::string_view name) {
  const std::int64_t ms = integer_of(saved, name, kNever);
  return ms == kNever ? std::nullopt : std::optional(base::wall_time(ms));
}

}  // namespace

CanaryState CanaryState::from_json(const json::object& saved, base::WallTime began) {
  CanaryState state(time_at(saved, "received_ms").value_or(began));
  state.attempted_ = time_at(saved, "attempted_ms");
  state.taken_ = time_at(saved, "taken_ms");
  const std::int64_t delay = integer_of(saved, "delay_ms", kNever);
  if (delay >= 0) state.delay_ = base::Duration{delay};
  const json::value* waiting = saved.if_contains("waiting");
  if (waiting == nullptr || !waiting->is_array()) return state;
  for (const json::value& each : waiting->get_array()) {
    const json::object* sent = each.if_object();
    const json::value* word = sent == nullptr ? nullptr : sent->if_contains("word");
    if (word == nullptr || !word->is_string()) continue;
    const auto at = time_at(*sent, "at_ms");
    if (at && state.waiting_.size() < kWaitingMax) {
      state.waiting_.push_back({std::string(word->get_string()), *at});
    }
  }
  return state;
}

json::object CanaryState::to_json() const {
  json::object saved{{"received_ms", base::to_ms(received_)}};
  if (attempted_) saved["attempted_ms"] = base::to_ms(*attempted_);
  if (taken_) saved["taken_ms"] = base::to_ms(*taken_);
  if (delay_) saved["delay_ms"] = static_cast<std::int64_t>(delay_->count());
  json::array waiting;
  for (const Sent& sent : waiting_) {
    waiting.push_back(json::object{{"word", sent.word}, {"at_ms", base::to_ms(sent.at)}});
  }
  saved["waiting"] = std::move(waiting);
  return saved;
}

bool CanaryState::due(base::WallTime now, base::Duration every) const {
  return !attempted_ || now - *attempted_ >= every || now < *attempted_;
}

void CanaryState::attempt(std::string word, base::WallTime now) {
  attempted_ = now;
  if (waiting_.size() >= kWaitingMax) waiting_.erase(waiting_.begin());
  waiting_.push_back({std::move(word), now});
}

void CanaryState::refused(const std::string& word) {
  std::erase_if(waiting_, [&](const Sent& sent) { return sent.word == word; });
}

void CanaryState::found(const std::string& word, base::WallTime now) {
  const auto sent = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const Sent& each) { return each.word == word; });
  if (sent == waiting_.end()) return;
  delay_ = std::max(now - sent->at, base::Duration{0});
  received_ = now;
  waiting_.erase(sent);
}

std::size_t CanaryState::expire(base::WallTime now, base::Duration after) {
  return std::erase_if(waiting_, [&](const Sent& sent) { return now - sent.at > after; });
}

std::vector<std::string> CanaryState::wanted(std::size_t max) const {
  std::vector<std::string> words;
  const std::size_t size = waiting_.size();
  for (std::size_t i = 0; i < size; ++i) {
    if (size <= max || i < max / 2 || i >= size - (max - max / 2))
      words.push_back(waiting_[i].word);
  }
  return words;
}

}  // namespace tocsin::agent
