// Reading and writing stored JSON: small typed accessors over Boost.JSON, for the .cc files of this
// folder.
//
// Writers leave out empty fields; readers take a missing field as empty and ignore unknown ones, so
// that texts of older and newer releases stay readable. A field of the wrong kind is Corruption.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/alert.h"

namespace tocsin::incident {

/// Reads the fields of one JSON object; remembers the first field that has the wrong kind.
class FieldReader {
 public:
  explicit FieldReader(const boost::json::object& object) : object_(object) {}

  std::string string(std::string_view name);
  std::int64_t integer(std::string_view name, std::int64_t default_value = 0);
  std::uint64_t unsigned_integer(std::string_view name);
  std::optional<double> number(std::string_view name);
  bool boolean(std::string_view name);
  base::WallTime time(std::string_view name);
  std::optional<base::WallTime> optional_time(std::string_view name);
  model::Labels labels(std::string_view name);
  std::map<std::string, std::string> strings(std::string_view name);
  /// Parses a string field with `parse`, which returns an optional; "" and unknown words are wrong.
  template <class Parse>
  auto word(std::string_view name, Parse parse) {
    const auto value = parse(string(name));
    if (!value) wrong(name);
    return value.value_or(typename decltype(parse(std::string_view()))::value_type{});
  }
  /// Returns nullptr if missing.
  const boost::json::object* object(std::string_view name);
  const boost::json::array* array(std::string_view name);

  void wrong(std::string_view name) {
    if (wrong_.empty()) wrong_ = name;
  }
  /// Returns Corruption that names the first wrong field.
  base::Result<void> finish(std::string_view what) const;

 private:
  const boost::json::value* find(std::string_view name) const;

  const boost::json::object& object_;
  std::string wrong_;
};

/// Parses a text that must be one object, nested at most 32 deep. Errors: Corruption.
base::Result<boost::json::object> parse_object(std::string_view text, std::string_view what);

boost::json::object labels_value(const model::Labels& labels);
boost::json::object strings_value(const std::map<std::string, std::string>& strings);
/// Numbers that JSON does not have are words: "NaN", "+Inf", "-Inf".
boost::json::value number_value(double value);
boost::json::object alert_value(const model::Alert& alert);
base::Result<model::Alert> read_alert(const boost::json::object& object);

}  // namespace tocsin::incident
