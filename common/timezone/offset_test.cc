#include "common/timezone/offset.h"

#include <doctest/doctest.h>

namespace tocsin::timezone {
namespace {

TEST_CASE("the offset and short name of a place, in summer and in winter") {
  const base::WallTime winter = base::wall_time(1'795'445'315'000);  // 2026-11-23
  const base::WallTime summer = base::wall_time(1'782'000'000'000);  // 2026-06-21
  CHECK(offset_at("Europe/Berlin", winter)->seconds == 3600);
  CHECK(offset_at("Europe/Berlin", winter)->abbreviation == "CET");
  CHECK(offset_at("Europe/Berlin", summer)->abbreviation == "CEST");
  CHECK(offset_at("America/St_Johns", winter)->seconds == -12'600);
  CHECK(offset_at("UTC", winter)->abbreviation == "UTC");
  CHECK(offset_at("Nowhere/Else", winter).error().code == base::ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace tocsin::timezone
