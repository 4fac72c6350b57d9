# Runs inside gdb (run.py starts it): the looks that a person would take, at one scene, live or in a core dump. Each compares what gdb says
# with what the source says. The first that fails ends gdb with a message.
import os
import re
import sys
import traceback

import gdb

SOURCE = {name: os.path.join(os.environ["WEFT_SCENES"], name) for name in ("fibers.cpp", "threads.c")}


def line_of(source, words):
    with open(SOURCE[source]) as f:
        return next(n for n, line in enumerate(f, 1) if words in line and ("//" in line or "/*" in line))


def say(command):
    return gdb.execute(command, to_string=True)


def require(what, *seen):
    if not what:
        raise AssertionError("\n".join(str(s) for s in seen))


def rows():
    """Name or tid -> the rest of its line of "info fibers"."""
    found = {}
    for line in re.findall(r"^[* ] +\d+ .*", say("info fibers"), re.M):
        parts = re.split(r"  +", line[1:].strip(), maxsplit=3)
        if len(parts) == 3:  # without a name
            parts.insert(1, re.search(r"tid \d+|$", parts[1]).group())
        found[parts[1]] = (int(parts[0]), parts[2], parts[3])
    return found


def names():
    """Functions of the selected fiber's backtrace, innermost first."""
    return [m.group(1) for m in re.finditer(r"^#\d+ +(?:0x[0-9a-f]+ in )?(.*?) \(", say("backtrace"), re.M)]


def up_to(function, nth=1):
    frame = gdb.selected_frame()
    while frame is not None:
        if frame.name() is not None and re.sub(r"\(anonymous namespace\)::", "", frame.name()) == function:
            nth -= 1
            if nth == 0:
                frame.select()
                return frame
        frame = frame.older()
    raise AssertionError("no frame of %s in\n%s" % (function, say("backtrace")))


def up_to_function_like(words):
    frame = gdb.selected_frame()
    while frame is not None and words not in (frame.name() or ""):
        frame = frame.older()
    require(frame is not None, "no frame like", words, say("backtrace"))
    frame.select()
    return frame


def value(expression):
    return int(gdb.parse_and_eval(expression))


def ends_cleanly(text):
    # (A function of a stripped library has no name.)
    for bad in ("corrupt", "Backtrace stopped", r"\?\? \(\)$", "Cannot access memory", "Python Exception"):
        require(not re.search(bad, text, re.M), "%r in a backtrace:" % bad, text)


def run_until(settled):
    """The scene stops in `stage` again and again; until all stand where the looks want them."""
    gdb.execute("break stage")
    gdb.execute("run")
    while True:
        require(gdb.selected_inferior().pid != 0, "the scene has ended")
        try:
            if settled():
                return
        except gdb.error as e:  # another thread was stopped in the middle of something
            print("not yet:", e)
        gdb.execute("continue")


def run_to_the_end():
    gdb.execute("delete")
    gdb.execute("set var looked = 1")
    gdb.execute("continue")
    code = gdb.parse_and_eval("$_exitcode")
    require(code.type.code != gdb.TYPE_CODE_VOID and int(code) == 0, "the scene ended with", code)


# ---- fibers.cpp

def fibers_settled():
    seen = rows()
    wanted = ("deep", "reader", "task", "awaiter", "asker", "keeper", "locker", "joiner", "elsewhere")
    return all(name in seen and "parked" in seen[name][1] for name in wanted) and "sleep" in say("info fibers")


