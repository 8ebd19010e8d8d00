#include "alertd/incident/byte_values.h"

namespace tocsin::incident {

using base::ByteReader;
using base::put_raw;
using base::put_signed;
using base::put_text;
using base::put_varint;

void put_time(base::WallTime time, std::string& out) {
  put_signed(base::as_u64(base::to_ms(time)), out);
}

base::WallTime take_time(ByteReader& reader) {
  return base::wall_time(base::as_i64(reader.signed_varint()));
}

void put_labels(const model::Labels& labels, std::string& out) {
  put_varint(labels.size(), out);
  out += labels.packed();  // each name and value as put_text() puts it
}

model::Labels take_labels(ByteReader& reader) {
  const std::uint64_t count = reader.varint();
  if (count > reader.left() / 2) reader.fail();
  std::vector<model::LabelView> labels;
  labels.reserve(reader.ok() ? static_cast<std::size_t>(count) : 0);
  while (reader.ok() && labels.size() < count) {
    const std::string_view name = reader.text();
    const std::string_view value = reader.text();
    if (value.empty() || (!labels.empty() && name <= labels.back().name)) reader.fail();
    labels.push_back({name, value});
  }
  return reader.ok() ? model::Labels::from_sorted(labels) : model::Labels();
}

void pass_labels(ByteReader& reader) {
  const std::uint64_t count = reader.varint();
  if (count > reader.left() / 2) reader.fail();
  std::string_view last;
  for (std::uint64_t i = 0; reader.ok() && i < count; ++i) {
    const std::string_view name = reader.text();
    const std::string_view value = reader.text();
    if (value.empty() || (i > 0 && name <= last)) reader.fail();
    last = name;
  }
}

void pass_texts(ByteReader& reader, int count) {
  for (; count > 0; --count) reader.text();
}

model::Severity take_severity(ByteReader& reader) {
  const std::uint64_t number = reader.varint();
  if (number > static_cast<std::uint64_t>(model::Severity::Critical)) reader.fail();
  return reader.ok() ? static_cast<model::Severity>(number) : model::Severity::Medium;
}

void put_severity(model::Severity severity, std::string& out) {
  put_varint(static_cast<std::uint64_t>(severity), out);
}

void put_alert(const model::Alert& alert, std::string& out, AlertParts parts) {
  put_varint((alert.ends_at ? 1U : 0U) | (alert.value ? 2U : 0U), out);
  if (parts.labels) put_labels(alert.labels, out);
  if (parts.annotations) put_labels(alert.annotations, out);
  put_severity(alert.severity, out);
  put_time(alert.starts_at, out);
  if (alert.ends_at) put_time(*alert.ends_at, out);
  put_time(alert.valid_until, out);
  put_time(alert.updated_at, out);
  if (alert.value) put_raw(*alert.value, out);
  put_text(alert.generator_url, out);
  put_text(alert.rule_source, out);
}

model::Alert take_alert(ByteReader& reader, AlertParts parts) {
  model::Alert alert;
  const std::uint64_t flags = reader.varint();
  if (parts.labels) alert.labels = take_labels(reader);
  if (parts.annotations) alert.annotations = take_labels(reader);
  alert.severity = take_severity(reader);
  alert.starts_at = take_time(reader);
  if ((flags & 1U) != 0) alert.ends_at = take_time(reader);
  alert.valid_until = take_time(reader);
  alert.updated_at = take_time(reader);
  if ((flags & 2U) != 0) alert.value = reader.number();
  alert.generator_url = take_string(reader);
  alert.rule_source = take_string(reader);
  return alert;
}

void pass_alert(ByteReader& reader, AlertParts parts) {
  const std::uint64_t flags = reader.varint();
  if (parts.labels) pass_labels(reader);
  if (parts.annotations) pass_labels(reader);
  take_severity(reader);
  take_time(reader);  // starts_at
  if ((flags & 1U) != 0) take_time(reader);
  take_time(reader);  // valid_until
  take_time(reader);  // updated_at
  if ((flags & 2U) != 0) reader.number();
  pass_texts(reader, 2);
}

}  // namespace tocsin::incident
