// The numbers and texts of common/base/byte_codec.h under the names by which this folder's formats
// (WAL_FORMAT.md) use them.
#pragma once

#include "common/base/byte_codec.h"

namespace tocsin::tsdb {

using base::as_i64;
using base::as_u64;
using base::ByteReader;
using base::get_raw;
using base::put_raw;
using base::put_signed;
using base::put_text;
using base::put_varint;

}  // namespace tocsin::tsdb
