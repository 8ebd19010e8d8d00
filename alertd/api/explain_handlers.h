// "Why was nobody called": GET /api/v1/explain.
#pragma once

#include <vector>

#include "alertd/api/router.h"
#include "alertd/story/story.h"

namespace tocsin::api {

/// The one route; `teller` outlives it.
///
/// Parameters: one of `labels` (a JSON object of texts, or `name="value"` with commas between),
/// `fingerprint` and `incident`; `at` (unix seconds or RFC 3339; missing: now).
std::vector<Route> explain_routes(story::Storyteller& teller);

}  // namespace tocsin::api
