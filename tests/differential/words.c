/* What every stage says in the same words, what it sees of threads, and what scenes are handed by way of memory. `say` is the stage's
 * own. */
#include <sys/mman.h>

#include "scene.h"

const char *error_name(int error) {
  const char *name = strerrorname_np(error);
  return name != NULL ? name : "unknown";
}

long report(const char *what, long result) {
  const int error = errno;
  if (result == -1) say("%s = %s", what, error_name(error));
  else say("%s = %ld", what, result);
  errno = error;
  return result;
}

void report_error(const char *what, int error) {
  if (error == 0) say("%s = 0", what);
  else say("%s = %s", what, error_name(error));
}

long must(const char *what, int line, long result) {
  if (result == -1) {
    fprintf(stderr, "stage: line %d: %s = %s\n", line, what, error_name(errno));
    _exit(3);
  }
  return result;
}

void *bad(void) {
  static void *volatile address;
  return (char *)address + 8;
}

void *read_only(size_t size) {
  void *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) abort();
  return at;
}

char *bytes(size_t size, int fill) {
  char *at = malloc(size);
  if (at == NULL) abort();
  memset(at, fill, size);
  return at; /* the process ends with the scene */
}

char state_of(pid_t tid) {
  char name[64], text[400] = "";
  snprintf(name, sizeof name, "/proc/self/task/%d/stat", (int)tid);
  const int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
  close(fd);
  const char *at = strrchr(text, ')');
  return at != NULL && at[1] != 0 ? at[2] : 0;
}
