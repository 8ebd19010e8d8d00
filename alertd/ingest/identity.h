// Whose samples these are: checked and stamped by the server, never taken from the sender on trust.
#pragma once

#include <string>

#include "alertd/ingest/agent_registry.h"
#include "common/base/result.h"
#include "common/model/write_batch.h"

namespace tocsin::ingest {

/// Why a whole request is refused.
enum class IdentityFault {
  None,
  ReservedName,  ///< Nothing but series that only the daemon itself may write.
  ForeignHost,   ///< `host` is another one, and no relay pattern allows it.
  ForeignLabel,  ///< Another forced label has another value.
};

/// Returns "reserved_name", ...: the value of the label `reason`.
const char* to_string(IdentityFault fault);

struct IdentityVerdict {
  IdentityFault fault = IdentityFault::None;
  std::string message;               ///< Names the series and the label.
  std::size_t reserved_samples = 0;  ///< Left out, because only the daemon may write their series.
};

/// Checks every series and stamps the forced labels.
///
/// With an agent: `host` is its name unless it may relay for the host that is there; its other
/// labels are forced; `instance` becomes the host where it is missing. A contradiction refuses the
/// request. Without (a local writer): labels stay as they are. Series with reserved names are taken
/// out of the batch, from whomever it comes (a Prometheus has its own ALERTS among what it sends);
/// if nothing else is in it, that is a fault. Pure; the batch is unusable after a fault.
IdentityVerdict check_and_stamp(model::WriteBatch& batch, const Agent* agent);

/// Returns whether only the daemon itself may write this metric.
bool is_reserved_metric(std::string_view name);

}  // namespace tocsin::ingest
