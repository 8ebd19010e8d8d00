#include "cli/audit_parser.h"

#include <CLI/CLI.hpp>

namespace tocsin::cli {

void add_audit_commands(CLI::App& app, AuditOptions& options) {
  CLI::App* audit = app.add_subcommand("audit", "who did what with alertd: a chain of hashes");
  audit->require_subcommand(1);
  CLI::App* list = audit->add_subcommand("list", "the newest lines first");
  list->add_option("--actor", options.actor, "only what this person did");
  list->add_option("--object", options.object, "only about this: T-1042, silence:4711");
  list->add_option("--from", options.from, "-24h, a date, RFC 3339 or unix seconds");
  list->add_option("--to", options.to, "the same");
  list->add_option("--limit", options.limit, "at most so many lines")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  CLI::App* verify =
      audit->add_subcommand("verify", "read the whole trail, or a copy of it, and check the chain");
  verify->add_option("copy", options.file, "a file that export wrote; default: the daemon's own");
  CLI::App* copy = audit->add_subcommand(
      "export", "append what is new to a copy, if the trail still goes on from it");
  copy->add_option("copy", options.file, "the file; made if it is not there")->required();
}

std::optional<Command> audit_command(const AuditOptions& options, const CLI::App& chosen) {
  if (chosen.get_name() != "audit") return std::nullopt;
  AuditOptions asked = options;
  const std::string& action = chosen.get_subcommands().front()->get_name();
  if (action == "verify") asked.action = AuditOptions::Action::Verify;
  if (action == "export") asked.action = AuditOptions::Action::Export;
  return asked;
}

}  // namespace tocsin::cli
