// A document of headings, facts, tables and paragraphs, written as Markdown or as HTML. Internal to
// alertd/report.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tocsin::report {

using Facts = std::vector<std::pair<std::string, std::string>>;
using Row = std::vector<std::string>;

/// Everything it is given is plain text, but words(), where people may write Markdown.
class Sheet {
 public:
  virtual ~Sheet() = default;
  /// `level` 1 to 3.
  virtual void heading(int level, std::string_view text) = 0;
  /// Facts without a value are left out.
  virtual void facts(const Facts& facts) = 0;
  virtual void paragraph(std::string_view text) = 0;
  /// Each row has as many cells as the header.
  virtual void table(const Row& header, const std::vector<Row>& rows) = 0;
  /// What a person wrote, of several lines.
  virtual void words(std::string_view text) = 0;
  virtual std::string finish() = 0;
};

std::unique_ptr<Sheet> markdown_sheet();
/// `title` is the window's; no script, no resource from elsewhere.
std::unique_ptr<Sheet> html_sheet(std::string_view title);

/// Returns the text so that Markdown shows it as it is, on one line.
std::string escape_markdown(std::string_view text);

/// Opens an HTML page that is complete in itself: head with title and style, body; `head` is put
/// into the head as it is.
std::string html_begin(std::string_view language, std::string_view title,
                       std::string_view head = {});

}  // namespace tocsin::report
