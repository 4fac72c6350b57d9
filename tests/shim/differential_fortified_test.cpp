// The same scenes built with _FORTIFY_SOURCE: their calls are __read_chk, __recv_chk, __poll_chk, which no interposed symbol sees.
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 3
#include "differential_test.cpp"
