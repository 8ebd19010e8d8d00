#include "common/model/labels.h"

#include <doctest/doctest.h>

#include "common/model/matcher.h"
#include "common/model/write_batch.h"

namespace tocsin::model {

TEST_CASE("labels are sorted, unique, and without empty values") {
  const Labels labels{{"b", "2"}, {"a", "1"}, {"c", ""}, {"b", "3"}};
  CHECK(labels.size() == 2);
  CHECK(labels.get("a") == "1");
  CHECK(labels.get("b") == "3");
  CHECK(labels.get("c") == "");
  CHECK(labels.to_string() == R"({a="1", b="3"})");
}

TEST_CASE("a long value survives packing") {
  const std::string value(70000, 'x');
  const Labels labels{{"a", value}, {"b", "after"}};
  CHECK(labels.get("a") == value);
  CHECK(labels.get("b") == "after");
}

TEST_CASE("order is by name, then value; a prefix sorts first") {
  const Labels empty;
  const Labels a1{{"a", "1"}};
  const Labels a2{{"a", "2"}};
  const Labels a1b1{{"a", "1"}, {"b", "1"}};
  const Labels b0{{"b", "0"}};
  CHECK(empty < a1);
  CHECK(a1 < a1b1);
  CHECK(a1b1 < a2);
  CHECK(a2 < b0);
  CHECK_FALSE(a1 < a1);
}

TEST_CASE("a name outside the classic alphabet is quoted") {
  CHECK(Labels{{"__name__", "up"}, {"job", "a\"b"}}.to_string() == R"(up{job="a\"b"})");
  CHECK(Labels{{"__name__", "up.total"}, {"a.b", "1"}}.to_string() == R"({"up.total", "a.b"="1"})");
  CHECK(Labels{}.to_string() == "{}");
}

TEST_CASE("the fingerprint is the one of Prometheus") {
  // Prometheus common/model documents 0xcbf29ce484222325 (the FNV offset) for the empty label set.
  CHECK(Labels{}.fingerprint() == 0xcbf29ce484222325ULL);
  CHECK(Labels{{"a", "bc"}}.fingerprint() != Labels{{"ab", "c"}}.fingerprint());
}

TEST_CASE("matchers see a missing label as empty") {
  const Labels labels{{"host", "db1"}};
  CHECK(Matcher::equal("host", "db1").matches(labels.get("host")));
  CHECK(Matcher::make(MatchOp::NotEqual, "env", "prod")->matches(labels.get("env")));
  CHECK(Matcher::make(MatchOp::Regex, "host", "db.")->matches(labels.get("host")));
  CHECK_FALSE(Matcher::make(MatchOp::Regex, "host", "b1")->matches(labels.get("host")));
  CHECK(Matcher::make(MatchOp::NotRegex, "host", "web.*")->matches(labels.get("host")));
  const auto broken = Matcher::make(MatchOp::Regex, "host", "(");
  REQUIRE_FALSE(broken);
  CHECK(broken.error().message.find("'('") != std::string::npos);
}

TEST_CASE("a batch keeps each series' labels and samples apart") {
  WriteBatch batch;
  batch.add(Labels{{"__name__", "a"}}, {1, 1.5});
  batch.begin_series();
  batch.add_label("__name__", "b");
  batch.add_sample({1, 2});
  batch.add_sample({2, 3});
  REQUIRE(batch.series_count() == 2);
  CHECK(batch.labels(batch.series()[0])[0].value == "a");
  CHECK(batch.samples(batch.series()[1]).size() == 2);
  const std::vector<LabelView> more{{"__name__", "b"}, {"host", "x"}};
  batch.replace_labels(1, more);
  CHECK(batch.labels(batch.series()[1])[1].value == "x");
  CHECK(batch.labels(batch.series()[0])[0].value == "a");
}

}  // namespace tocsin::model
