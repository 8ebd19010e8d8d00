// The rules every label set must satisfy, shared by both versions of the decoder.
#pragma once

#include <span>
#include <string_view>

#include "common/base/result.h"
#include "common/model/labels.h"
#include "proto/codec.h"

namespace tocsin::proto {

/// Returns whether the text is UTF-8; eight bytes at a time while it is plain ASCII.
bool is_utf8_fast(std::string_view text);

/// Checks one label: name not empty, UTF-8, without control characters; sizes within the limits.
/// `series` counts from 1 and is for the message only.
base::Result<void> check_label(const model::LabelView& label, const Limits& limits,
                               std::size_t series);

/// Sorts `labels` by name if they are not, and checks that no name repeats and __name__ is there.
base::Result<void> sort_and_check(std::span<model::LabelView> labels, std::size_t series);

}  // namespace tocsin::proto
