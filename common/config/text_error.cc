#include "common/config/text_error.h"

#include <fmt/core.h>

#include "common/base/strings.h"
#include "common/config/source.h"

namespace tocsin::config {

void report_in_text(Table& table, std::string_view key, std::string_view message) {
  const Node* node = table.node(key);
  const std::size_t colon = message.find(':');
  const std::size_t space = message.find(": ", colon + 1);
  if (node == nullptr || space == std::string_view::npos) {
    table.error(key, fmt::format("{}: {}", key, message));
    return;
  }
  base::Position inside;
  inside.line = base::parse_u64(message.substr(0, colon)).value_or(1);
  inside.column = base::parse_u64(message.substr(colon + 1, space - colon - 1)).value_or(1);
  Context& context = table.context();
  const base::Position at = position_in(*node, offset_of(node->text, inside), context.source);
  context.diagnostics.push_back({base::DiagnosticSeverity::Error,
                                 context.source.file,
                                 at.line,
                                 at.column,
                                 fmt::format("{}: {}", key, message.substr(space + 2)),
                                 {}});
}

}  // namespace tocsin::config
