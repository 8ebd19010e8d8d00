// The page behind an acknowledge link: HTML without script, made for a phone at night. Internal to
// alertd/api.
#pragma once

#include <string>
#include <string_view>

#include "alertd/api/ack_token.h"
#include "alertd/api/views.h"
#include "common/net/http_server.h"

namespace tocsin::api {

/// Returns text with what HTML treats as markup made harmless, also inside attributes.
std::string html_text(std::string_view text);

/// The page that asks: what it is about, and one button that posts to the same address.
net::ServerResponse ack_question(const AckClaim& claim, const IncidentInfo& incident);

/// A page with one sentence.
net::ServerResponse ack_answer(int status, std::string_view title, std::string_view text);

}  // namespace tocsin::api
