// Go's text/template language, as Prometheus and Alertmanager users write it in labels, annotations
// and notifications.
//
// Compatible in meaning with text/template: actions, pipelines, variables, if/else if/else, range (with
// else, break, continue), with, define/template/block, comments, {{- trimming -}}, and the built-in
// functions. No I/O, no recursion without a limit, bounded steps and output: a template cannot hang or
// fill the daemon.
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

namespace tocsin::gotemplate {

class Value;
using List = std::vector<Value>;
using Map = std::map<std::string, Value>;
/// A method-like field: {{ .Alerts.Firing }} calls it without arguments.
using Function = std::function<base::Result<Value>(const std::vector<Value>& arguments)>;

/// What a template works on. Cheap to copy: lists and maps are shared.
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
  Value(List list) : data_(std::make_shared<const List>(std::move(list))) {}
  Value(Map map) : data_(std::make_shared<const Map>(std::move(map))) {}
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
  /// As fmt.Print would write it; doubles as %v.
  std::string to_text() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string,
               std::shared_ptr<const List>, std::shared_ptr<const Map>,
               std::shared_ptr<const Function>>
      data_;
};

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

/// The functions that need nothing from outside, as Prometheus and Alertmanager define them: first label
/// value strvalue args reReplaceAll match title toUpper toLower humanize humanize1024 humanizeDuration
/// humanizePercentage humanizeTimestamp toTime toDuration stripPort stripDomain join trimSpace
/// stringSlice safeHtml safeUrl urlQueryEscape parseDuration sortByLabel toJson list append dict
/// since/now when a clock is given by the caller, ... `predefined variables` are the caller's.
Functions standard_functions();

}  // namespace tocsin::gotemplate
