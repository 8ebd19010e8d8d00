// The protobuf encoding of OTLP. protozero throws on malformed input; the two functions at the end
// are where that becomes a value.
#include <fmt/format.h>

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "agent/collectors/application/otlp_metrics.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;
constexpr auto kVarint = pbf_wire_type::varint;
constexpr auto kFixed64 = pbf_wire_type::fixed64;

std::string text_of(pbf_reader& reader) {
  return reader.get_string();
}

/// The value of an attribute as text; false for lists, maps and bytes.
bool read_any(pbf_reader reader, std::string& out) {
  bool known = false;
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, kBytes):
        out = text_of(reader);
        known = true;
        break;
      case tag_and_type(2, kVarint):
        out = reader.get_bool() ? "true" : "false";
        known = true;
        break;
      case tag_and_type(3, kVarint):
        out = std::to_string(reader.get_int64());
        known = true;
        break;
      case tag_and_type(4, kFixed64):
        out = base::format_double(reader.get_double());
        known = true;
        break;
      default:
        reader.skip();
    }
  }
  return known;
}

class ProtobufDecoder {
 public:
  explicit ProtobufDecoder(const OtlpLimits& limits) : limits_(limits) {}

  base::Result<std::vector<OtlpResource>> run(std::string_view body) {
    std::vector<OtlpResource> resources;
    pbf_reader reader(body.data(), body.size());
    while (reader.next()) {
      if (reader.tag_and_type() != tag_and_type(1, kBytes)) {
        reader.skip();
        continue;
      }
      TC_TRY(OtlpResource one, resource(reader.get_message()));
      resources.push_back(std::move(one));
    }
    return resources;
  }

