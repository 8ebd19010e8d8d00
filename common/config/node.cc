#include "common/config/node.h"

namespace tocsin::config {

std::string_view describe(Kind kind) {
  switch (kind) {
    case Kind::Null:
      return "nothing";
    case Kind::Boolean:
      return "a boolean";
    case Kind::Integer:
      return "an integer";
    case Kind::Float:
      return "a number";
    case Kind::String:
      return "a string";
    case Kind::Array:
      return "an array";
    case Kind::Table:
      return "a table";
  }
  return "a value";
}

const Node* Node::find(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

}  // namespace tocsin::config
