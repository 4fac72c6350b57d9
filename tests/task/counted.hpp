// An object whose living copies are counted: what is left when something was destroyed half-way.
#pragma once

struct counted {
  static inline int alive = 0;
  counted() { ++alive; }
  counted(const counted&) { ++alive; }
  ~counted() { --alive; }
};
