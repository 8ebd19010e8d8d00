#include "common/spool/record.h"

#include <doctest/doctest.h>

using namespace tocsin::spool;

namespace {

std::string three_records() {
  std::string bytes = encode_segment_header(5);
  bytes += encode_record({5, 1000, 10, 0, 0}, "first");
  bytes += encode_record({6, 2000, 20, 0, 0}, "second");
  bytes += encode_record({9, 3000, 30, 0, 0}, "");
  return bytes;
}

}  // namespace

TEST_CASE("a segment reads back as it was written") {
  const std::string bytes = three_records();
  const SegmentScan scan = scan_segment(bytes, 5);
  CHECK(scan.end == SegmentEnd::Clean);
  CHECK(scan.valid_bytes == bytes.size());
  REQUIRE(scan.records.size() == 3);
  CHECK(scan.records[1].sequence == 6);
  CHECK(scan.records[1].created_ms == 2000);
  CHECK(scan.records[1].samples == 20);
  // 16 of the file's header, 32 of the record's, 5 of "first".
  CHECK(scan.records[1].offset == 16 + 32 + 5);
  CHECK(read_record(std::string_view(bytes).substr(scan.records[1].offset), scan.records[1]) ==
        "second");
  CHECK_FALSE(read_record(std::string_view(bytes).substr(scan.records[0].offset), scan.records[1]));
}

TEST_CASE("cut at any byte, a segment keeps every whole record and calls the rest torn") {
  const std::string bytes = three_records();
  const std::size_t ends[] = {16, 16 + 37, 16 + 37 + 38, 16 + 37 + 38 + 32};
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    const SegmentScan scan = scan_segment(std::string_view(bytes).substr(0, length), 5);
    std::size_t whole = 0;
    bool at_end = false;
    for (std::size_t record = 0; record < 4; ++record) {
      if (ends[record] <= length) whole = record;
      if (ends[record] == length) at_end = true;
    }
    CAPTURE(length);
    CHECK(scan.records.size() == whole);
    CHECK(scan.end == (at_end ? SegmentEnd::Clean : SegmentEnd::Torn));
  }
}

TEST_CASE("a flipped bit anywhere never yields a record that was not written") {
  const std::string bytes = three_records();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    const SegmentScan scan = scan_segment(damaged, 5);
    CAPTURE(at);
    CHECK(scan.records.size() < 3);
    CHECK(scan.end != SegmentEnd::Clean);
    CHECK(scan.valid_bytes <= at);
  }
}

TEST_CASE("zeros after the last record, as a power cut leaves them, are a torn tail") {
  const SegmentScan scan = scan_segment(three_records() + std::string(4096, '\0'), 5);
  CHECK(scan.records.size() == 3);
  CHECK(scan.end == SegmentEnd::Torn);
}

TEST_CASE("a length over the limit and a falling sequence are damage") {
  std::string bytes =
      encode_segment_header(1) + std::string("\xff\xff\xff\x7f", 4) + std::string(200, 'x');
  CHECK(scan_segment(bytes, 1).end == SegmentEnd::Damaged);
  bytes = encode_segment_header(7) + encode_record({8, 0, 0, 0, 0}, "a") +
          encode_record({8, 0, 0, 0, 0}, "b");
  CHECK(scan_segment(bytes, 7).records.size() == 1);
  CHECK(scan_segment(bytes, 7).end == SegmentEnd::Damaged);
}

TEST_CASE("a segment under another's name is refused") {
  CHECK(scan_segment(three_records(), 6).valid_bytes == 0);
  CHECK(scan_segment(three_records(), 6).end == SegmentEnd::Damaged);
}

TEST_CASE("segment names") {
  CHECK(segment_name(255) == "00000000000000ff.seg");
  CHECK(parse_segment_name("00000000000000ff.seg") == 255);
  CHECK_FALSE(parse_segment_name("00000000000000fg.seg"));
  CHECK_FALSE(parse_segment_name("ff.seg"));
  CHECK_FALSE(parse_segment_name("00000000000000ff.bad"));
  CHECK_FALSE(parse_segment_name("acknowledged"));
}
