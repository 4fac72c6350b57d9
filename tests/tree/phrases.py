# The phrase books compile: every piece of code in the columns of docs/styles.md and docs/coming-from.md that are Weft's, with each
# compiler that is here. What a line needs besides (a handle g, a queue q, ...) is declared below, the same for all lines of a table.
# `...` in a line stands for whatever the reader has there.
import os
import re
import shutil
import subprocess
import sys

root = os.path.abspath(sys.argv[1])

PRELUDE = """
#include <condition_variable>
#include <mutex>
#include <weft/testing.hpp>
#include <weft/weft.hpp>
#include <weft/weft.h>
using namespace std::chrono_literals;
namespace weft::phrase_book {
using T = int;
struct anything {
  fiber<int> g;
  std::vector<fiber<int>> gs, ts;
  queue<int> q;
  channel<int> ch;
  pool p{4};
  thread_pool threads{1};
  mutex m;
  std::unique_lock<mutex> held{m};
  condition_variable c;
  event e;
  stream s;
  cancel_scope scope;
  task_group n;
  once_flag flag;
  hub home = hub::current();
  std::exception_ptr x;
  std::chrono::steady_clock::time_point t;
  std::vector<int> xs;
  std::string host;
  int fd = 0, v = 1;
  char b[100];
  static int fn() { return 1; }
  static void over(any_fiber) {}
  static void got(std::optional<int>) {}
  static void late() {}
};
struct fibers : anything {
  static constexpr auto f = [](auto...) { return 1; };
  static int h() { return 2; }
  static void serve(stream, const endpoint&) {}
  static void serves(task_status<int>) {}
  fiber_generator<int, int> gen{[](auto& yield) { yield(1); }};
};
struct tasks : anything {
  static constexpr auto f = [](auto...) -> task<int> { co_return 1; };
  static task<int> h() { co_return 2; }
  static task<> serve(stream) { co_return; }
  static task<> serves(task_status<int>) { co_return; }
  static async_generator<int, int> numbers() { co_yield 1; }
  async_generator<int, int> gen = numbers();
  static task<> body(task_group&) { co_return; }
};
struct elsewhere {  // coming-from.md
  fiber<int> g, t;
  std::vector<fiber<int>> gs, ts;
  std::vector<int> items;
  weft::pool pool{4};
  queue<int> q;
  channel<int> ch, a, b, *pointer = nullptr;
  stream s;
  cancel_scope scope;
  task_group n;
  thread_pool threads{1};
  once_flag once;
  timer_handle timer;
  task_status<int> status;
  std::vector<std::string> argv;
  int fd = 0;
  static void serve(task_status<int>) {}
  hub home = hub::current();
  std::chrono::steady_clock::time_point when;
  std::chrono::seconds d{1};
  std::string host, text;
  std::uint16_t port = 0;
  int v = 1, w = 2, x = 3;
  static constexpr auto f = [](auto...) { return 1; };
  static void handle(stream) {}
};
"""

# What a table's columns are called, and the functions that their pieces stand in.
COLUMNS = {
    "fiber style": ("fibers", "void"), "task style": ("tasks", "task<>"), "Weft": ("elsewhere", "void"),
}


def statement(code):
    """One piece as a statement."""
    code = re.sub(r"\{ \.\.\. \}", "{}", code)
    if re.fullmatch(r"[\w:]+", code):
        return f"{{ using {'' if '::' in code else '::' if code.startswith('weft_') else 'weft::'}{code}; }}"
    if re.fullmatch(r"[\w:]+<[\w, ]+>", code):
        return f"{{ using phrase = {code}; }}"
    if re.fullmatch(r"[\w:]+\(\w+\);?", code):    # or it would declare what stands in the parentheses
        return f"static_cast<void>({code.rstrip(';')});"
    if code.startswith(("for ", "while ")) and code.endswith(")"):
        return code + " {}"
    return code.rstrip(";") + ";"


def pieces(cell):
    """The code of a cell, as one block: `X` of `MAKER` is auto NAME = MAKER; X;"""
    out, code = [], re.findall(r"`([^`]+)`", cell)
    if made := re.search(r"`([^`]+)` of `([^`]+)`", cell):
        name = re.search(r"(\w+)\.next\(\)", made[1])[1]
        return [f"auto {name} = {made[2]};", statement(made[1])]
    for one in code:
        if not one.endswith("::"):
            out.append(statement(one))
    return out


source, looked_at = [PRELUDE], 0
for path in ["docs/styles.md", "docs/coming-from.md"]:
    columns = []
    for number, line in enumerate(open(os.path.join(root, path), encoding="utf-8"), 1):
        cells = [c.strip() for c in line.strip()[1:-1].split("|")] if line.startswith("|") else []
        if not cells:
            columns = []
        elif not columns:
            columns = cells
        elif not set("".join(cells)) <= set("|- ") and len(columns) == len(cells):
            for column, cell in zip(columns, cells):
                if column in COLUMNS and (body := pieces(cell)):
                    of, gives = COLUMNS[column]
                    end = "co_return; " if gives == "task<>" else ""
                    source.append(f'struct phrase_{len(source)} : {of} {{ {gives} run(); }};\n{gives} phrase_{len(source)}::run() {{\n'
                                  f'#line {number} "{path}"\n' + " ".join(body) + f" {end}}}\n")
                    looked_at += len(body)
        elif any(column in COLUMNS for column in columns) and len(columns) != len(cells):
            sys.exit(f"{path}:{number}: {len(cells)} cells under {len(columns)} columns")
source.append("}\n")

if "--show" in sys.argv:
    print("".join(source))
wrong = 0
for compiler in filter(shutil.which, ["g++", "clang++"]):
    done = subprocess.run([compiler, "-std=c++20", "-fsyntax-only", "-Wno-unused", "-x", "c++", "-I", os.path.join(root, "include"), "-"],
                          input="".join(source), capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    # (g++ calls coroutines that nobody generates code for "never defined".)
    print(f"{compiler}: {looked_at} phrases, status {done.returncode}\n{done.stderr if done.returncode != 0 else ''}", end="")
    wrong += done.returncode != 0
if looked_at < 100:
    sys.exit("hardly any phrases were found: have the tables changed?")
sys.exit(wrong != 0)
