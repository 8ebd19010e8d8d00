// Escalation and policy as JSON inside an incident's stored body; for record_codec.cc and
// json_codec.cc.
#pragma once

#include <boost/json/fwd.hpp>

#include "alertd/incident/escalation.h"
#include "common/base/result.h"

namespace tocsin::incident {

boost::json::object escalation_value(const Escalation& escalation);
/// Errors: Corruption (names the field).
base::Result<Escalation> read_escalation(const boost::json::object& object);

boost::json::array addresses_value(const Addresses& addresses);
/// Errors: Corruption.
base::Result<Addresses> read_addresses(const boost::json::array* array);

}  // namespace tocsin::incident
