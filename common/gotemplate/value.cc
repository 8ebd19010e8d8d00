#include <fmt/core.h>

#include <algorithm>

#include "common/base/strings.h"
#include "common/gotemplate/format.h"
#include "common/gotemplate/template.h"
#include "common/gotemplate/values.h"

namespace tocsin::gotemplate {
namespace {

const std::string kItemsKey = "\x01[]";
const std::string kTextKey = "\x01\"\"";

std::uint8_t deeper(std::uint8_t depth) {
  return depth == 255 ? depth : static_cast<std::uint8_t>(depth + 1);
}

const Value* hidden(const Value& value, const std::string& key) {
  const Map* map = value.map();
  if (map == nullptr) return nullptr;
  const auto found = map->find(key);
  return found == map->end() ? nullptr : &found->second;
}

void add_methods(Map& to, Map methods) {
  for (auto& [name, value] : methods) to[method_key(name)] = std::move(value);
}

Function constant(Value value) {
  return [value](const std::vector<Value>&) -> base::Result<Value> { return value; };
}

}  // namespace

Value::Value(List list) {
  for (const Value& item : list) depth_ = std::max(depth_, item.depth());
  depth_ = deeper(depth_);
  data_ = std::make_shared<const List>(std::move(list));
}

Value::Value(Map map) {
  for (const auto& [key, item] : map) depth_ = std::max(depth_, item.depth());
  depth_ = deeper(depth_);
  data_ = std::make_shared<const Map>(std::move(map));
}

const List* Value::list() const {
  const auto* shared = std::get_if<std::shared_ptr<const List>>(&data_);
  return shared == nullptr ? nullptr : shared->get();
}

const Map* Value::map() const {
  const auto* shared = std::get_if<std::shared_ptr<const Map>>(&data_);
  return shared == nullptr ? nullptr : shared->get();
}

const Function* Value::function() const {
  const auto* shared = std::get_if<std::shared_ptr<const Function>>(&data_);
  return shared == nullptr ? nullptr : shared->get();
}

bool Value::truth() const {
  if (is_nil()) return false;
  if (const bool* value = boolean()) return *value;
  if (const auto* value = integer()) return *value != 0;
  if (const auto* value = number()) return *value != 0;
  if (const auto* value = string()) return !value->empty();
  if (const List* value = list_of(*this)) return !value->empty();
  if (const Map* value = map_of(*this)) return visible_size(*value) > 0;
  return true;
}

std::string Value::to_text() const {
  return format_value(*this);
}

std::string method_key(std::string_view name) {
  return kMethodMark + std::string(name);
}

Value with_methods(List items, Map methods) {
  Map map;
  add_methods(map, std::move(methods));
  map[kItemsKey] = Value(std::move(items));
  return Value(std::move(map));
}

Value with_methods(Map entries, Map methods) {
  add_methods(entries, std::move(methods));
  return Value(std::move(entries));
}

Value with_text(std::string text, Map methods) {
  Map map;
  add_methods(map, std::move(methods));
  map[kTextKey] = Value(std::move(text));
  return Value(std::move(map));
}

Value key_values(const std::map<std::string, std::string>& pairs) {
  Map entries;
  List names, values, sorted;
  // Alertmanager puts alertname first, then sorts.
  const auto add = [&](const std::string& name, const std::string& value) {
    names.emplace_back(name);
    values.emplace_back(value);
    sorted.emplace_back(Map{{"Name", Value(name)}, {"Value", Value(value)}});
  };
  if (const auto found = pairs.find("alertname"); found != pairs.end()) {
    add(found->first, found->second);
  }
  for (const auto& [name, value] : pairs) {
    if (name != "alertname") add(name, value);
    entries[name] = Value(value);
  }
  const Map of_pairs{{"Names", Value(constant(Value(names)))},
                     {"Values", Value(constant(Value(values)))}};
  Map methods = of_pairs;
  methods["SortedPairs"] = Value(constant(with_methods(std::move(sorted), of_pairs)));
  methods["Remove"] = Value(Function([pairs](const std::vector<Value>& arguments) {
    std::map<std::string, std::string> rest = pairs;
    for (const Value& argument : arguments) {
      if (const List* list = list_of(argument)) {
        for (const Value& name : *list) rest.erase(name.to_text());
      } else {
        rest.erase(argument.to_text());
      }
    }
    return base::Result<Value>(key_values(rest));
  }));
  return with_methods(std::move(entries), std::move(methods));
}

const List* list_of(const Value& value) {
  if (const List* list = value.list()) return list;
  const Value* items = hidden(value, kItemsKey);
  return items == nullptr ? nullptr : items->list();
}

const Map* map_of(const Value& value) {
  if (hidden(value, kItemsKey) != nullptr || hidden(value, kTextKey) != nullptr) return nullptr;
  return value.map();
}

const std::string* text_of(const Value& value) {
  if (const std::string* text = value.string()) return text;
  const Value* text = hidden(value, kTextKey);
  return text == nullptr ? nullptr : text->string();
}

std::size_t visible_size(const Map& map) {
  return static_cast<std::size_t>(std::count_if(
      map.begin(), map.end(), [](const auto& entry) { return !is_method(entry.first); }));
}

std::string_view type_name(const Value& value) {
  if (value.is_nil()) return "<nil>";
  if (value.boolean() != nullptr) return "bool";
  if (value.integer() != nullptr) return "int";
  if (value.number() != nullptr) return "float64";
  if (value.string() != nullptr) return "string";
  if (value.function() != nullptr) return "func";
  if (list_of(value) != nullptr) return "list";
  return map_of(value) != nullptr ? "map" : "object";
}

base::Result<double> to_number(const Value& value) {
  if (const auto* number = value.number()) return *number;
  if (const auto* integer = value.integer()) return static_cast<double>(*integer);
  if (const auto* text = value.string()) {
    if (const auto parsed = base::parse_double(*text)) return *parsed;
    return fail(fmt::format("'{}' is not a number", *text));
  }
  // A duration_value counts as its seconds.
  if (const Value* seconds = hidden(value, method_key("Seconds"))) {
    if (const Function* function = seconds->function()) {
      TC_TRY(const Value result, (*function)({}));
      if (const auto* number = result.number()) return *number;
    }
  }
  return fail(fmt::format("cannot use a {} as a number", type_name(value)));
}

base::Error fail(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

}  // namespace tocsin::gotemplate
