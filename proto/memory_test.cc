// Decoding with a memory of the sender: what came before is found again, and is what it was.
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <snappy.h>

#include "proto/codec.h"

namespace tocsin::proto {
namespace {

/// Decodes and remembers, as a receiver with a store does.
struct Receiver {
  Memory memory{std::make_shared<model::KnownSeriesTable>(), 99};
  std::uint32_t slots = 0;

  model::WriteBatch take(Version version, const model::WriteBatch& sent) {
    return take_body(version, version == Version::V1 ? encode_v1(sent) : encode_v2(sent));
  }
  model::WriteBatch take_body(Version version, const std::string& body) {
    auto batch = decode(version, body, {}, memory);
    REQUIRE(batch);
    for (const model::WriteBatch::Series& series : batch->series()) {
      if (series.known != nullptr) continue;
      const auto labels = model::Labels::from_sorted(batch->labels(series));
      memory.table->add(series.key, {std::make_shared<const model::Labels>(labels), slots++});
    }
    return std::move(*batch);
  }
};

std::string text_of(const model::WriteBatch& batch) {
  std::string text;
  std::vector<model::LabelView> scratch;
  for (const model::WriteBatch::Series& series : batch.series()) {
    text += model::Labels::from_sorted(batch.labels_of(series, scratch)).to_string();
    for (const model::Sample& sample : batch.samples(series)) {
      text += fmt::format(" {}@{}", sample.value, sample.timestamp_ms);
    }
    text += "\n";
  }
  return text;
}

int known(const model::WriteBatch& batch) {
  int count = 0;
  for (const model::WriteBatch::Series& series : batch.series()) count += series.known != nullptr;
  return count;
}

model::WriteBatch round_of(int first, int count, std::int64_t now) {
  model::WriteBatch batch;
  for (int i = first; i < first + count; ++i) {
    batch.add(model::Labels{{"__name__", fmt::format("m{}_total", i % 7)},
                            {"device", fmt::format("disk{}", i)},
                            {"host", "db1"}},
              {now, static_cast<double>(i)});
    batch.add_sample({now + 1, -static_cast<double>(i)});
  }
  batch.add_metadata({"m1_total", model::MetricType::Counter, "Ones.", ""});
  return batch;
}

TEST_CASE("the same series in the same, another and a mixed order") {
  for (const Version version : {Version::V1, Version::V2}) {
    Receiver receiver;
    CHECK(known(receiver.take(version, round_of(0, 600, 1'000))) == 0);
    for (const auto& [first, count] : {std::pair(0, 600), {300, 300}, {10, 5}, {0, 600}}) {
      const auto sent = round_of(first, count, 2'000);
      const auto got = receiver.take(version, sent);
      CHECK(known(got) == count);
      CHECK(text_of(got) == text_of(sent));
      if (count > 7) CHECK(got.metadata().size() == 1);  // 2.0 has it with its series
    }
    const auto grown = receiver.take(version, round_of(590, 20, 3'000));
    CHECK(known(grown) == 10);
    CHECK(text_of(grown) == text_of(round_of(590, 20, 3'000)));
    CHECK(receiver.memory.table->size() == 610);
  }
}

TEST_CASE("the numbers of symbols mean nothing from one request to the next") {
  Receiver receiver;
  model::WriteBatch first;
  first.add(model::Labels{{"__name__", "up"}, {"host", "a"}}, {1, 1});
  model::WriteBatch second;  // the same references, other strings
  second.add(model::Labels{{"__name__", "up"}, {"host", "b"}}, {1, 1});
  receiver.take(Version::V2, first);
  const auto got = receiver.take(Version::V2, second);
  CHECK(known(got) == 0);
  CHECK(text_of(got) == text_of(second));
}

TEST_CASE("labels in two places, or beside other fields, are read the long way") {
  const auto label = [](const std::string& name, const std::string& value) {
    const std::string inside = "\x0a" + std::string(1, static_cast<char>(name.size())) + name +
                               "\x12" + std::string(1, static_cast<char>(value.size())) + value;
    return "\x0a" + std::string(1, static_cast<char>(inside.size())) + inside;
  };
  const std::string sample("\x12\x02\x10\x05", 4);
  const auto body = [](const std::string& series) {
    const std::string message = "\x0a" + std::string(1, static_cast<char>(series.size())) + series;
    std::string packed;
    snappy::Compress(message.data(), message.size(), &packed);
    return packed;
  };
  Receiver receiver;
  receiver.take_body(Version::V1, body(label("__name__", "up") + sample));
  const auto split =
      receiver.take_body(Version::V1, body(label("__name__", "up") + sample + label("z", "1")));
  CHECK(known(split) == 0);
  CHECK(text_of(split) == "up{z=\"1\"} 0@5\n");
  const auto exemplar = receiver.take_body(
      Version::V1, body(label("__name__", "up") + sample + std::string("\x1a\x00", 2)));
  CHECK(known(exemplar) == 0);
  CHECK(exemplar.exemplars == 1);
  CHECK(known(receiver.take_body(Version::V1, body(label("__name__", "up") + sample))) == 1);
  // A series without samples is left out, known or not.
  CHECK(receiver.take_body(Version::V1, body(label("__name__", "up"))).empty());
}

TEST_CASE("a series that the store has anew replaces what was known") {
  model::KnownSeriesTable table;
  const auto labels = std::make_shared<const model::Labels>(model::Labels{{"__name__", "up"}});
  for (std::uint64_t key = 1; key <= 1'000; ++key) {
    table.add(key, {labels, static_cast<std::uint32_t>(key)});
  }
  const model::KnownSeries* old = table.find(500);
  table.add(500, {labels, 7});
  CHECK(old->slot == 500);  // batches in flight may still point to it
  CHECK(table.find(500)->slot == 7);
  CHECK(table.find(501)->slot == 501);
  CHECK(table.replaced() == 1);
  CHECK(table.find(2'000) == nullptr);
}

TEST_CASE("the declared size is known before anything is decompressed") {
  CHECK(*declared_size(encode_v1(round_of(0, 3, 1))) > 100);
  CHECK(*declared_size(std::string("\xff\xff\xff\xff\x0f\x00", 6)) == 4'294'967'295U);
  CHECK(!declared_size(""));
}

}  // namespace
}  // namespace tocsin::proto
