# What the tests of this folder share: commands with a time limit, findings counted, programs of a user compiled and run.
import os
import subprocess
import sys

wrong = 0

C_PROGRAM = """
#include <stdio.h>
#include <weft/weft.h>
static void *greet(void *name) { weft_sleep(WEFT_MS(1)); printf("hello, %s\\n", (const char *)name); return NULL; }
int main(void) {
  weft_fiber *fiber;
  if (weft_spawn(&fiber, greet, "user") != 0) return 1;
  weft_join(fiber, NULL);
  weft_release(fiber);
  return 0;
}
"""
CXX_PROGRAM = """
#include <weft/weft.hpp>
#include <cstdio>
#include <unistd.h>
int main() {
  const weft::patch_result patched = weft::patch_all();
  auto a = weft::spawn([] { usleep(2000); return 40; });
  auto b = weft::spawn([] { weft::this_fiber::sleep_for(std::chrono::milliseconds(1)); return 2; });
  std::printf("%d %s\\n", a.get() + b.get(), patched.sites_patched > 0 ? "patched" : "not patched");
}
"""


def run(words, seconds=300, **more):
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=seconds, **more)
    return done.returncode, done.stdout


def must(words, seconds=300, **more):
    status, said = run(words, seconds, **more)
    if status != 0:
        print(f"status {status} of: {' '.join(str(w) for w in words)}\n{said[-4000:]}")
        sys.exit(1)
    return said


def check(what, good, said=""):
    global wrong
    print(("ok: " if good else "WRONG: ") + what, flush=True)
    if not good:
        wrong += 1
        print(said)


def end():
    sys.exit(1 if wrong else 0)


def compilers():
    return os.environ.get("CC", "cc").split(), os.environ.get("CXX", "c++").split()


def users_programs(folder, flags, environment, wrapper=()):
    """Compiles a C11 and a C++20 program with `flags` in `folder`, and runs them by `wrapper`."""
    cc, cxx = compilers()
    for name, compiler, standard, text, output in (("c", cc, "-std=c11", C_PROGRAM, "hello, user\n"),
                                                   ("cpp", cxx, "-std=c++20", CXX_PROGRAM, "42 patched\n")):
        source, program = f"{folder}/user.{name}", f"{folder}/user-{name}"
        with open(source, "w", encoding="utf-8") as f:
            f.write(text)
        must([*compiler, standard, "-Wall", "-Wextra", "-Werror", source, "-o", program, *flags])
        status, said = run([*wrapper, program], env=environment)
        check(f"a user's program in {name} compiles without warnings and runs", status == 0 and said == output, said)
