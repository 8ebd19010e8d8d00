#include "cli/check_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "cli/table.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

using lint::CheckInfo;
using lint::Finding;
using lint::Level;

namespace json = boost::json;

constexpr std::size_t kExcerptWidthMax = 160;

std::string_view line_of(std::string_view text, std::size_t line) {
  for (std::size_t i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::string blank_controls(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? ' ' : c;  // tabs too: one column each, as counted
  }
  return printable(out);
}

/// The line with ^~~~ under the part that is meant; a window of it if the line is very long.
std::string excerpt(const Finding& finding, std::string_view source, const Terminal& terminal) {
  const std::string_view line = line_of(source, finding.line);
  if (finding.line == 0 || line.empty()) return "";
  const std::size_t column = std::min(std::max<std::size_t>(finding.column, 1), line.size() + 1);
  const std::size_t begin = column > kExcerptWidthMax ? column - kExcerptWidthMax / 2 : 0;
  const std::string_view shown = line.substr(std::min(begin, line.size()), kExcerptWidthMax);
  const std::size_t at = column - 1 - std::min(begin, column - 1);
  const std::size_t width =
      std::max<std::size_t>(1, std::min(finding.width, shown.size() - std::min(at, shown.size())));
  // Columns count bytes, the terminal shows characters: the part before says how many.
  const std::size_t indent =
      display_width(blank_controls(shown.substr(0, std::min(at, shown.size()))));
  const std::size_t marks = std::max<std::size_t>(
      1, display_width(blank_controls(shown.substr(std::min(at, shown.size()), width))));
  return "    " + blank_controls(shown) + "\n    " + std::string(indent, ' ') +
         colored("^" + std::string(marks - 1, '~'), Color::Green, terminal) + "\n";
}

Color level_color(Level level) {
  return level == Level::Error ? Color::Red : level == Level::Warning ? Color::Yellow : Color::Blue;
}

const char* sarif_level(Level level) {
  return level == Level::Error ? "error" : level == Level::Warning ? "warning" : "note";
}

/// A path as a URI reference: what is no letter of one is escaped.
std::string uri_of(std::string_view path) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  std::string out = path.starts_with('/') ? "file://" : "";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

std::string full_message(const Finding& finding) {
  return finding.hint.empty() ? finding.message : finding.message + ". " + finding.hint;
}

/// Bytes counted as characters, which is what SARIF's columns are.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

json::object sarif_region(const Finding& finding, std::string_view source) {
  const std::string_view line = line_of(source, finding.line);
  const std::size_t column = std::max<std::size_t>(finding.column, 1);
  const std::size_t before = std::min(column - 1, line.size());
  const std::size_t begin = characters(line.substr(0, before)) + 1;
  const std::size_t width = characters(line.substr(before, finding.width));
  return {{"startLine", finding.line},
          {"startColumn", begin},
          {"endColumn", begin + std::max<std::size_t>(width, 1)}};
}

json::object sarif_result(const Finding& finding, std::size_t rule_index, std::string_view source) {
  json::object physical{{"artifactLocation", {{"uri", uri_of(finding.file)}}}};
  if (finding.line > 0) physical["region"] = sarif_region(finding, source);
  json::object result{{"ruleId", finding.id},
                      {"ruleIndex", rule_index},
                      {"level", sarif_level(finding.level)},
                      {"message", {{"text", full_message(finding)}}}};
  if (!finding.file.empty()) {
    json::object location{{"physicalLocation", std::move(physical)}};
    if (!finding.rule.empty()) {
      location["logicalLocations"] = json::array{
          {{"name", finding.rule}, {"fullyQualifiedName", finding.group + "/" + finding.rule}}};
    }
    result["locations"] = json::array{std::move(location)};
  }
  return result;
}

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Other control characters have no form in XML 1.0.
        out += byte < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return out;
}

std::string place_text(const Finding& finding) {
  if (finding.line == 0) return finding.file;
  return fmt::format("{}:{}:{}", finding.file, finding.line,
                     std::max<std::size_t>(finding.column, 1));
}

}  // namespace

std::string report_text(const LintResult& result, bool color) {
  const Terminal terminal{0, color};
  std::map<std::string_view, std::string_view> sources;
  for (const config::Source& source : result.sources) sources[source.file] = source.text;
  std::string out;
  for (const Finding& finding : result.findings) {
    const std::string place = place_text(finding);
    if (!place.empty()) out += printable(place) + ": ";
    out += colored(to_string(finding.level), level_color(finding.level), terminal) + ": " +
           printable(finding.message) + " " +
           colored("[" + finding.id + "]", Color::Dim, terminal) + "\n";
    if (const auto source = sources.find(finding.file); source != sources.end()) {
      out += excerpt(finding, source->second, terminal);
    }
    if (!finding.hint.empty()) out += "    hint: " + printable(finding.hint) + "\n";
  }
  return out;
}

