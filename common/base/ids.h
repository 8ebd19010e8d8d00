// Ids are distinct types: an AlertId is never passed where a GroupId is wanted.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace tocsin::base {

/// A number that names one kind of thing. `Tag` is any type, usually declared in place.
template <class Tag, class Rep = std::uint64_t>
struct Id {
  Rep value{};
  friend auto operator<=>(const Id&, const Id&) = default;
};

}  // namespace tocsin::base

template <class Tag, class Rep>
struct std::hash<tocsin::base::Id<Tag, Rep>> {
  std::size_t operator()(const tocsin::base::Id<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
