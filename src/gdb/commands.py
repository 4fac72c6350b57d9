# Last part: the commands.


class WeftInfoFibers(gdb.Command):
    """List Weft's fibers, green threads and tasks: number, name, state, what they wait for, and where they stand.
Usage: info fibers [-a] [NUMBER | NAME]...
With -a also those that Weft runs for itself. The function is the innermost one that is not Weft's own.
An asterisk marks the fiber that gdb's frame commands show."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STATUS, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        everybody = "-a" in words
        words = [w for w in words if w != "-a"]
        process = WeftProcess.now()
        wanted = [f for f in process.fibers if everybody or not f.service]
        if words:
            wanted = weft_listed(process, words)
        current = weft_current(process)
        lines, tops = [], WeftTops()
        with weft_state.kept():
            for f in wanted:
                try:
                    top = tops.of(process, f)
                except (gdb.error, gdb.GdbError) as failure:
                    top = "(%s)" % failure
                mark = "*" if current is not None and f.at == current.at else " "
                lines.append((mark, f.id(), f.name or "", f.describe() + process.target_of(f), top))
        if not lines:
            gdb.write("No fibers.\n")
            return
        widths = [max(len(line[i]) for line in lines) for i in range(4)]
        head = ("", "Id", "Name", "State", "Function")
        widths = [max(w, len(h)) for w, h in zip(widths, head)]
        for line in [head] + lines:
            gdb.write("%s %s  %s  %s  %s\n" % (line[0].ljust(1), line[1].ljust(widths[1]), line[2].ljust(widths[2]),
                                             line[3].ljust(widths[3]), line[4]))


class WeftFiberCommand(gdb.Command):
    """Select a fiber: bt, frame, up, down, info locals and the like then show its frames.
Usage: fiber [NUMBER | NAME | TID | ADDRESS]
Without an argument: says which fiber is selected. Numbers are those of "info fibers".
The program is not touched. The selection ends when it runs, when another thread is selected, or by "fiber off".
A fiber that does not run cannot be stepped: step, next and stepi go on with the OS thread. "finish" and "until" wait for the fiber."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)

    def complete(self, text, word):
        return weft_completion(word) + [w for w in ("apply", "core", "off", "variables") if w.startswith(word)]

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        process = WeftProcess.now()
        if not argument.strip():
            f = weft_current(process)
            if f is None:
                raise WeftError("No fiber is selected, and this thread runs none.")
            gdb.write("[Current fiber is %s]\n" % (f.title()[0].lower() + f.title()[1:]))
            return
        f = process.find(argument)
        selection = WeftSelection(process, f)
        weft_state.choose(selection)
        gdb.write("[Switching to %s]\n" % (f.title()[0].lower() + f.title()[1:]))
        top = selection.top()
        top.select()
        awaited = selection.awaits.get(int(top.read_register("rsp")))
        if awaited is None:
            gdb.execute("frame")
        else:
            gdb.write("#%d  %s\n" % (top.level(), awaited.where()))


