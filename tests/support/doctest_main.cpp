// The main function of every test program. Doctest's own: Weft asks for no run() of its own, main is a fiber already.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