def look_at_fibers():
    seen = rows()
    require("parked: event.wait" in seen["deep"][1] and "waits_deep" in seen["deep"][2], seen)
    require(seen["deep"][2].endswith("fibers.cpp:%d" % line_of("fibers.cpp", "line of the event")), seen)
    for name, pipe in (("reader", "pipe_of_reader"), ("elsewhere", "pipe_of_other")):
        require("read, descriptor %d" % value(pipe + "[0]") in seen[name][1] and "reads" in seen[name][2], seen)
    require("task" in seen["task"][1] and "inner" in seen["task"][2], seen)

    require("parked: mutex.lock at 0x%x, held by %d" % (value("(unsigned long)&'(anonymous namespace)::kept'"), seen["keeper"][0])
            == seen["locker"][1], seen)
    require("parked: join, the end of %d" % seen["locker"][0] == seen["joiner"][1], seen)

    # A stack of calls: each frame has its own values.
    require("deep" in say("fiber deep"))
    require(names().count("waits_deep") + sum(n.endswith("::waits_deep") for n in names()) == 4, say("backtrace"))
    for depth in range(4):
        frame = up_to("waits_deep", 1 if depth == 0 else 2)
        require(value("depth") == depth and value("ten_times") == 10 * depth, depth, say("info locals"))
        where = "line of the event" if depth == 0 else "line of a deep call"
        require(frame.find_sal().line == line_of("fibers.cpp", where), frame.find_sal())
    require("depth = 2" in say("down") or value("depth") == 2)
    say("fiber reader")
    up_to("reads")
    require(value("marker") == 4242 and value("fd") == value("pipe_of_reader[0]"), say("info locals"))

    # Another hub: its fiber is shown on its own OS thread.
    main_thread = gdb.selected_thread().ptid
    say("fiber elsewhere")
    up_to("reads")
    require(value("fd") == value("pipe_of_other[0]") and gdb.selected_thread().ptid != main_thread)

    # Coroutines: who awaits whom, where, with which variables.
    for fiber, begun_with in (("task", 5), ("awaiter", 50)):
        say("fiber " + fiber)
        text = say("backtrace")
        require([n.split("::")[-1] for n in names()[:2]] == ["inner", "middle"], text)
        for function in ("inner", "middle"):
            require(re.search(r"%s \(.*fibers.cpp:%d\b" % (function, line_of("fibers.cpp", "line of " + function)), text), text)
        if os.environ.get("WEFT_COROUTINE_VARIABLES") == "yes":
            variables = say("fiber variables")
            require("twice = %d" % (2 * begun_with + 2) in variables and "x = %d" % (begun_with + 1) in variables, variables)
    require(any(n.split("::")[-1] == "awaits" for n in names()[2:]), say("backtrace"))

    # A stack of the fiber's on which it does not stand: a generator.
    say("fiber %d.1" % seen["asker"][0])
    frame = up_to_function_like("yields_deep")
    require(frame.find_sal().line == line_of("fibers.cpp", "line of the yield"), frame.find_sal())
    require(value("n") == 2 and value("depth") == 0, say("info locals"))

    for part in say("fiber apply all backtrace").split("\nFiber ")[1:]:
        if "main of LWP" not in part:  # which begins in libraries
            ends_cleanly(part)
    require("deep" in say("fiber apply %d-%d fiber" % (seen["deep"][0], seen["deep"][0])))
    try:
        say("fiber nobody")
        raise AssertionError("a fiber of no name was found")
    except gdb.error as e:
        require("No fiber nobody" in str(e), e)
    say("fiber off")


def look_at_selection():
    """What was selected stays so, and nothing of gdb's is left changed."""
    level = gdb.selected_frame().level()
    say("up")
    say("fiber apply all backtrace")
    require(gdb.selected_frame().level() == level + 1, gdb.selected_frame().level())
    past_main = gdb.parameter("backtrace past-main")
    say("fiber deep")
    frame = up_to("waits_deep")
    say("fiber apply all info locals")
    say("info fibers")
    require(gdb.selected_frame().level() == frame.level(), "another frame is selected")
    require("deep" in say("fiber"), say("fiber"))
    say("fiber off")
    require(gdb.parameter("backtrace past-main") == past_main)
    require("main" in say("fiber"), say("fiber"))


def fibers_live():
    run_until(fibers_settled)
    look_at_fibers()
    look_at_selection()
    # Waits until the fiber comes back to that frame, although it is another one that runs meanwhile.
    say("fiber deep")
    up_to("waits_deep", 2)
    gdb.execute("delete")
    gdb.execute("set var looked = 1")
    say("finish")
    require(gdb.selected_frame().name().endswith("waits_deep") and value("depth") == 2, say("backtrace"))
    require(value("$") == 11, "finish says", value("$"))
    run_to_the_end()


def fibers_core_is_made():
    run_until(fibers_settled)
    gdb.execute("generate-core-file " + os.environ["WEFT_CORE"])
    run_to_the_end()


