// The addresses that can be told something: the channels of each receiver, as configured.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/incident/escalation.h"

namespace tocsin::incident {

/// Made once for a configuration, so that what is told of many incidents shares the names.
class AddressBook {
 public:
  /// `receivers`: name -> names of its channels, as IncidentSettings::receivers.
  explicit AddressBook(const std::map<std::string, std::vector<std::string>>& receivers);

  /// Returns the addresses of the receiver; none if it is not configured.
  Addresses of(std::string_view receiver) const;
  /// Returns those that are configured: by receiver, the channels as they are configured.
  std::vector<Address> in_order(const Addresses& addresses) const;

 private:
  std::map<std::string, std::vector<Address>, std::less<>> receivers_;
};

}  // namespace tocsin::incident
