#include "agent/discover/proposals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "agent/discover/service_proposals.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

void add_comment(std::string& out, std::string_view text) {
  base::for_each_line(text, [&](std::string_view line) {
    out.append(line.empty() ? "#" : "# ").append(line).append("\n");
  });
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

std::vector<Proposal> propose(const HostLook& look, const Trials& trials) {
  std::vector<Proposal> all;
  propose_host(look, trials, all);
  propose_databases(look, trials, all);
  propose_web(look, trials, all);
  propose_brokers_and_mail(look, trials, all);
  propose_processes(look, trials, all);
  propose_files(look, trials, all);
  return all;
}

std::string render_proposals(const std::vector<Proposal>& proposals, const std::string& heading,
                             const std::function<bool(const std::string&)>& accepts) {
  std::string out;
  std::string live;  // without comments: what is asked about
  add_comment(out, heading);
  for (const Proposal& proposal : proposals) {
    out.push_back('\n');
    for (const std::string& note : proposal.notes) add_comment(out, note);
    if (proposal.toml.empty()) continue;
    if (!proposal.ready) {
      add_comment(out, proposal.toml);
    } else if (!accepts(live + proposal.toml)) {
      add_comment(out, "This agent does not take it as it stands:");
      add_comment(out, proposal.toml);
    } else {
      live += proposal.toml;
      out += proposal.toml;
    }
  }
  return out;
}

}  // namespace tocsin::agent
