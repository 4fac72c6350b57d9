// Range-for over whatever hands out items one after the other: `next()` gives an optional, empty at the end.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace weft::detail {

// An input iterator over a Source of T; it asks for the first item when it is made.
template <class Source, class T>
class item_iterator {
public:
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  explicit item_iterator(Source& s) : of_(&s), item_(s.next()) {}
  T& operator*() const noexcept { return *item_; }
  item_iterator& operator++() {
    item_.reset();
    if (auto v = of_->next()) item_.emplace(std::move(*v));
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const item_iterator& i, std::default_sentinel_t) noexcept { return !i.item_; }

private:
  Source* of_;
  mutable std::optional<T> item_;
};

}  // namespace weft::detail
