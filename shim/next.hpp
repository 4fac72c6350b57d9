// libc's own functions behind the wrappers of the same names.
//
// Found when first called, not at start: a wrapper may be called by a constructor that runs before any of this object's. Nothing here
// may allocate, or make a call that has a wrapper.
#pragma once

namespace weft::shim {

class next_function {
public:
  explicit constexpr next_function(const char* name) : name_(name) {}

  void* get() noexcept {
    void* at = __atomic_load_n(&at_, __ATOMIC_RELAXED);
    return at != nullptr ? at : find();
  }

private:
  void* find() noexcept;

  const char* name_;
  void* at_ = nullptr;
};

}  // namespace weft::shim
