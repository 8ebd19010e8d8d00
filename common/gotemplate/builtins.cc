// The functions of text/template itself. "and" and "or" are in the evaluator: they do not always
// evaluate their arguments.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/gotemplate/escape.h"
#include "common/gotemplate/evaluator.h"
#include "common/gotemplate/format.h"
#include "common/gotemplate/values.h"

namespace tocsin::gotemplate {
namespace {

using base::Result;
using Arguments = std::vector<Value>;

constexpr std::string_view kNames[] = {
    "and",   "or",    "not",   "eq",     "ne",      "lt",   "le", "gt",       "ge",  "len",
    "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "call"};

base::Error wrong_count(std::string_view wanted, std::size_t got) {
  return fail(fmt::format("wrong number of args: want {} got {}", wanted, got));
}

bool is_numeric(const Value& value) {
  return value.integer() != nullptr || value.number() != nullptr;
}

double as_double(const Value& value) {
  const auto* integer = value.integer();
  return integer != nullptr ? static_cast<double>(*integer) : *value.number();
}

base::Error incomparable(const Value& a, const Value& b) {
  return fail(
      fmt::format("incompatible types for comparison: {} and {}", type_name(a), type_name(b)));
}

// Integers compare with floats, which Go refuses: nobody is served by an alert text that fails.
Result<bool> equal(const Value& a, const Value& b) {
  if (a.is_nil() || b.is_nil()) return a.is_nil() && b.is_nil();
  if (a.integer() != nullptr && b.integer() != nullptr) return *a.integer() == *b.integer();
  if (is_numeric(a) && is_numeric(b)) return as_double(a) == as_double(b);
  if (a.boolean() != nullptr && b.boolean() != nullptr) return *a.boolean() == *b.boolean();
  if (text_of(a) != nullptr && text_of(b) != nullptr) return *text_of(a) == *text_of(b);
  return incomparable(a, b);
}

Result<bool> less(const Value& a, const Value& b) {
  if (a.integer() != nullptr && b.integer() != nullptr) return *a.integer() < *b.integer();
  if (is_numeric(a) && is_numeric(b)) return as_double(a) < as_double(b);
  if (a.string() != nullptr && b.string() != nullptr) return *a.string() < *b.string();
  return incomparable(a, b);
}

Result<Value> equal_any(const Arguments& arguments) {
  if (arguments.size() < 2) return wrong_count("at least 2", arguments.size());
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    TC_TRY(const bool same, equal(arguments[0], arguments[i]));
    if (same) return Value(true);
  }
  return Value(false);
}

Result<Value> compare(std::string_view name, const Arguments& arguments) {
  if (name == "eq") return equal_any(arguments);
  if (arguments.size() != 2) return wrong_count("2", arguments.size());
  const Value& a = arguments[0];
  const Value& b = arguments[1];
  if (name == "ne") {
    TC_TRY(const bool same, equal(a, b));
    return Value(!same);
  }
  TC_TRY(const bool below, less(a, b));
  if (name == "lt") return Value(below);
  if (name == "le") {
    TC_TRY(const bool same, equal(a, b));
    return Value(below || same);
  }
  TC_TRY(const bool above, less(b, a));
  if (name == "gt") return Value(above);
  TC_TRY(const bool same, equal(a, b));
  return Value(above || same);
}

Result<Value> length(const Arguments& arguments) {
  if (arguments.size() != 1) return wrong_count("1", arguments.size());
  const auto size = [](std::size_t count) { return Value(static_cast<std::int64_t>(count)); };
  if (const List* list = list_of(arguments[0])) return size(list->size());
  if (const Map* map = map_of(arguments[0])) return size(visible_size(*map));
  if (const std::string* text = arguments[0].string()) return size(text->size());
  return fail(fmt::format("len of type {}", type_name(arguments[0])));
}

Result<std::size_t> position(const Value& value, std::size_t end) {
  const auto* integer = value.integer();
  if (integer == nullptr) {
    return fail(fmt::format("cannot index slice/array with type {}", type_name(value)));
  }
  if (*integer < 0 || static_cast<std::uint64_t>(*integer) > end) {
    return fail(fmt::format("index out of range: {}", *integer));
  }
  return static_cast<std::size_t>(*integer);
}

Result<Value> index_one(const Value& from, const Value& key, MissingKey missing) {
  if (const List* list = list_of(from)) {
    TC_TRY(const std::size_t at, position(key, list->size()));
    if (at == list->size()) return fail(fmt::format("index out of range: {}", at));
    return (*list)[at];
  }
  if (const Map* map = map_of(from)) {
    const std::string* name = key.string();
    if (name == nullptr)
      return fail(fmt::format("value has type {}; should be string", type_name(key)));
    const auto found = is_method(*name) ? map->end() : map->find(*name);
    if (found != map->end()) return found->second;
    return missing == MissingKey::Zero ? Value("") : Value();
  }
  if (const std::string* text = from.string()) {
    TC_TRY(const std::size_t at, position(key, text->size()));
    if (at == text->size()) return fail(fmt::format("index out of range: {}", at));
    return Value(static_cast<std::int64_t>(static_cast<unsigned char>((*text)[at])));
  }
  if (from.is_nil()) return fail("index of untyped nil");
  return fail(fmt::format("can't index item of type {}", type_name(from)));
}

Result<Value> index(const Arguments& arguments, MissingKey missing) {
  if (arguments.empty()) return wrong_count("at least 1", 0);
  Value value = arguments[0];
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    TC_TRY(value, index_one(value, arguments[i], missing));
  }
  return value;
}

Result<Value> slice(const Arguments& arguments) {
  if (arguments.empty()) return wrong_count("at least 1", 0);
  if (arguments.size() > 3) return fail("too many slice indexes");
  const List* list = list_of(arguments[0]);
  const std::string* text = arguments[0].string();
  if (list == nullptr && text == nullptr) {
    return fail(fmt::format("can't slice item of type {}", type_name(arguments[0])));
  }
  const std::size_t size = list != nullptr ? list->size() : text->size();
  std::size_t begin = 0;
  std::size_t end = size;
  if (arguments.size() > 1) {
    TC_TRY(begin, position(arguments[1], size));
  }
  if (arguments.size() > 2) {
    TC_TRY(end, position(arguments[2], size));
  }
  if (begin > end) return fail(fmt::format("invalid slice index: {} > {}", begin, end));
  if (text != nullptr) return Value(text->substr(begin, end - begin));
  return Value(List(list->begin() + static_cast<std::ptrdiff_t>(begin),
                    list->begin() + static_cast<std::ptrdiff_t>(end)));
}

Result<Value> call(const Arguments& arguments) {
  if (arguments.empty()) return wrong_count("at least 1", 0);
  const Function* function = arguments[0].function();
  if (function == nullptr) {
    return fail(fmt::format("non-function of type {}", type_name(arguments[0])));
  }
  return (*function)(Arguments(arguments.begin() + 1, arguments.end()));
}

}  // namespace

bool is_builtin(std::string_view name) {
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

base::Result<Value> call_builtin(std::string_view name, const Arguments& arguments,
                                 MissingKey missing) {
  if (name == "not") {
    if (arguments.size() != 1) return wrong_count("1", arguments.size());
    return Value(!arguments[0].truth());
  }
  if (name == "len") return length(arguments);
  if (name == "index") return index(arguments, missing);
  if (name == "slice") return slice(arguments);
  if (name == "print") return Value(format_print(arguments));
  if (name == "println") return Value(format_println(arguments));
  if (name == "html") return Value(escape_html(format_print(arguments)));
  if (name == "js") return Value(escape_js(format_print(arguments)));
  if (name == "urlquery") return Value(escape_query(format_print(arguments)));
  if (name == "call") return call(arguments);
  if (name == "printf") {
    const std::string* format = arguments.empty() ? nullptr : arguments[0].string();
    if (format == nullptr) return fail("printf needs a format string");
    return Value(format_printf(*format, std::span(arguments).subspan(1)));
  }
  return compare(name, arguments);
}

}  // namespace tocsin::gotemplate
