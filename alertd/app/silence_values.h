// Silences between the API's words and routing's.
#pragma once

#include "alertd/api/alertmanager_views.h"
#include "alertd/routing/silence.h"

namespace tocsin::alertd {

/// Errors: InvalidArgument (a broken pattern).
base::Result<routing::Silence> to_routing(const api::AlertmanagerSilence& silence);
api::AlertmanagerSilence to_api(const routing::Silence& silence, base::WallTime now);

}  // namespace tocsin::alertd
