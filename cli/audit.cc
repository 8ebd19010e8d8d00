// tocsin audit list, verify and export: the daemon's audit trail, and a copy of it elsewhere.
//
// A copy is one line of JSON for each line of the trail, oldest first, from number 1 on. Each holds
// its hash, which is over the hash before it and all its fields (incident::audit_hash), so that a
// copy can be checked without the daemon. Export appends what is new, and only if the daemon's
// trail still goes on from the copy's last line: one that was written anew, however well, does not.
#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>

#include "alertd/incident/state_change.h"
#include "cli/commands.h"
#include "cli/json_view.h"
#include "cli/when.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;
using base::ErrorCode;
using incident::AuditChain;
using incident::StoredAudit;

constexpr std::size_t kCopyBytesMax = 1U << 30U;
constexpr std::size_t kPageRows = 2000;
constexpr mode_t kCopyMode = 0600;

int failed(Context& context, const base::Error& error) {
  context.err << "tocsin: " << printable(error.message) << '\n';
  return error.code == ErrorCode::NotFound ? kUnreachable : kNegative;
}

std::optional<StoredAudit> row_of(const json::value& line) {
  const json::object* const object = line.if_object();
  if (object == nullptr) return std::nullopt;
  const auto number = [&](const char* key) -> std::optional<std::int64_t> {
    const json::value* const value = object->if_contains(key);
    if (value == nullptr || !value->is_int64()) return std::nullopt;
    return value->get_int64();
  };
  const auto n = number("n");
  const auto at = number("atMs");
  if (!n || !at) return std::nullopt;
  return StoredAudit{*n,
                     {base::wall_time(*at), text_of(line, "actor"), text_of(line, "source"),
                      text_of(line, "action"), text_of(line, "object"), text_of(line, "text")},
                     text_of(line, "hash")};
}

/// A copy that was read and checked.
struct Copy {
  AuditChain chain;
  std::int64_t lines = 0;
  std::string hash;  ///< Of the last line.
};

base::Error broken(const std::string& path, std::int64_t line, std::string_view what) {
  return base::error(ErrorCode::Corruption, fmt::format("{}:{}: {}", path, line, what));
}

base::Result<Copy> read_copy(const std::string& path, const base::FileSystem& files) {
  TC_TRY(const std::string whole, files.read(path, kCopyBytesMax));
  Copy copy;
  std::string_view text = whole;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return broken(path, copy.lines + 1, "the line has no end");
    boost::system::error_code bad;
    const json::value line = json::parse(json::string_view(text.data(), end), bad);
    text.remove_prefix(end + 1);
    const auto row = bad ? std::nullopt : row_of(line);
    if (!row) return broken(path, copy.lines + 1, "this is no line of an audit trail");
    if (!copy.chain.add(*row)) {
      return broken(path, copy.lines + 1, AuditChain(copy.chain).finish(0).text);
    }
    ++copy.lines;
    copy.hash = row->hash;
  }
  return copy;
}

ApiRequest page(std::size_t limit, std::optional<std::int64_t> below) {
  ApiRequest request{"GET", "/api/v1/audit", {{"limit", std::to_string(limit)}}, ""};
  if (below) request.query.emplace_back("below", std::to_string(*below));
  return request;
}

/// Newest first. `exit_code` is set, and the error printed, if there are none to be had.
std::optional<std::vector<json::value>> fetch(const ApiRequest& request, Context& context,
                                              int& exit_code) {
  const ApiAnswer answer = context.api.call(request);
  exit_code = answer.exit_code;
  if (answer.exit_code != kOk) {
    context.err << "tocsin: " << printable(answer.error) << '\n';
    return std::nullopt;
  }
  const json::value data = parse_json(answer.data);
  std::vector<json::value> lines;
  for (const json::value& line : array_of(data, "lines")) lines.push_back(line);
  return lines;
}

/// The daemon's trail has the copy's last line as the copy has it.
bool goes_on(const Copy& copy, Context& context, int& exit_code) {
  if (copy.lines == 0) return true;
  const auto last = fetch(page(1, copy.lines + 1), context, exit_code);
  if (!last) return false;
  const auto row = last->empty() ? std::nullopt : row_of(last->front());
  if (row && row->number == copy.lines && row->hash == copy.hash) return true;
  context.err << fmt::format(
      "tocsin: the daemon's audit trail does not go on from line {} of the copy: it was shortened "
      "or written anew\n",
      copy.lines);
  exit_code = kNegative;
  return false;
}

