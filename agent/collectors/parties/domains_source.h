// Registrations of domains, as their registries tell them.
#pragma once

#include <functional>
#include <memory>

#include "agent/collectors/kept/slow_source.h"
#include "agent/collectors/parties/parties_settings.h"

namespace tocsin::agent {

/// Fetches a URL. Errors: NotFound (status 404), others: no answer.
using DomainFetch =
    std::function<base::Result<std::string>(const std::string& url, const std::string& accept)>;

/// What the source is made of; outlives it, and a call that hangs.
struct DomainsWorld {
  base::Executor& executor;  ///< The sampler's.
  base::FileSystem& files;
  base::FailureLog& failures;
};

/// Over HTTP, on a thread of its own.
std::unique_ptr<AsyncSource> make_domains_source(const DomainsSettings& settings,
                                                 const DomainsWorld& world);

/// The same with another way to fetch; for tests.
std::unique_ptr<AsyncSource> make_domains_source(const DomainsSettings& settings,
                                                 const DomainsWorld& world, DomainFetch fetch);

}  // namespace tocsin::agent
