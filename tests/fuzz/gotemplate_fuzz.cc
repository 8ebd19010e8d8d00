// Any text as a template: parses or says why not, and if it parses, a run ends within its limits.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/gotemplate/template.h"

using tocsin::gotemplate::Map;
using tocsin::gotemplate::Value;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto parsed = tocsin::gotemplate::Template::parse(text, tocsin::gotemplate::standard_functions());
  if (!parsed) return 0;
  const Value labels = tocsin::gotemplate::key_values({{"alertname", "A"}, {"host", "h:80"}});
  const Map root{{"Labels", labels},
                 {"Value", Value(1.5)},
                 {"At", tocsin::gotemplate::time_value(tocsin::base::wall_time(1435065584128))},
                 {"List", Value(tocsin::gotemplate::List{1, "two", 3.0, labels})}};
  const tocsin::gotemplate::Limits limits{2000, 4096};
  const auto result = parsed->execute(Value(root), {{"labels", labels}, {"value", Value(2.0)}},
                                      tocsin::gotemplate::MissingKey::Zero, limits);
  if (result && result->size() > limits.output_bytes_max) std::abort();
  return 0;
}
