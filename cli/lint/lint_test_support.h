// Rules in memory through a whole run. Tests only.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/lint/lint.h"
#include "common/base/strings.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::lint::test {

/// What an inventory says about a few metrics.
inline const char* kInventory = R"({"format": "tocsin-inventory-1", "metrics": {
  "node_load1": {"type": "gauge", "labels": {
    "host": {"values": ["a", "b"], "complete": true, "always": true},
    "instance": {"values": ["a", "b"], "complete": true, "always": true}}},
  "node_cpu_seconds_total": {"type": "counter", "labels": {
    "cpu": {"values": ["0"], "complete": false, "always": true},
    "mode": {"values": ["idle", "user"], "complete": true, "always": true},
    "instance": {"values": ["a", "b"], "complete": true, "always": true}}},
  "http_seconds_bucket": {"type": "counter", "labels": {
    "le": {"values": ["1", "+Inf"], "complete": true, "always": true},
    "path": {"values": ["/"], "complete": false, "always": false}}},
  "app_info": {"type": "gauge", "labels": {
    "version": {"values": ["1"], "complete": true, "always": true}}}
}})";

struct Outcome {
  LintResult result;

  std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    for (const Finding& finding : result.findings) ids.push_back(finding.id);
    return ids;
  }
  const Finding* find(std::string_view id) const {
    for (const Finding& finding : result.findings) {
      if (finding.id == id) return &finding;
    }
    return nullptr;
  }
  bool has(std::string_view id) const { return find(id) != nullptr; }
  std::string text() const {
    std::string text;
    for (const Finding& f : result.findings) {
      text += f.file + ":" + std::to_string(f.line) + ":" + std::to_string(f.column) + ": " +
              std::string(to_string(f.level)) + ": " + f.message + " [" + f.id + "] " + f.hint +
              "\n";
    }
    return text;
  }
};

/// Runs the check over files of a simulated disk.
struct World {
  sim::SimFileSystem files;

  World() { REQUIRE(files.create_folders("/r")); }
  void write(const std::string& path, const std::string& text) {
    REQUIRE(files.write_atomic(path, text, 0644));
  }
  Outcome check(const std::vector<std::string>& paths, LintOptions options = {},
                const char* inventory_text = nullptr) {
    Inventory inventory;
    if (inventory_text != nullptr) {
      auto read = read_inventory(inventory_text, "test");
      REQUIRE(read);
      inventory = std::move(*read);
      options.inventory = &inventory;
    }
    Run run;
    run.load(paths, files);
    run.check(options, files);
    return {run.result()};
  }
};

/// One YAML alert with everything that other checks want; `extra` goes below the rule.
inline std::string yaml_alert(const std::string& expr, const std::string& summary = "text",
                              const std::string& extra = "") {
  std::string block = "      " + expr;
  for (std::size_t at = 0; (at = block.find('\n', at)) != std::string::npos; at += 7) {
    block.insert(at + 1, "      ");
  }
  return "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n" + block +
         "\n    labels: {severity: high}\n    annotations:\n      summary: '" + summary +
         "'\n      runbook_url: https://example.org/a\n" + extra;
}

/// Checks one alert with that expression, with or without the inventory.
inline Outcome check_expr(const std::string& expr, bool inventory = false,
                          const std::string& summary = "text") {
  World world;
  world.write("/r/a.yml", yaml_alert(expr, summary));
  return world.check({"/r/a.yml"}, {}, inventory ? kInventory : nullptr);
}

}  // namespace tocsin::lint::test
