#include "alertd/report/sheet.h"

#include <fmt/format.h>

#include "common/base/strings.h"
#include "common/gotemplate/escape.h"

namespace tocsin::report {
namespace {

using gotemplate::escape_html;

constexpr std::string_view kStyle =
    "body{font:1em/1.5 sans-serif;margin:1.5em auto;max-width:60em;padding:0 1em;color:#222}"
    "h1{font-size:1.5em}h2{font-size:1.2em;margin-top:1.6em;border-bottom:1px solid #ccc}"
    "table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}"
    "th,td{text-align:left;vertical-align:top;padding:.2em .6em .2em 0;border-bottom:1px solid "
    "#eee}"
    ".words{white-space:pre-wrap}.ok{color:#2e7d32}.down{color:#c62828}.degraded{color:#b45309}"
    ".maintenance{color:#1565c0}.small{color:#555;font-size:.9em}"
    "ul.services{list-style:none;padding:0}ul.services li{padding:.4em 0;border-bottom:1px solid "
    "#eee}";

class MarkdownSheet final : public Sheet {
 public:
  void heading(int level, std::string_view text) override {
    gap();
    out_ += std::string(static_cast<std::size_t>(level), '#') + " " + escape_markdown(text) + "\n";
  }

  void facts(const Facts& facts) override {
    gap();
    out_ += "| | |\n|---|---|\n";
    for (const auto& [name, value] : facts) {
      if (value.empty()) continue;
      out_ += fmt::format("| {} | {} |\n", escape_markdown(name), escape_markdown(value));
    }
  }

  void paragraph(std::string_view text) override {
    gap();
    out_ += escape_markdown(text) + "\n";
  }

  void table(const Row& header, const std::vector<Row>& rows) override {
    gap();
    line(header);
    out_ += "|";
    for (std::size_t i = 0; i < header.size(); ++i) out_ += "---|";
    out_ += "\n";
    for (const Row& row : rows) line(row);
  }

  // People may use Markdown, but not HTML, and no heading that would break the order.
  void words(std::string_view text) override {
    gap();
    base::for_each_line(text, [this](std::string_view each) {
      if (each.starts_with('#')) out_ += '\\';
      for (const char c : each) {
        if (c == '<') {
          out_ += "&lt;";
        } else if (static_cast<unsigned char>(c) >= 0x20 || c == '\t') {
          out_ += c;
        }
      }
      out_ += '\n';
    });
  }

  std::string finish() override { return std::move(out_); }

 private:
  void gap() {
    if (!out_.empty()) out_ += '\n';
  }

  void line(const Row& row) {
    out_ += "|";
    for (const std::string& cell : row) {
      const std::string text = escape_markdown(cell);
      out_ += text.empty() ? " |" : " " + text + " |";
    }
    out_ += "\n";
  }

  std::string out_;
};

class HtmlSheet final : public Sheet {
 public:
  explicit HtmlSheet(std::string_view title) : out_(html_begin("en", title)) {}

  void heading(int level, std::string_view text) override {
    out_ += fmt::format("<h{0}>{1}</h{0}>\n", level, escape_html(text));
  }

  void facts(const Facts& facts) override {
    out_ += "<table>\n";
    for (const auto& [name, value] : facts) {
      if (value.empty()) continue;
      out_ +=
          fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", escape_html(name), escape_html(value));
    }
    out_ += "</table>\n";
  }

  void paragraph(std::string_view text) override {
    out_ += fmt::format("<p>{}</p>\n", escape_html(text));
  }

  void table(const Row& header, const std::vector<Row>& rows) override {
    out_ += "<table>\n";
    line("th", header);
    for (const Row& row : rows) line("td", row);
    out_ += "</table>\n";
  }

  void words(std::string_view text) override {
    out_ += fmt::format("<p class=\"words\">{}</p>\n", escape_html(text));
  }

  std::string finish() override { return out_ + "</body></html>\n"; }

 private:
  void line(std::string_view tag, const Row& row) {
    out_ += "<tr>";
    for (const std::string& cell : row) {
      out_ += fmt::format("<{0}>{1}</{0}>", tag, escape_html(cell));
    }
    out_ += "</tr>\n";
  }

  std::string out_;
};

}  // namespace

std::string escape_markdown(std::string_view text) {
  constexpr std::string_view kMarks = "\\`*_[]<>|~";
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      out += ' ';
      continue;
    }
    // At the beginning of a line these make headings, lists and quotes.
    const bool first = out.empty() && (c == '#' || c == '-' || c == '+');
    if (first || kMarks.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string html_begin(std::string_view language, std::string_view title, std::string_view head) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n{}<style>{}</style></head>\n<body>\n",
      escape_html(language), escape_html(title), head, kStyle);
}

std::unique_ptr<Sheet> markdown_sheet() {
  return std::make_unique<MarkdownSheet>();
}

std::unique_ptr<Sheet> html_sheet(std::string_view title) {
  return std::make_unique<HtmlSheet>(title);
}

}  // namespace tocsin::report