std::string summary_text(const LintResult& result) {
  std::string text = fmt::format(
      "checked {} files with {} groups and {} rules: {} errors, {} warnings", result.files,
      result.groups, result.rules.size(), result.count(Level::Error), result.count(Level::Warning));
  if (const std::size_t infos = result.count(Level::Info)) text += fmt::format(", {} infos", infos);
  if (result.suppressed > 0) text += fmt::format(", {} allowed", result.suppressed);
  return text + "\n";
}

std::string report_json(const LintResult& result) {
  json::array array;
  for (const Finding& finding : result.findings) {
    array.push_back({{"id", finding.id},
                     {"severity", std::string(to_string(finding.level))},
                     {"file", finding.file},
                     {"line", finding.line},
                     {"column", finding.column},
                     {"end_column", finding.column + finding.width},
                     {"message", finding.message},
                     {"hint", finding.hint},
                     {"group", finding.group},
                     {"rule", finding.rule}});
  }
  return json::serialize(array);
}

std::string report_sarif(const LintResult& result) {
  json::array rules;
  std::map<std::string_view, std::size_t> index;
  for (const CheckInfo& check : lint::checks()) {
    index[check.id] = rules.size();
    rules.push_back(
        {{"id", std::string(check.id)},
         {"shortDescription", {{"text", std::string(check.what)}}},
         {"help", {{"text", "See docs/checking-rules.md, check " + std::string(check.id)}}},
         {"defaultConfiguration", {{"level", sarif_level(check.level)}}}});
  }
  json::array results;
  std::map<std::string_view, std::string_view> sources;
  for (const config::Source& source : result.sources) sources[source.file] = source.text;
  for (const Finding& finding : result.findings) {
    results.push_back(sarif_result(finding, index[finding.id], sources[finding.file]));
  }
  const json::object driver{
      {"name", "tocsin check"}, {"version", TOCSIN_VERSION}, {"rules", std::move(rules)}};
  const json::object run{{"tool", {{"driver", driver}}},
                         {"columnKind", "unicodeCodePoints"},
                         {"results", std::move(results)}};
  const json::object root{
      {"$schema",
       "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs", json::array{run}}};
  return json::serialize(root);
}

std::string report_junit(const LintResult& result, bool strict) {
  const auto fails = [&](const Finding& finding) {
    return finding.level == Level::Error || (strict && finding.level == Level::Warning);
  };
  using Key = std::pair<std::string, std::string>;  // group, rule; both empty: the file
  std::map<std::string, std::map<Key, std::vector<const Finding*>>> files;
  for (const config::Source& source : result.sources) files[source.file][{}];
  for (const auto& rule : result.rules) files[rule.file][{rule.group, rule.name}];
  for (const Finding& finding : result.findings) {
    files[finding.file][{finding.group, finding.rule}].push_back(&finding);
  }
  std::string suites;
  std::size_t all_cases = 0;
  std::size_t all_failures = 0;
  for (const auto& [file, cases] : files) {
    std::string body;
    std::size_t failures = 0;
    for (const auto& [key, findings] : cases) {
      const std::string name = key.second.empty() ? "file" : key.second;
      body += fmt::format("    <testcase classname=\"{}\" name=\"{}\"",
                          xml(key.first.empty() ? file : key.first), xml(name));
      std::string inside;
      std::string remarks;
      bool failed = false;
      for (const Finding* finding : findings) {
        const std::string text =
            fmt::format("{}: {}: {} [{}]\n{}\n", place_text(*finding), to_string(finding->level),
                        finding->message, finding->id, finding->hint);
        if (fails(*finding)) {
          failed = true;
          inside += fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n",
                                xml(finding->id), xml(finding->message), xml(text));
        } else {
          remarks += text;
        }
      }
      if (!remarks.empty()) {
        inside += fmt::format("      <system-out>{}</system-out>\n", xml(remarks));
      }
      failures += failed ? 1 : 0;
      body += inside.empty() ? "/>\n" : ">\n" + inside + "    </testcase>\n";
    }
    suites +=
        fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">\n{}  </testsuite>\n",
                    xml(file), cases.size(), failures, body);
    all_cases += cases.size();
    all_failures += failures;
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tocsin check\" tests=\"{}\" "
      "failures=\"{}\">\n{}</testsuites>\n",
      all_cases, all_failures, suites);
}

std::string check_list() {
  std::string out;
  for (const CheckInfo& check : lint::checks()) {
    out += fmt::format("{:<30} {:<8} {}\n", check.id, to_string(check.level), check.what);
  }
  return out;
}

}  // namespace tocsin::cli
