// Go's text/template language, as Prometheus and Alertmanager users write it in labels, annotations
// and notifications.
//
// Compatible in meaning with text/template: actions, pipelines, variables, if/else if/else, range
// (with else, break, continue), with, define/template/block, comments, {{- trimming -}}, and the
// built-in functions. No I/O, no recursion without a limit, bounded steps and output: a template
// cannot hang or fill the daemon.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::gotemplate {

class Value;
using List = std::vector<Value>;
using Map = std::map<std::string, Value>;
/// A method-like field: {{ .Alerts.Firing }} calls it without arguments.
using Function = std::function<base::Result<Value>(const std::vector<Value>& arguments)>;

/// What a template works on. Cheap to copy: lists and maps are shared.
///
/// A map may have methods: keys made by method_key(). They are found by field name before the
/// visible keys, and hidden from range, len, index and printing. with_methods() and with_text()
/// make lists, maps and opaque values (a time) that have them.
class Value {
 public:
  Value() = default;  // nil
  Value(bool value) : data_(value) {}
  Value(std::int64_t value) : data_(value) {}
  Value(int value) : data_(std::int64_t{value}) {}
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(List list);
  Value(Map map);
  Value(Function function) : data_(std::make_shared<const Function>(std::move(function))) {}

  bool is_nil() const { return std::holds_alternative<std::monostate>(data_); }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data_); }
  const double* number() const { return std::get_if<double>(&data_); }
  const std::string* string() const { return std::get_if<std::string>(&data_); }
  const List* list() const;
  const Map* map() const;
  const Function* function() const;

  /// Go's truth: not false, 0, "", nil, nor an empty list or map.
  bool truth() const;
  /// As fmt.Print would write it; doubles as %v. Lists and maps are cut at 64 KiB.
  std::string to_text() const;
  /// How deep lists and maps are nested: 0 for a scalar; saturates at 255.
  std::uint8_t depth() const { return depth_; }

 private:
  std::uint8_t depth_ = 0;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, std::shared_ptr<const List>,
               std::shared_ptr<const Map>, std::shared_ptr<const Function>>
      data_;
};

/// The key of a method in a Map.
std::string method_key(std::string_view name);
/// A list whose fields are `methods` (plain names): {{ .Alerts.Firing }}.
Value with_methods(List items, Map methods);
/// A map with fields beyond its keys: {{ .Labels.SortedPairs }}.
Value with_methods(Map entries, Map methods);
/// An opaque value that prints as `text` and is true.
Value with_text(std::string text, Map methods);
/// Names and values with the methods SortedPairs, Names, Values and Remove, as Alertmanager's KV.
Value key_values(const std::map<std::string, std::string>& pairs);
/// A time with the methods Format (Go layouts), Unix, UnixMilli, UTC, Year, Month, Day, Hour,
/// Minute, Second, Weekday and Add; prints as "2015-06-23 13:19:44.128 +0000 UTC".
Value time_value(base::WallTime time);
/// How a place writes a time: its offset from UTC then, and the zone's short name.
struct ZoneOffset {
  int seconds = 0;
  std::string name = "UTC";
};
/// The same instant, written as the place does.
Value time_value(base::WallTime time, const ZoneOffset& zone);
/// Seconds with the methods Seconds, Minutes, Hours and Milliseconds; prints as "1h2m3.5s".
Value duration_value(double seconds);

using Functions = std::map<std::string, Function>;

struct Limits {
  std::size_t steps_max = 100'000;
  std::size_t output_bytes_max = 64 << 10;
};

/// What a missing map key gives.
enum class MissingKey {
  NoValue,  ///< "<no value>", text/template's default.
  Zero,     ///< "" — as Prometheus templates behave.
};

/// A parsed template. Immutable after parse. Thread: any.
class Template {
 public:
  /// Parses `text`; functions are checked by name now, called at execute.
  /// Errors: InvalidArgument ("line:column: message").
  static base::Result<Template> parse(std::string_view text, Functions functions);

  /// Adds the {{ define }}s of another text, e.g. a shared template file.
  base::Result<void> add_definitions(std::string_view text);

  /// Runs it on `data` (the dot). `variables` are predefined ones such as $labels (name without $).
  /// Errors: InvalidArgument (a failed function or type), LimitExceeded (steps, output).
  base::Result<std::string> execute(const Value& data, const Map& variables = {},
                                    MissingKey missing = MissingKey::Zero,
                                    const Limits& limits = {}) const;

  struct Tree;

 private:
  std::shared_ptr<const Tree> tree_;
  std::shared_ptr<const Functions> functions_;
};

/// The functions that need nothing from outside, as Prometheus and Alertmanager define them:
/// first label value strvalue args sortByLabel reReplaceAll match title toUpper toLower trimSpace
/// join stringSlice humanize humanize1024 humanizeDuration humanizePercentage humanizeTimestamp
/// toTime toDuration parseDuration date stripPort stripDomain safeHtml safeUrl urlQueryEscape
/// toDate mustToDate urlUnescape graphLink tableLink toJson list append dict. The caller adds
/// query, now, since, externalURL, pathPrefix and whatever else needs its world; an entry "tmpl",
/// whatever it holds, turns on {{ tmpl "name" data }}.
Functions standard_functions();

}  // namespace tocsin::gotemplate
