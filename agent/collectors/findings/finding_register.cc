#include "agent/collectors/findings/finding_register.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kBytesMax = 4 << 20;
constexpr std::size_t kFindingsMax = 20'000;

using Row = std::vector<std::string>;

/// Takes the text apart. Rows without any text are left out.
Result<std::vector<Row>> rows_of(std::string_view text, char separator) {
  std::vector<Row> rows;
  Row row;
  std::string field;
  bool quoted = false;
  const auto end_row = [&] {
    row.push_back(std::move(field));
    field.clear();
    if (row.size() > 1 || !row.front().empty()) rows.push_back(std::move(row));
    row = {};
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      const bool twice = c == '"' && i + 1 < text.size() && text[i + 1] == '"';
      if (c == '"' && !twice) {
        quoted = false;
      } else {
        field += c;
        if (twice) ++i;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == separator) {
      row.push_back(std::move(field));
      field.clear();
    } else if (c == '\n') {
      end_row();
    } else if (c != '\r') {
      field += c;
    }
  }
  if (quoted) return base::error(ErrorCode::Corruption, "a quote has no end: is the file whole?");
  end_row();
  return rows;
}

bool is_closed(std::string_view status) {
  static const std::set<std::string> kClosed = {"closed", "fixed", "resolved", "done", "accepted"};
  return kClosed.contains(base::to_lower(base::trim(status)));
}

class RegisterReader final : public ScanReader {
 public:
  explicit RegisterReader(FindingSeverity unrated) : unrated_(unrated) {}

  Result<void> read(std::string_view piece) override {
    if (piece.size() > kBytesMax - text_.size()) {
      return base::error(ErrorCode::LimitExceeded, "the register is larger than 4 MiB");
    }
    text_.append(piece);
    return base::ok();
  }

  Result<ScanReport> end() override {
    std::string_view text = text_;
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    const std::string_view first = text.substr(0, text.find('\n'));
    TC_TRY(const std::vector<Row> rows, rows_of(text, first.find(';') != first.npos ? ';' : ','));
    if (rows.empty()) return base::error(ErrorCode::InvalidArgument, "the register is empty");
    TC_TRY(read_columns(rows.front()));
    ScanReport report;
    for (std::size_t i = 1; i < rows.size(); ++i) {
      auto finding = read_row(rows[i]);
      if (!finding) return base::with_context(finding.error(), fmt::format("finding {}", i));
      if (*finding) report.findings.push_back(std::move(**finding));
    }
    if (report.findings.size() <= kFindingsMax) return report;
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("more than {} findings", kFindingsMax));
  }

 private:
  Result<void> read_columns(const Row& names) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      columns_[base::to_lower(base::trim(names[i]))] = i;
    }
    for (const char* needed : {"id", "severity", "due"}) {
      if (columns_.contains(needed)) continue;
      return base::error(ErrorCode::InvalidArgument,
                         fmt::format("the register has no column '{}'", needed));
    }
    return base::ok();
  }

  std::string cell(const Row& row, const char* column) const {
    const auto at = columns_.find(column);
    if (at == columns_.end() || at->second >= row.size()) return {};
    return std::string(base::trim(row[at->second]));
  }

  /// nullopt: closed.
  Result<std::optional<ScanFinding>> read_row(const Row& row) {
    const std::string id = cell(row, "id");
    if (id.empty() || !ids_.insert(id).second) {
      return base::error(ErrorCode::InvalidArgument,
                         id.empty() ? "no id" : fmt::format("a second '{}'", id));
    }
    ScanFinding finding;
    finding.fingerprint = base::sha256_hex(id).substr(0, 16);
    finding.severity = severity_of(cell(row, "severity")).value_or(unrated_);
    if (const std::string due = cell(row, "due"); !due.empty()) {
      const auto day = base::parse_rfc3339(due + "T23:59:59Z");  // the day itself is still in time
      if (!day) {
        return base::error(ErrorCode::InvalidArgument,
                           fmt::format("'{}' is no day such as 2027-03-31", due));
      }
      finding.due = *day;
    }
    if (is_closed(cell(row, "status"))) return std::optional<ScanFinding>();
    return std::optional<ScanFinding>(std::move(finding));
  }

  FindingSeverity unrated_;
  std::string text_;
  std::map<std::string, std::size_t> columns_;
  std::set<std::string> ids_;
};

}  // namespace

std::unique_ptr<ScanReader> make_register_reader(FindingSeverity unrated) {
  return std::make_unique<RegisterReader>(unrated);
}

}  // namespace tocsin::agent
