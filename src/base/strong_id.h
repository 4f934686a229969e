// A number with a type of its own, so that two ids of different kinds do not compile together.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace synod {

template <class Tag, class Rep = std::uint64_t>
struct StrongId {
  Rep value{};
  friend auto operator<=>(const StrongId&, const StrongId&) = default;
};

template <class Tag, class Rep>
std::size_t hash_value(const StrongId<Tag, Rep>& id) {  // found by boost::hash
  return std::hash<Rep>{}(id.value);
}

}  // namespace synod

template <class Tag, class Rep>
struct std::hash<synod::StrongId<Tag, Rep>> {
  std::size_t operator()(const synod::StrongId<Tag, Rep>& id) const {
    return std::hash<Rep>{}(id.value);
  }
};
