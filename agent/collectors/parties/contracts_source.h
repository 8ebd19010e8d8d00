// Dates of agreements with third parties, as the configuration says them.
#pragma once

#include <memory>
#include <vector>

#include "agent/collectors/parties/parties_settings.h"
#include "agent/sampler/round_sink.h"

namespace tocsin::agent {

/// Asks nobody and waits for nothing.
std::unique_ptr<AsyncSource> make_contracts_source(std::vector<ContractSettings> contracts);

}  // namespace tocsin::agent
