# Scenarios: run-times of languages that bring threads of their own: each plays one program of programs/ that says what came out.
# What they do to threads differs most where they stop them all for their garbage, by signals, and where they end them from outside.
import os
import shutil

from aids import HERE, helper
from scenario import need, scenario


def source(name):
    return os.path.join(HERE, "programs", name)


def own_copy(side, name):
    """For compilers that write beside what they read."""
    return shutil.copy(source(name), side.file(name))


def said(side, *command, status=0):
    return {"said": side.run(list(command), status=status).out}


@scenario("swipl threads", "SWI-Prolog: message queues, mutexes, concurrent goals, time limits, signals to threads, sockets, garbage",
          ["swipl"],
          ["swi-prolog-nox"], group="languages")
def prolog(side):
    return said(side, need("swipl"), source("threads.prolog"))


@scenario("erl", "Erlang: 5,000 processes, 50 TCP clients, files, ports, timers, shared tables, links on its schedulers", ["erl", "erlc"],
          ["erlang-base"], group="languages")
def erlang(side):
    helper(need("erlc"), "-o", side.path, source("threads.erl"))
    return said(side, need("erl"), "-noshell", "-pa", side.path, "-s", "threads", "main")


@scenario("mono", "C#: 100 threads, monitors, tasks, async sockets, timers, interrupts, aborts, garbage with all threads stopped", ["mono",
          "mcs"], ["mono-runtime", "mono-mcs", "libmono-system-core4.0-cil"], group="languages")
def mono(side):
    helper(need("mcs"), "-nologo", "-warn:0", "-out:" + side.file("Threads.exe"), source("Threads.cs"))
    return said(side, need("mono"), side.file("Threads.exe"))


@scenario("OCaml threads", "its master lock and tick, mutexes, conditions, events, 40 TCP clients, signals, children, stack overflow",
          ["ocamlfind", "ocamlopt"], ["ocaml-nox", "ocaml-findlib"], group="languages")
def ocaml(side):
    helper(need("ocamlfind"), "ocamlopt", "-thread", "-package", "threads.posix,unix", "-linkpkg", own_copy(side, "threads.ml"), "-o",
           side.file("threads"))
    return said(side, side.file("threads"), status=3)


@scenario("ghc -threaded",
          "Haskell on four capabilities: 1,000 threads, bound threads, MVar, transactions, time-outs, exceptions from outside",
          
          ["ghc"], ["ghc"], group="languages")
def haskell(side):
    helper(need("ghc"), "-v0", "-threaded", "-rtsopts", own_copy(side, "Threads.hs"), "-o", side.file("threads"), seconds=120)
    return said(side, side.file("threads"), "+RTS", "-N4", status=3)


@scenario("D threads", "gdc: a collector that stops all threads by signals, messages, task pools, conditions, 40 TCP clients, fibers",
          ["gdc"],
          ["gdc"], group="languages")
def d(side):
    helper(need("gdc"), "-o", side.file("threads"), source("threads.d"), seconds=120)
    return said(side, side.file("threads"))


@scenario("rustc and Rust threads",
          "the compiler with its threads, and what it made: scopes, channels, barriers, park, 50 TCP clients, panics",
          
          ["rustc"], ["rustc"], group="languages")
def rust(side):
    side.run([need("rustc"), "-O", "-C", "codegen-units=4", "-o", side.file("threads"), source("threads.rs")], seconds=120)
    return said(side, side.file("threads"), status=3)
