// A pipe as long as it is in scope: read at ends[0], written at ends[1].
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

struct pipe_pair {
  int ends[2];
  pipe_pair() { REQUIRE(::pipe(ends) == 0); }
  ~pipe_pair() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  pipe_pair(const pipe_pair&) = delete;
  pipe_pair& operator=(const pipe_pair&) = delete;
};
