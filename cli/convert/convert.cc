#include "cli/convert/convert.h"

#include "cli/convert/alertmanager.h"
#include "cli/convert/prometheus_config.h"
#include "cli/convert/prometheus_rules.h"
#include "common/config/yaml.h"

namespace tocsin::cli::convert {

Converted convert_prometheus(const config::Source& source, const ConvertOptions& options) {
  base::Diagnostics diagnostics;
  const config::Node root = config::parse_yaml(source, diagnostics);
  if (!diagnostics.empty()) return Converted{{}, std::move(diagnostics), 0, 0};
  return is_prometheus_config(root) ? convert_prometheus_config(source, root, options)
                                    : convert_rules(source, root, options);
}

Converted convert_alertmanager(const config::Source& source, const ConvertOptions& options) {
  base::Diagnostics diagnostics;
  const config::Node root = config::parse_yaml(source, diagnostics);
  if (!diagnostics.empty()) return Converted{{}, std::move(diagnostics), 0, 0};
  return convert_alertmanager_file(source, root, options);
}

}  // namespace tocsin::cli::convert
