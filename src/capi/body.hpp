// What a fiber of weft.h runs: by its type those fibers are known whose result is a void*.
#pragma once

namespace weft::capi {

struct c_body {
  void* (*fn)(void*);
  void* arg;
  void* operator()() const { return fn(arg); }
};

}  // namespace weft::capi
