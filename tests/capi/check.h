/* The few lines that a test program in C needs: cases with sentences for names, checks that tell file and line. */
#ifndef WEFT_TESTS_CAPI_CHECK_H
#define WEFT_TESTS_CAPI_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                                             \
  do {                                                                                               \
    if (!(condition)) {                                                                              \
      fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);      \
      ++failures;                                                                                    \
    }                                                                                                \
  } while (0)

/* The call fails with -1 and this errno. */
#define CHECK_FAILS(call, error) \
  do {                           \
    errno = 0;                   \
    CHECK((call) == -1);         \
    CHECK(errno == (error));     \
  } while (0)

struct test_case {
  const char *sentence;
  void (*run)(void);
};

static int run_cases(const struct test_case *cases, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const int before = failures;
    cases[i].run();
    if (failures != before) fprintf(stderr, "failed: %s\n", cases[i].sentence);
  }
  printf("%zu cases, %d failed checks\n", count, failures);
  return failures == 0 ? 0 : 1;
}

#define RUN_CASES(cases) run_cases(cases, sizeof(cases) / sizeof((cases)[0]))

#endif
