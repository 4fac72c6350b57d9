/* stdio over pipes and sockets, and a library that is opened at run time and blocks. */
#include <dlfcn.h>
#include <stdio_ext.h>

#include "../scene.h"

#define GROUP "streams"

static int pair[2];

static void answer_lines(void *arg) {
  (void)arg;
  FILE *f = fdopen(pair[1], "r+");
  char line[64];
  while (fgets(line, sizeof line, f) != NULL) {
    say("%s", line);
    fprintf(f, "answer to %s", line);
    fflush(f);
  }
  say(feof(f) ? "end" : "error");
  fclose(f);
}

SCENE(lines_over_a_socket) {
  unix_pair(SOCK_STREAM, pair);
  part *other = go(answer_lines, NULL);
  FILE *f = fdopen(pair[0], "r+");
  char line[64];
  for (int i = 0; i < 3; ++i) {
    DO(fprintf(f, "question %d\n", i));
    DO(fflush(f));
    say("%s", fgets(line, sizeof line, f) != NULL ? line : "no line");
  }
  DO(fclose(f));
  join(other);
}

static void write_numbers(void *arg) {
  (void)arg;
  FILE *f = fdopen(pair[1], "w");
  setvbuf(f, NULL, _IOFBF, 4096);
  long sum = 0;
  for (int i = 0; i < 20000; ++i) sum += fprintf(f, "line number %d\n", i);
  say("wrote %ld", sum);
  DO(fputs("without an end", f) >= 0);
  DO(fclose(f));
}

SCENE(getline_from_a_pipe) {
  pipe_pair(pair);
  part *writer = go(write_numbers, NULL);
  FILE *f = fdopen(pair[0], "r");
  char *line = NULL;
  size_t room = 0;
  long count = 0, sum = 0, n;
  while ((n = getline(&line, &room, f)) > 0) {
    ++count;
    sum += n;
  }
  say("%ld lines, %ld bytes, last: %s", count, sum, line);
  DO(feof(f));
  DO(ferror(f));
  DO(fgetc(f));
  DO(fclose(f));
  join(writer);
}

static void write_words(void *arg) {
  (void)arg;
  DO(dprintf(pair[1], "12 words and %s\n", "numbers"));
  usleep(1000);
  DO(dprintf(pair[1], "34;"));
  DO(close(pair[1]));
}

SCENE(scanning) {
  unix_pair(SOCK_STREAM, pair);
  part *writer = go(write_words, NULL);
  FILE *f = fdopen(pair[0], "r");
  int a = 0, b = 0;
  char word[32] = "";
  DO(fscanf(f, "%d %31s and numbers %d", &a, word, &b));
  say("%d %s %d", a, word, b);
  DO(fgetc(f));
  DO(ungetc('u', f));
  char block[8];
  DO((long)fread(block, 1, sizeof block, f));
  DO(fread(block, 1, sizeof block, f) == 0 ? feof(f) : -1);
  DO(fclose(f));
  join(writer);
}

static void read_in_blocks(void *arg) {
  (void)arg;
  FILE *f = fdopen(pair[0], "r");
  char block[3000];
  long sum = 0;
  for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;) sum += (long)n;
  say("read %ld", sum);
  fclose(f);
}

SCENE(unbuffered_and_blocks) {
  pipe_pair(pair);
  part *reader = go(read_in_blocks, NULL);
  FILE *f = fdopen(pair[1], "w");
  setvbuf(f, NULL, _IONBF, 0);
  char *data = bytes(300000, 'd');
  DO((long)fwrite(data, 1, 300000, f));
  DO(fputc('x', f));
  setvbuf(f, NULL, _IOLBF, 0);
  DO(fputs("a line\n", f) >= 0);
  DO(fclose(f));
  join(reader);
  MUST(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
  pipe_pair(pair);
  MUST(close(pair[0]));
  f = fdopen(pair[1], "w");
  DO(fputs("nobody reads", f) >= 0);
  DO(fflush(f));
  DO(ferror(f));
  DO(fclose(f));
}

static void tell_late(void *arg) {
  (void)arg;
  hear(pair[1]);
  tell(pair[1]);
}

static void *open_library(void) {
  const char *path = getenv("WEFT_SCENE_LIBRARY");
  void *library = path != NULL ? dlopen(path, RTLD_NOW) : NULL;
  if (library == NULL) say("no library: %s", path != NULL ? dlerror() : "WEFT_SCENE_LIBRARY is not set");
  return library;
}

static void read_by(const char *function) {
  unix_pair(SOCK_STREAM, pair);
  void *library = open_library();
  if (library == NULL) return;
  long (*call)(int) = NULL;
  *(void **)&call = dlsym(library, function);
  /* Whoever holds up the other part gets EAGAIN. */
  const struct timeval limit = {2, 0};
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  part *other = go(tell_late, NULL);
  tell(pair[0]);
  const long got = call(pair[0]);
  say("%ld", got);
  if (got != 1) hear(pair[0]);
  join(other);
  DO(dlclose(library));
}

SCENE(opened_library) { read_by("library_read"); }

/* A system call instruction of the library's own. */
SCENE(opened_library_inline) { read_by("library_read_inline"); }
