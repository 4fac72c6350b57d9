#include "io/file_position.hpp"

namespace weft::io {

long file_position::wait(const char* reason) noexcept {
  if (fd_ < 0) return 0;
  for (file_position* p = h_.held_positions; p != nullptr;) {
    if (p->fd_ != fd_) {
      p = p->next_;
      continue;
    }
    detail::waiter w(reason);
    w.uninterruptible = true;
    p->waiting_.push_back(w);
    const wake why = detail::park(h_, w);
    if (why != wake::ready) return ended_by(why);
    p = h_.held_positions;
  }
  return 0;
}

file_position::held::held(file_position& p) noexcept : at_(p) {
  if (p.fd_ < 0) return;
  p.next_ = p.h_.held_positions;
  p.h_.held_positions = &p;
}

file_position::held::~held() {
  if (at_.fd_ < 0) return;
  for (file_position** p = &at_.h_.held_positions; *p != nullptr; p = &(*p)->next_)
    if (*p == &at_) {
      *p = at_.next_;
      break;
    }
  at_.waiting_.notify_all();
}

}  // namespace weft::io
