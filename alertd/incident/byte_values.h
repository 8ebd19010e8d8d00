// Reading and writing stored bytes: the values that messages and records have in common, for the
// .cc files of this folder; json_values.h for what is stored as JSON.
//
// Numbers are varints, times signed ones of milliseconds, texts have their length in front, lists
// their count; a severity is its number, other enumerators are their words. After the first damage
// everything reads as empty and ByteReader::ok() is false.
#pragma once

#include <string>
#include <vector>

#include "common/base/byte_codec.h"
#include "common/base/time.h"
#include "common/model/alert.h"

namespace tocsin::incident {

void put_time(base::WallTime time, std::string& out);
base::WallTime take_time(base::ByteReader& reader);
void put_labels(const model::Labels& labels, std::string& out);
model::Labels take_labels(base::ByteReader& reader);
void put_severity(model::Severity severity, std::string& out);
model::Severity take_severity(base::ByteReader& reader);
/// Which of an alert's labels are put; the others the reader knows from elsewhere.
struct AlertParts {
  bool labels = true;
  bool annotations = true;
};
void put_alert(const model::Alert& alert, std::string& out, AlertParts parts = {});
model::Alert take_alert(base::ByteReader& reader, AlertParts parts = {});

// Walk over what take_... would read, and find the same damage, but build nothing.
void pass_texts(base::ByteReader& reader, int count);
void pass_labels(base::ByteReader& reader);
void pass_alert(base::ByteReader& reader, AlertParts parts = {});

inline std::string take_string(base::ByteReader& reader) {
  return std::string(reader.text());
}

/// Reads a word with `parse`, which returns an optional.
template <class Parse>
auto take_word(base::ByteReader& reader, Parse parse) {
  const auto value = parse(reader.text());
  if (!value) reader.fail();
  return value.value_or(typename decltype(parse(std::string_view()))::value_type{});
}

/// Walks over a list: `pass` over each element.
template <class Pass>
void pass_list(base::ByteReader& reader, Pass pass) {
  const std::uint64_t count = reader.varint();
  if (count > reader.left()) reader.fail();
  for (std::uint64_t i = 0; reader.ok() && i < count; ++i) pass(reader);
}

/// Reads a list; no element is shorter than a byte, which bounds the count.
template <class Element, class Read>
std::vector<Element> take_list(base::ByteReader& reader, Read read) {
  const std::uint64_t count = reader.varint();
  if (count > reader.left()) reader.fail();
  std::vector<Element> list;
  for (std::uint64_t i = 0; reader.ok() && i < count; ++i) list.push_back(read(reader));
  return list;
}

}  // namespace tocsin::incident
