#include "alertd/incident/address_book.h"

#include <algorithm>
#include <iterator>

namespace tocsin::incident {

AddressBook::AddressBook(const std::map<std::string, std::vector<std::string>>& receivers) {
  for (const auto& [name, channels] : receivers) {
    const base::SharedText receiver(name);
    std::vector<Address>& addresses = receivers_[name];
    for (const std::string& channel : channels) addresses.push_back({receiver, channel});
  }
}

Addresses AddressBook::of(std::string_view receiver) const {
  const auto found = receivers_.find(receiver);
  if (found == receivers_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::vector<Address> AddressBook::in_order(const Addresses& addresses) const {
  std::vector<Address> ordered;
  for (auto each = addresses.begin(); each != addresses.end();) {
    const auto next = std::find_if(each, addresses.end(), [&](const Address& other) {
      return other.receiver != each->receiver;
    });
    if (const auto known = receivers_.find(each->receiver.view()); known != receivers_.end()) {
      std::copy_if(known->second.begin(), known->second.end(), std::back_inserter(ordered),
                   [&](const Address& address) { return std::find(each, next, address) != next; });
    }
    each = next;
  }
  return ordered;
}

}  // namespace tocsin::incident