int export_trail(const AuditOptions& options, Context& context, base::FileSystem& files) {
  Copy copy;
  if (files.exists(options.file)) {
    auto read = read_copy(options.file, files);
    if (!read) return failed(context, read.error());
    copy = std::move(*read);
  }
  int exit_code = kOk;
  if (!goes_on(copy, context, exit_code)) return exit_code;
  std::vector<json::value> fresh;  // newest first
  std::optional<std::int64_t> below;
  for (bool more = true; more;) {
    const auto lines = fetch(page(kPageRows, below), context, exit_code);
    if (!lines) return exit_code;
    more = lines->size() == kPageRows;
    for (const json::value& line : *lines) {
      const auto row = row_of(line);
      if (!row) return failed(context, base::error(ErrorCode::Corruption, "not an audit trail"));
      below = row->number;
      if (row->number > copy.lines) fresh.push_back(line);
    }
    more = more && below && *below > copy.lines + 1;
  }
  std::string text;
  for (auto line = fresh.rbegin(); line != fresh.rend(); ++line) {
    const auto row = row_of(*line);
    if (!row || !copy.chain.add(*row)) {
      const std::string what = AuditChain(copy.chain).finish(0).text;
      return failed(context,
                    base::error(ErrorCode::Corruption, "the daemon's audit trail: " + what));
    }
    text += json::serialize(*line) + '\n';
  }
  if (!text.empty()) {
    const auto file = files.open_append(options.file, kCopyMode);
    if (!file) return failed(context, file.error());
    if (const auto done = (*file)->append(text); !done) return failed(context, done.error());
    if (const auto done = (*file)->sync(); !done) return failed(context, done.error());
  }
  context.out << fmt::format("{} lines, {} of them new\n",
                             copy.lines + static_cast<std::int64_t>(fresh.size()), fresh.size());
  return kOk;
}

int verify(const AuditOptions& options, Context& context, const base::FileSystem& files) {
  if (!options.file.empty()) {
    const auto copy = read_copy(options.file, files);
    if (!copy) return failed(context, copy.error());
    context.out << fmt::format("the copy is whole: {} lines, the last one's hash is {}\n",
                               copy->lines, copy->hash);
    return kOk;
  }
  ApiAnswer answer;
  const bool to_print = ask(context, {"GET", "/api/v1/audit/verify", {}, ""}, answer);
  if (answer.exit_code != kOk) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  const bool intact = flag_of(data, "intact");
  if (to_print && intact) {
    context.out << fmt::format("the audit trail is whole: {:.0f} lines\n",
                               number_of(data, "lines"));
  } else if (to_print) {
    context.out << "the audit trail is broken: " << printable(text_of(data, "text")) << '\n';
  }
  return intact ? kOk : kNegative;
}

int list(const AuditOptions& options, Context& context) {
  ApiRequest request = page(options.limit, std::nullopt);
  for (const auto& [name, text] :
       {std::pair{"from", &options.from}, std::pair{"to", &options.to}}) {
    if (text->empty()) continue;
    const auto at = parse_when(*text, context.clock.wall());
    if (!at) {
      context.err << "tocsin: " << printable(at.error().message) << '\n';
      return kUsage;
    }
    request.query.emplace_back(name, base::format_rfc3339(*at));
  }
  if (!options.actor.empty()) request.query.emplace_back("actor", options.actor);
  if (!options.object.empty()) request.query.emplace_back("object", options.object);
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;
  Table table({"LINE", "TIME", "WHO", "BY", "ACTION", "OBJECT", "TEXT"});
  const json::value data = parse_json(answer.data);
  for (const json::value& line : array_of(data, "lines")) {
    table.add({{fmt::format("{:.0f}", number_of(line, "n"))},
               {text_of(line, "at")},
               {text_of(line, "actor")},
               {text_of(line, "source")},
               {text_of(line, "action")},
               {text_of(line, "object")},
               {text_of(line, "text")}});
  }
  context.out << table.text(context.terminal);
  return answer.exit_code;
}

}  // namespace

int run_audit(const AuditOptions& options, Context& context, base::FileSystem& files) {
  if (options.action == AuditOptions::Action::Export) return export_trail(options, context, files);
  if (options.action == AuditOptions::Action::Verify) return verify(options, context, files);
  return list(options, context);
}

}  // namespace tocsin::cli
