#include "agent/collectors/findings/json_elements.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>

namespace tocsin::agent {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kElementBytesMax = std::size_t{1} << 20U;
constexpr std::size_t kDepthMax = 64;

struct Wanted {
  std::vector<std::string> path;  // "runs", "[]", "results", "[]"
  JsonElements::Take take;
};

// "runs[].results[]" -> "runs", "[]", "results", "[]"
std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  std::string part;
  const auto flush = [&] {
    if (!part.empty()) parts.push_back(part);
    part.clear();
  };
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (path[at] == '.') {
      flush();
    } else if (path.substr(at, 2) == "[]") {
      flush();
      parts.emplace_back("[]");
      ++at;
    } else {
      part += path[at];
    }
  }
  flush();
  return parts;
}

/// Follows the parser through the document; inside of a wanted value it builds it.
class Handler {
 public:
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = 65'536;
  using Code = boost::system::error_code;

  std::vector<Wanted> wanted;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return begin_value(false); }
  bool on_object_end(std::size_t size, Code&) {
    if (building_) stack_.push_object(size);
    return end_container();
  }
  bool on_array_begin(Code&) { return begin_value(true); }
  bool on_array_end(std::size_t size, Code&) {
    if (building_) stack_.push_array(size);
    return end_container();
  }
  bool on_key_part(json::string_view part, std::size_t, Code&) {
    if (building_) stack_.push_chars(part);
    key_.append(part);
    return grow(part.size());
  }
  bool on_key(json::string_view part, std::size_t, Code&) {
    if (building_) {
      stack_.push_key(part);
    } else {
      key_.append(part);
      path_.back() = std::exchange(key_, {});
    }
    key_.clear();
    return grow(part.size());
  }
  bool on_string_part(json::string_view part, std::size_t, Code&) {
    if (!string_begun_) begin_scalar();
    string_begun_ = true;
    if (building_) stack_.push_chars(part);
    return grow(part.size());
  }
  bool on_string(json::string_view part, std::size_t, Code&) {
    if (!string_begun_) begin_scalar();
    string_begun_ = false;
    if (building_) stack_.push_string(part);
    return grow(part.size()) && end_value();
  }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, Code&) {
    return scalar([&] { stack_.push_int64(number); });
  }
  bool on_uint64(std::uint64_t number, json::string_view, Code&) {
    return scalar([&] { stack_.push_uint64(number); });
  }
  bool on_double(double number, json::string_view, Code&) {
    return scalar([&] { stack_.push_double(number); });
  }
  bool on_bool(bool value, Code&) {
    return scalar([&] { stack_.push_bool(value); });
  }
  bool on_null(Code&) {
    return scalar([&] { stack_.push_null(); });
  }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }

  bool too_large() const { return too_large_; }

 private:
  const Wanted* match() const {
    for (const Wanted& one : wanted) {
      if (one.path.size() != path_.size()) continue;
      bool same = true;
      for (std::size_t i = 0; same && i < path_.size(); ++i) {
        same = one.path[i] == path_[i] || (one.path[i] == "*" && path_[i] != "[]");
      }
      if (same) return &one;
    }
    return nullptr;
  }

  // A value begins at path_, whose last part is its key or "[]".
  void begin_scalar() {
    if (building_) return;
    building_ = match();
    if (!building_) return;
    bytes_ = 0;
    depth_ = 0;
    stack_.reset();
  }
  bool begin_value(bool array) {
    begin_scalar();
    ++depth_;
    if (!building_) path_.emplace_back(array ? "[]" : "");
    return true;
  }
  bool end_container() {
    if (building_) {
      --depth_;
      return end_value();
    }
    path_.pop_back();
    return true;
  }
  bool end_value() {
    if (!building_ || depth_ != 0) return true;
    const json::value value = stack_.release();
    const Wanted* wanted_here = std::exchange(building_, nullptr);
    std::string_view key;
    if (!path_.empty() && path_.back() != "[]") key = path_.back();
    wanted_here->take(key, value);
    return true;
  }
  template <class Push>
  bool scalar(Push push) {
    begin_scalar();
    if (building_) push();
    return grow(8) && end_value();
  }
  bool grow(std::size_t bytes) {
    if (building_) bytes_ += bytes + 16;
    too_large_ = too_large_ || bytes_ > kElementBytesMax;
    return true;
  }

  std::vector<std::string> path_;
  std::string key_;
  json::value_stack stack_;
  const Wanted* building_ = nullptr;
  std::size_t depth_ = 0;  // Within the value that is built.
  std::size_t bytes_ = 0;
  bool string_begun_ = false;
  bool too_large_ = false;
};

json::parse_options options() {
  json::parse_options options;
  options.max_depth = kDepthMax;
  return options;
}

}  // namespace

class JsonElements::Impl {
 public:
  json::basic_parser<Handler> parser{options()};
};

JsonElements::JsonElements() : impl_(std::make_unique<Impl>()) {}
JsonElements::~JsonElements() = default;

void JsonElements::want(std::string path, Take take) {
  impl_->parser.handler().wanted.push_back({parts_of(path), std::move(take)});
}

Result<void> JsonElements::read(std::string_view piece) {
  boost::system::error_code failure;
  const std::size_t taken = impl_->parser.write_some(true, piece.data(), piece.size(), failure);
  if (impl_->parser.handler().too_large()) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("one entry is larger than {} bytes", kElementBytesMax));
  }
  if (failure) {
    return base::error(ErrorCode::InvalidArgument, "no valid JSON: " + failure.message());
  }
  if (piece.substr(taken).find_first_not_of(" \t\r\n") != std::string_view::npos) {
    return base::error(ErrorCode::InvalidArgument, "more than one JSON document");
  }
  return base::ok();
}

Result<void> JsonElements::end() {
  boost::system::error_code failure;
  if (!impl_->parser.done()) impl_->parser.write_some(false, "", 0, failure);
  if (failure || !impl_->parser.done()) {
    return base::error(ErrorCode::Corruption, "the JSON ends in the middle");
  }
  return base::ok();
}

}  // namespace tocsin::agent
