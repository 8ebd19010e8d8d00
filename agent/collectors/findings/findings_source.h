// Scanners' results as the sampler sees them: findings by severity, how old the oldest is, when the
// scan was.
//
// A file that is missing, cut or of another format is a failed check named after the tool; the last
// good result is told on beside it, with its own time, and never a zero in its place.
#pragma once

#include "agent/collectors/findings/findings_settings.h"
#include "agent/collectors/kept/slow_source.h"

namespace tocsin::agent {

std::unique_ptr<AsyncSource> make_findings_source(const FindingsSettings& settings,
                                                  const SlowWorld& world);

}  // namespace tocsin::agent
