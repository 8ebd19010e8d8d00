#include "common/relabel/relabel.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "common/config/table.h"
#include "common/config/toml.h"

using namespace tocsin;
using namespace tocsin::relabel;

namespace {

struct Read {
  config::Source source;
  base::Diagnostics diagnostics;
  std::vector<Rule> rules;

  explicit Read(std::string text) : source{"relabel.toml", std::move(text)} {
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    const config::Node node = config::parse_toml(source, diagnostics);
    config::Table root(context, &node);
    for (config::Table& table : root.tables("rule")) rules.push_back(read_rule(table));
  }
};

// Applies the rules and returns the labels sorted, or nothing if the sample is dropped.
MutableLabels after(const std::string& toml, MutableLabels labels) {
  const Read read(toml);
  REQUIRE(read.diagnostics.empty());
  if (!relabel::apply(read.rules, labels)) return {};
  std::sort(labels.begin(), labels.end());
  return labels;
}

const MutableLabels kSample{{"__name__", "http_total"}, {"code", "200"}, {"path", "/a/b"}};

}  // namespace

TEST_CASE("replace: groups, names, targets, an empty result removes, no match changes nothing") {
  CHECK(after(R"([[rule]]
source_labels = ["__name__", "code"]
regex = '(.*);(\d)(?P<rest>..)'
target_label = "class"
replacement = "${2}xx-$rest-$1$$"
)",
              kSample)[1] == MutableLabels::value_type{"class", "2xx-00-http_total$"});
  CHECK(after("[[rule]]\nsource_labels=['code']\nregex='5..'\ntarget_label='path'\n", kSample) ==
        kSample);
  CHECK(after("[[rule]]\ntarget_label='path'\nreplacement=''\n", kSample).size() == 2);
  // Go reads the longest name: $1x is a group called 1x, which does not exist.
  CHECK(after("[[rule]]\nsource_labels=['code']\ntarget_label='path'\nreplacement='$1x!'\n",
              kSample)[2]
            .second == "!");
  CHECK(after("[[rule]]\nsource_labels=['code']\ntarget_label='to_$1'\nreplacement='v'\n",
              kSample)[3] == MutableLabels::value_type{"to_200", "v"});
  CHECK(after("[[rule]]\nsource_labels=['path']\ntarget_label='$1'\nreplacement='v'\n", kSample) ==
        kSample);  // "/a/b" is no label name.
}

TEST_CASE("keep and drop match the whole value") {
  CHECK(after("[[rule]]\naction='keep'\nsource_labels=['code']\nregex='2..'\n", kSample) ==
        kSample);
  CHECK(after("[[rule]]\naction='keep'\nsource_labels=['code']\nregex='2'\n", kSample).empty());
  CHECK(after("[[rule]]\naction='drop'\nsource_labels=['code']\nregex='20'\n", kSample) == kSample);
  CHECK(after("[[rule]]\naction='drop'\nsource_labels=['__name__']\nregex='http_.*'\n", kSample)
            .empty());
  // A label that is not there is empty.
  CHECK(after("[[rule]]\naction='drop'\nsource_labels=['nothing']\nregex=''\n", kSample).empty());
}

TEST_CASE("labelmap, labeldrop, labelkeep, lowercase, uppercase") {
  CHECK(after("[[rule]]\naction='labelmap'\nregex='co(.*)'\nreplacement='x_$1'\n", kSample)[3] ==
        MutableLabels::value_type{"x_de", "200"});
  CHECK(after("[[rule]]\naction='labeldrop'\nregex='code|path'\n", kSample).size() == 1);
  CHECK(after("[[rule]]\naction='labelkeep'\nregex='__name__|path'\n", kSample).size() == 2);
  CHECK(after("[[rule]]\naction='uppercase'\nsource_labels=['path']\ntarget_label='path'\n",
              kSample)[2]
            .second == "/A/B");
  CHECK(after("[[rule]]\naction='lowercase'\nsource_labels=['path']\ntarget_label='low'\n",
              kSample)[2] == MutableLabels::value_type{"low", "/a/b"});
}

TEST_CASE("hashmod, keepequal, dropequal") {
  // md5("200;/a/b") ends with 690c2c75dfe3e38b, md5("") with e9800998ecf8427e (RFC 1321);
  // as big-endian numbers they are 19 and 958 modulo 1000.
  CHECK(after("[[rule]]\naction='hashmod'\nsource_labels=['code','path']\nmodulus=1000\n"
              "target_label='shard'\n",
              kSample)[3] == MutableLabels::value_type{"shard", "19"});
  CHECK(after("[[rule]]\naction='hashmod'\nsource_labels=['nothing']\nmodulus=1000\n"
              "target_label='shard'\n",
              kSample)[3] == MutableLabels::value_type{"shard", "958"});
  const MutableLabels twice{{"code", "200"}, {"status", "200"}};
  const std::string equal = "source_labels=['code']\ntarget_label='status'\n";
  CHECK(after("[[rule]]\naction='keepequal'\n" + equal, twice) == twice);
  CHECK(after("[[rule]]\naction='dropequal'\n" + equal, twice).empty());
  CHECK(after("[[rule]]\naction='keepequal'\n" + equal, kSample).empty());
  CHECK(after("[[rule]]\naction='dropequal'\n" + equal, kSample) == kSample);
}

TEST_CASE("rules are equal if they do the same") {
  const std::string text = "[[rule]]\naction='drop'\nsource_labels=['a']\nregex='x.*'\n";
  CHECK(Read(text).rules == Read("\n" + text).rules);
  CHECK_FALSE(Read(text).rules == Read(text + "separator='|'\n").rules);
  CHECK_FALSE(Read("[[rule]]\naction='labeldrop'\nregex='a'\n").rules ==
              Read("[[rule]]\naction='labeldrop'\nregex='b'\n").rules);
}

TEST_CASE("mistakes are reported where they are") {
  struct Case {
    const char* text;
    std::size_t line;
    const char* part;
  };
  const Case cases[] = {
      {"[[rule]]\naction='kepe'\ntarget_label='x'\n", 2, "keep"},
      {"[[rule]]\nregex='(a'\ntarget_label='x'\n", 2, "bad pattern"},
      {"[[rule]]\nregex='(?=a)'\ntarget_label='x'\n", 2, "bad pattern"},
      {"[[rule]]\naction='replace'\n", 2, "needs target_label"},
      {"[[rule]]\naction='drop'\n", 2, "needs source_labels"},
      {"[[rule]]\naction='labeldrop'\nsource_labels=['a']\nregex='a'\n", 3, "no effect"},
      {"[[rule]]\naction='keep'\nsource_labels=['a']\ntarget_label='b'\n", 4, "no effect"},
      {"[[rule]]\naction='hashmod'\nsource_labels=['a']\ntarget_label='b'\n", 2, "needs modulus"},
      {"[[rule]]\ntarget_label='b'\nmodulus=3\n", 3, "no effect"},
      {"[[rule]]\naction='keepequal'\nsource_labels=['a']\n", 2, "needs target_label"},
      {"[[rule]]\naction='lowercase'\nsource_labels=['a']\ntarget_label='b c'\n", 4, "is not"},
      {"[[rule]]\ntarget_label='a'\nreplacment='b'\n", 3, "replacment"},
  };
  for (const Case& entry : cases) {
    const Read read(entry.text);
    CAPTURE(entry.text);
    REQUIRE(read.diagnostics.size() == 1);
    CHECK(read.diagnostics[0].line == entry.line);
    const std::string said = read.diagnostics[0].message + read.diagnostics[0].hint;
    CHECK(said.find(entry.part) != said.npos);
  }
}