def fibers_core():
    look_at_fibers()
    look_at_selection()


# ---- switches.cpp

def switches_live():
    """Wherever in a switch the program is stopped, each fiber is shown on its own stack."""
    gdb.execute("break stage")
    gdb.execute("run")
    seen = set()
    for _ in range(80):
        for name, (number, state, function) in rows().items():
            if name in ("ping", "pong"):  # (who is taken from the ready queue is in no list for some instructions)
                seen.add((name, state))
                stack = say("fiber apply %d -q backtrace" % number)
                require(re.findall(r"\b(p[io]ng) \(\)", stack) == [name], name, state, stack)
                require({"ping": "pong", "pong": "ping"}[name] not in function, name, state, function)
        say("stepi 5")
    require({("ping", "running"), ("ping", "ready"), ("pong", "running"), ("pong", "ready")} <= seen, seen)
    run_to_the_end()


# ---- threads.c

LEAST_TID = 1 << 24  # of green threads


def threads_settled():
    text = say("info fibers")
    return text.count("parked: futex") == 3 and "parked: read" in text and (value("counted") > 0)


def look_at_threads():
    text = say("info fibers")
    found = {}
    for line in re.findall(r"^[* ] +\d+ .*", text, re.M):
        found[int(re.search(r"tid (\d+)", line).group(1))] = line
    # In the order in which they were made.
    tids = sorted(tid for tid in found if tid >= LEAST_TID)
    deadlocked = [found[tids[0]], found[tids[1]]]
    for line, lock, holder in zip(deadlocked, ("second", "first"), reversed(deadlocked)):
        require("futex at 0x%x" % value("(unsigned long)&" + lock) in line, line)
        require("held by " + holder[1:].split()[0] in line, line)
    require("descriptor %d" % value("ends[0]") in found[tids[2]], text)
    main = next(line for tid, line in found.items() if tid < LEAST_TID)
    require("held by " + main[1:].split()[0] in found[tids[4]], text)

    for tid, who in ((tids[0], 1), (tids[1], 2)):
        say("fiber %d" % tid)
        frame = up_to("take")
        require(frame.find_sal().line == line_of("threads.c", "line of the second lock"), frame.find_sal())
        require(value("who") == who and value("eleven_times") == 11 * who, say("info locals"))
        require(value("$fiber_tls(mine)") == who, value("$fiber_tls(mine)"))
    say("fiber %d" % tids[2])
    require(up_to("reads").find_sal().line == line_of("threads.c", "line of the read"))
    require(value("$fiber_tls(mine)") == 3)
    # Preempted, in the middle of its computation: a signal's frame is between.
    say("fiber %d" % tids[3])
    up_to("counts")
    require(value("$fiber_tls(mine)") == 4)
    ends_cleanly(say("fiber apply all backtrace"))
    say("fiber off")


def threads_live():
    run_until(threads_settled)
    look_at_threads()
    require(value("$fiber_tls(mine)") == 100, value("$fiber_tls(mine)"))
    run_to_the_end()


def threads_core_is_made():
    run_until(threads_settled)
    gdb.execute("fiber core " + os.environ["WEFT_CORE"])
    run_to_the_end()


def threads_core():
    look_at_threads()


def native_threads():
    """The kernel's threads, blocked in the code that stands for rewritten system calls: gdb walks through it."""
    def settled():
        text = say("thread apply all backtrace")
        there = all(name in text for name in ("reads (", "counts (", "asks ("))
        return there and text.count("take (") == 2 and text.count(" in ?? ()") >= 4
    run_until(settled)
    for part in say("thread apply all backtrace").split("\nThread ")[1:]:
        require("corrupt" not in part and "Backtrace stopped" not in part, part)
        # That code has no name, but what called it has.
        require(len(re.findall(r"\?\? \(\)$", part, re.M)) <= 1, part)
        require(any(name in part for name in ("take (", "reads (", "counts (", "asks (", "main (")), part)
    run_to_the_end()


try:
    gdb.execute("set pagination off")
    gdb.execute("set confirm off")
    gdb.execute("set width 0")
    gdb.execute("set style enabled off")
    globals()[os.environ["WEFT_LOOK"]]()
    print("looked at everything")
except BaseException:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)  # gdb kills what it started
