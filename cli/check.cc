#include "cli/check.h"

#include <fmt/core.h>

#include <ostream>

#include "cli/api_client.h"
#include "cli/check_report.h"
#include "cli/inventory.h"
#include "cli/lint/lint.h"
#include "cli/table.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kInventoryBytesMax = 256 << 20;
constexpr std::size_t kValuesKept = 200;
constexpr int kCannotCheck = 2;

/// Fills `inventory` if one was asked for. Errors: as the file or the server says.
base::Result<bool> obtain(const CheckOptions& options, const CheckWorld& world,
                          const std::set<std::string>& wanted, lint::Inventory& inventory) {
  if (!options.inventory_file.empty()) {
    TC_TRY(const std::string text, world.files.read(options.inventory_file, kInventoryBytesMax));
    TC_TRY(inventory, lint::read_inventory(text, options.inventory_file));
    return true;
  }
  if (options.against.empty() || world.server == nullptr) return false;
  TC_TRY(inventory, fetch_inventory(*world.server, &wanted, kValuesKept, options.against));
  return true;
}

void print(const CheckOptions& options, const CheckWorld& world, const LintResult& result) {
  switch (options.format) {
    case CheckOptions::Format::Text:
      world.err << report_text(result, options.color);
      world.out << summary_text(result);
      return;
    case CheckOptions::Format::Json:
      world.out << report_json(result) << '\n';
      return;
    case CheckOptions::Format::Sarif:
      world.out << report_sarif(result) << '\n';
      return;
    case CheckOptions::Format::Junit:
      world.out << report_junit(result, options.strict);
      return;
  }
}

}  // namespace

int run_check(const CheckOptions& options, const CheckWorld& world) {
  if (options.list) {
    world.out << check_list();
    return 0;
  }
  for (const std::string& path : options.paths) {
    if (world.files.exists(path)) continue;
    world.err << fmt::format("tocsin check: '{}' does not exist\n", printable(path));
    return kCannotCheck;
  }
  lint::Run run;
  run.load(options.paths, world.files);
  lint::Inventory inventory;
  if (!options.load_only) {
    const auto known = obtain(options, world, run.selected_metrics(), inventory);
    if (!known) {
      world.err << "tocsin check: " << printable(known.error().message) << '\n';
      return kCannotCheck;
    }
    lint::LintOptions lint_options;
    lint_options.inventory = *known ? &inventory : nullptr;
    lint_options.allowed = {options.allow.begin(), options.allow.end()};
    lint_options.scrape_interval = options.scrape_interval;
    if (world.clock) lint_options.now = world.clock->wall();
    run.check(lint_options, world.files);
  }
  const LintResult result = run.result();
  print(options, world, result);
  const bool bad = result.count(lint::Level::Error) > 0 ||
                   (options.strict && result.count(lint::Level::Warning) > 0);
  return bad ? 1 : 0;
}

}  // namespace tocsin::cli