class WeftFiberOff(gdb.Command):
    """Select no fiber: frame commands show the OS thread again."""

    def __init__(self):
        super().__init__("fiber off", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        weft_state.leave()


class WeftFiberVariables(gdb.Command):
    """Print the variables of the coroutine in the selected frame, which lie in its frame in memory ("info locals" looks on stacks).
Usage: fiber variables [FRAME-ADDRESS]
With an address, such as that of a generator's coroutine handle: of that coroutine, which must be suspended."""

    def __init__(self):
        super().__init__("fiber variables", gdb.COMMAND_STACK, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        layout = WeftLayout()
        if argument.strip():
            awaited = WeftAwait(layout, int(gdb.parse_and_eval(argument)))
        else:
            chosen = weft_state.selection
            awaited = chosen and chosen.awaits.get(int(gdb.selected_frame().read_register("rsp")))
            if not awaited:
                raise WeftError("The selected frame is not a suspended coroutine's.")
        none = True
        for name, value in awaited.variables():
            none = False
            gdb.write("%s = %s\n" % (name, value.format_string()))
        if none:
            gdb.write("No variables, or no debugging information.\n")


class WeftFiberApply(gdb.Command):
    """Run a command for several fibers, each selected in turn.
Usage: fiber apply all | NUMBER[-NUMBER]... [-q] [-s] COMMAND
-q: without a heading for each; -s: fibers for which the command fails are left out silently.
    fiber apply all bt
    fiber apply 2 5-9 info locals"""

    def __init__(self):
        super().__init__("fiber apply", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def complete(self, text, word):
        return [w for w in ("all",) if w.startswith(word)]

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        process = WeftProcess.now()
        words = argument.split()
        flags = self.flags(words)
        if words and words[0] == "all":
            wanted, words = [f for f in process.fibers if not f.service], words[1:]
        else:
            count = 0
            while count < len(words) and re.fullmatch(r"\d+(-\d+|\.\d+)?", words[count]):
                count += 1
            if count == 0:
                raise WeftError("Which fibers? fiber apply all | NUMBER[-NUMBER]... COMMAND")
            wanted, words = weft_listed(process, words[:count]), words[count:]
        flags |= self.flags(words)
        if not words:
            raise WeftError("Which command? fiber apply all | NUMBER[-NUMBER]... COMMAND")
        command = " ".join(words)
        with weft_state.kept():
            for f in wanted:
                self.run(process, f, command, "-q" in flags, "-s" in flags)

    @staticmethod
    def flags(words):
        found = set()
        while words and words[0] in ("-q", "-s"):
            found.add(words.pop(0))
        return found

    @staticmethod
    def run(process, f, command, quiet, silent):
        heading = "" if quiet else "\n%s:\n" % f.title()
        try:
            weft_state.choose(WeftSelection(process, f))
            text = gdb.execute(command, False, True)
        except (gdb.error, gdb.GdbError) as failure:
            if not silent:
                gdb.write("%s%s\n" % (heading, failure))
            return
        if text or not silent:
            gdb.write(heading + text)


def weft_listed(process, words):
    """The fibers of a list of numbers, ranges and names."""
    found = []
    for word in words:
        bounds = re.fullmatch(r"(\d+)-(\d+)", word)
        if bounds:
            low, high = map(int, bounds.groups())
            found += [f for f in process.fibers if low <= f.number <= high and not f.part]
        else:
            found.append(process.find(word))
    return found


def weft_current(process):
    """The selected fiber; without one, that which the selected thread runs."""
    if weft_state.selection is not None:
        return next((f for f in process.fibers if f.at == weft_state.selection.fiber.at), None)
    thread = gdb.selected_thread()
    for f in process.fibers:
        if f.live and thread is not None and thread.ptid[1] == f.hub.lwp:
            return f
    return None


def weft_completion(word):
    try:
        process = WeftProcess.now()
    except gdb.error:
        return []
    names = [f.name for f in process.fibers if f.name and " " not in f.name] + [f.id() for f in process.fibers]
    return [name for name in names if name.startswith(word)]


def weft_install():
    WeftInfoFibers()
    WeftFiberCommand()
    WeftFiberApply()
    WeftFiberOff()
    WeftFiberVariables()
    WeftFiberTls()
    WeftFiberCore()
    gdb.unwinder.register_unwinder(None, weft_unwinder, True)
    gdb.unwinder.register_unwinder(None, weft_site_unwinder, True)
    gdb.events.cont.connect(weft_state.forget)
    gdb.events.exited.connect(weft_state.forget)
    for event in (gdb.events.cont, gdb.events.exited, gdb.events.new_objfile, gdb.events.memory_changed, gdb.events.inferior_call):
        event.connect(WeftProcess.look_again)
    gdb.events.new_objfile.connect(weft_site_unwinder.forget)
    gdb.events.stop.connect(weft_unwinder.hide)
    gdb.events.before_prompt.connect(weft_state.look)
    gdb.events.exited.connect(lambda event: WeftProcess.forget(event.inferior.num))


weft_install()
