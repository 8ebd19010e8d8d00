// JSON written straight into a text, for bodies that are written by the ten thousand: no tree of
// values is built first.
//
//   std::string text;
//   JsonText json(text);
//   json.begin_object().field("at", 12).key("labels").begin_object().end_object().end_object();
//
// Strings are escaped as Boost.JSON does it, so that either gives the same bytes.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace tocsin::base {

/// Appends to a text that outlives it. The caller keeps the order of begin and end, of key and
/// value; nothing is checked. Thread: the owner's.
class JsonText {
 public:
  explicit JsonText(std::string& out) : out_(out) {}

  JsonText& begin_object() { return begin('{'); }
  JsonText& end_object() { return end('}'); }
  JsonText& begin_array() { return begin('['); }
  JsonText& end_array() { return end(']'); }
  JsonText& key(std::string_view name);

  JsonText& value(std::string_view text);
  JsonText& value(const std::string& text) { return value(std::string_view(text)); }
  JsonText& value(const char* text) { return value(std::string_view(text)); }
  template <std::same_as<bool> Bool>
  JsonText& value(Bool yes) {
    return raw(yes ? "true" : "false");
  }
  template <std::integral Number>
  requires(!std::same_as<Number, bool>) JsonText& value(Number number) {
    return raw(std::to_string(number));
  }
  /// `json` is a value, already in JSON.
  JsonText& raw(std::string_view json);

  template <class Value>
  JsonText& field(std::string_view name, const Value& its) {
    return key(name).value(its);
  }
  /// Left out if it is empty.
  JsonText& text_field(std::string_view name, std::string_view text) {
    return text.empty() ? *this : field(name, text);
  }

 private:
  void separate() {
    if (comma_) out_ += ',';
    comma_ = true;
  }
  JsonText& begin(char bracket);
  JsonText& end(char bracket);
  void quote(std::string_view text);

  std::string& out_;
  bool comma_ = false;  ///< A value stands before what comes next.
};

}  // namespace tocsin::base
