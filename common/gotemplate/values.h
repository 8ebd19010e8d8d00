// Inside views of Value for the evaluator and the functions; not for other folders.
#pragma once

#include <string>
#include <string_view>

#include "common/gotemplate/template.h"

namespace tocsin::gotemplate {

inline constexpr char kMethodMark = '\x01';
inline constexpr std::size_t kTextBytesMax = 64 << 10;

/// Returns whether a key is a method, hidden from people.
inline bool is_method(const std::string& key) {
  return !key.empty() && key.front() == kMethodMark;
}

/// Returns the list, also of a list with methods; nullptr if it is none.
const List* list_of(const Value& value);
/// Returns the map if it is one that people see; nullptr for lists and opaque values with methods.
const Map* map_of(const Value& value);
/// Returns the text of an opaque value, or of a string; nullptr if it is neither.
const std::string* text_of(const Value& value);
/// Returns the number of visible keys.
std::size_t visible_size(const Map& map);

/// Go's name of the type, for messages: "string", "int", "float64", "<nil>", ...
std::string_view type_name(const Value& value);

/// Returns the number as Prometheus' functions take it: numbers, and strings that hold one.
base::Result<double> to_number(const Value& value);

/// InvalidArgument with that message.
base::Error fail(std::string message);

}  // namespace tocsin::gotemplate
