// Every file of tests/data/config/bad must give exactly the errors its head names.

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "common/base/strings.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"

namespace tocsin::config {
namespace {

const std::string kFolder = std::string(TOCSIN_SOURCE_DIR) + "/tests/data/config/bad";

void read_receiver(Table& receiver) {
  receiver.required_string("name");
  receiver.optional_string("url");
  receiver.strings("to");
  receiver.secret("password");
  receiver.finish();
}

// One key of every kind.
void read_schema(Context& context, const Node& root_node) {
  Table root(context, &root_node);
  Table server = root.table("server");
  server.string("listen", "127.0.0.1:9464");
  server.boolean("verbose", false);
  server.integer("depth", 10, 1, 100);
  server.number("ratio", 0.5);
  server.duration("retention", base::Duration{1000});
  server.bytes("body_limit", 1024);
  server.one_of("level", "info", {"debug", "info", "warning", "error"});
  server.string_map("labels");
  server.finish();
  for (Table& receiver : root.tables("receiver")) read_receiver(receiver);
  root.finish();
}

std::vector<std::string> errors_of(const base::FileSystem& files, const std::string& name) {
  auto source = load_source(files, base::join_path(kFolder, name), 1 << 20);
  REQUIRE_MESSAGE(source, source);
  source->file = name;
  base::Diagnostics diagnostics;
  Context context{*source, diagnostics, files};
  const Node root = parse_toml(*source, diagnostics);
  if (!base::has_errors(diagnostics)) read_schema(context, root);
  std::vector<std::string> errors;
  const std::string rendered = render_all(diagnostics, {});
  for (const std::string_view line : base::split(rendered, '\n')) {
    const std::size_t at = line.find(": error: ");
    if (at == std::string_view::npos || line.starts_with(' ')) continue;
    errors.push_back(fmt::format("{}: {}", line.substr(0, at), line.substr(at + 9)));
  }
  return errors;
}

TEST_CASE("bad configuration gives the error in its first line") {
  const auto files = base::make_real_file_system();
  const auto names = files->list(kFolder);
  REQUIRE(names);
  CHECK(names->size() >= 15);
  for (const std::string& name : *names) {
    if (!name.ends_with(".toml")) continue;
    std::vector<std::string> wanted;
    const auto text = files->read(base::join_path(kFolder, name), 1 << 20);
    REQUIRE(text);
    base::for_each_line(*text, [&](std::string_view line) {
      if (line.starts_with("# error: ")) wanted.emplace_back(line.substr(9));
    });
    CAPTURE(name);
    const std::string got = base::join(errors_of(*files, name), "\n");
    const std::string want = base::join(wanted, "\n");
    CHECK(got == want);
  }
}

}  // namespace
}  // namespace tocsin::config