 private:
  base::Result<OtlpResource> resource(pbf_reader reader) {
    OtlpResource out;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kBytes): {
          pbf_reader inner = reader.get_message();
          while (inner.next()) {
            if (inner.tag_and_type() == tag_and_type(1, kBytes)) {
              TC_TRY(attribute(inner.get_message(), out.attributes));
            } else {
              inner.skip();
            }
          }
          break;
        }
        case tag_and_type(2, kBytes):
          TC_TRY(scope(reader.get_message(), out));
          break;
        default:
          reader.skip();
      }
    }
    return out;
  }

  base::Result<void> scope(pbf_reader reader, OtlpResource& out) {
    while (reader.next()) {
      if (reader.tag_and_type() == tag_and_type(2, kBytes)) {
        TC_TRY(OtlpMetric one, metric(reader.get_message()));
        out.metrics.push_back(std::move(one));
      } else {
        reader.skip();
      }
    }
    return base::ok();
  }

  base::Result<OtlpMetric> metric(pbf_reader reader) {
    OtlpMetric out;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kBytes):
          out.name = text_of(reader);
          break;
        case tag_and_type(2, kBytes):
          out.description = text_of(reader);
          break;
        case tag_and_type(3, kBytes):
          out.unit = text_of(reader);
          break;
        case tag_and_type(5, kBytes):
          TC_TRY(data(reader.get_message(), OtlpKind::Gauge, out));
          break;
        case tag_and_type(7, kBytes):
          TC_TRY(data(reader.get_message(), OtlpKind::Sum, out));
          break;
        case tag_and_type(9, kBytes):
          TC_TRY(data(reader.get_message(), OtlpKind::Histogram, out));
          break;
        case tag_and_type(10, kBytes):
        case tag_and_type(11, kBytes):
          TC_TRY(data(reader.get_message(), OtlpKind::Unsupported, out));
          break;
        default:
          reader.skip();
      }
    }
    return out;
  }

  // Gauge, Sum and Histogram have their fields at the same numbers.
  base::Result<void> data(pbf_reader reader, OtlpKind kind, OtlpMetric& out) {
    constexpr std::int32_t kDelta = 1;
    out.kind = kind;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kBytes): {
          if (++points_ > limits_.points_max) {
            return base::error(base::ErrorCode::LimitExceeded,
                               fmt::format("more than {} data points", limits_.points_max));
          }
          if (kind == OtlpKind::Unsupported) {
            ++out.unsupported_points;
            reader.skip();
            break;
          }
          TC_TRY(OtlpPoint one, kind == OtlpKind::Histogram ? histogram(reader.get_message())
                                                            : number(reader.get_message()));
          out.points.push_back(std::move(one));
          break;
        }
        case tag_and_type(2, kVarint):
          out.delta = reader.get_enum() == kDelta;
          break;
        case tag_and_type(3, kVarint):
          out.monotonic = reader.get_bool();
          break;
        default:
          reader.skip();
      }
    }
    return base::ok();
  }

  base::Result<OtlpPoint> number(pbf_reader reader) {
    OtlpPoint out;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(3, kFixed64):
          out.time_ns = reader.get_fixed64();
          break;
        case tag_and_type(4, kFixed64):
          out.value = reader.get_double();
          break;
        case tag_and_type(6, kFixed64):
          out.value = static_cast<double>(reader.get_sfixed64());
          break;
        case tag_and_type(7, kBytes):
          TC_TRY(attribute(reader.get_message(), out.attributes));
          break;
        case tag_and_type(8, kVarint):
          out.no_value = (reader.get_uint32() & 1U) != 0;
          break;
        default:
          reader.skip();
      }
    }
    return out;
  }

  base::Result<OtlpPoint> histogram(pbf_reader reader) {
    OtlpPoint out;
    out.buckets.has_sum = false;
    std::uint64_t count = 0;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(3, kFixed64):
          out.time_ns = reader.get_fixed64();
          break;
        case tag_and_type(4, kFixed64):
          count = reader.get_fixed64();
          break;
        case tag_and_type(5, kFixed64):
          out.buckets.sum = reader.get_double();
          out.buckets.has_sum = true;
          break;
        case tag_and_type(6, kBytes):
          for (const auto one : reader.get_packed_fixed64()) {
            out.buckets.counts.push_back(static_cast<double>(one));
          }
          break;
        case tag_and_type(6, kFixed64):
          out.buckets.counts.push_back(static_cast<double>(reader.get_fixed64()));
          break;
        case tag_and_type(7, kBytes):
          for (const auto one : reader.get_packed_double()) out.buckets.bounds.push_back(one);
          break;
        case tag_and_type(7, kFixed64):
          out.buckets.bounds.push_back(reader.get_double());
          break;
        case tag_and_type(9, kBytes):
          TC_TRY(attribute(reader.get_message(), out.attributes));
          break;
        case tag_and_type(10, kVarint):
          out.no_value = (reader.get_uint32() & 1U) != 0;
          break;
        default:
          reader.skip();
      }
    }
    // Without buckets there is one, of everything.
    if (out.buckets.counts.empty()) out.buckets.counts.push_back(static_cast<double>(count));
    return out;
  }

  base::Result<void> attribute(pbf_reader reader, OtlpAttributes& out) {
    if (out.size() >= limits_.attributes_max) {
      return base::error(base::ErrorCode::LimitExceeded,
                         fmt::format("more than {} attributes", limits_.attributes_max));
    }
    std::string key;
    std::string value;
    bool known = false;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kBytes):
          key = text_of(reader);
          break;
        case tag_and_type(2, kBytes):
          known = read_any(reader.get_message(), value);
          break;
        default:
          reader.skip();
      }
    }
    if (known && !key.empty()) out.emplace_back(std::move(key), std::move(value));
    return base::ok();
  }

  const OtlpLimits& limits_;
  std::size_t points_ = 0;
};

}  // namespace

base::Result<std::vector<OtlpResource>> decode_otlp_protobuf(std::string_view body,
                                                             const OtlpLimits& limits) {
  try {
    return ProtobufDecoder(limits).run(body);
  } catch (const protozero::exception& exception) {
    return base::error(base::ErrorCode::InvalidArgument,
                       std::string("body is no protobuf message: ") + exception.what());
  }
}

std::string encode_otlp_answer_protobuf(const OtlpRejected& rejected) {
  std::string out;
  if (rejected.points == 0) return out;
  protozero::pbf_writer answer(out);
  protozero::pbf_writer partial(answer, 1);
  partial.add_int64(1, static_cast<std::int64_t>(rejected.points));
  partial.add_string(2, rejected.reason);
  return out;
}

}  // namespace tocsin::agent
