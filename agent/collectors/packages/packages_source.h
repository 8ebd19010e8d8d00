// Packages as the sampler sees them: updates that wait, a reboot that is due, releases without
// support, programs that run replaced libraries; and since when.
#pragma once

#include "agent/collectors/kept/slow_source.h"
#include "agent/collectors/packages/packages_settings.h"

namespace tocsin::agent {

std::unique_ptr<AsyncSource> make_packages_source(const PackagesSettings& settings,
                                                  const SlowWorld& world);

}  // namespace tocsin::agent
