// Any bytes as a configuration: read as TOML and as YAML; any place of a string may be asked for.

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/config/toml.h"
#include "common/config/yaml.h"

namespace {

void visit(const tocsin::config::Node& node, const tocsin::config::Source& source) {
  if (node.kind == tocsin::config::Kind::String && node.text.size() < 200) {
    for (std::size_t i = 0; i <= node.text.size(); i += 7) {
      tocsin::config::position_in(node, i, source);
    }
  }
  for (const auto& item : node.items) visit(item, source);
  for (const auto& field : node.fields) visit(field.value, source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const tocsin::config::Source source{"fuzz",
                                      std::string(reinterpret_cast<const char*>(data), size)};
  tocsin::base::Diagnostics diagnostics;
  visit(tocsin::config::parse_toml(source, diagnostics), source);
  visit(tocsin::config::parse_yaml(source, diagnostics), source);
  return 0;
}
