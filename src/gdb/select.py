# Part five: which fiber gdb's frame commands show. A selection ends when the program runs, another thread is selected, or by "fiber off".


class WeftSelection:
    """A fiber, and the steps by which its frames come after the OS thread's innermost one."""

    def __init__(self, process, f):
        self.process, self.fiber = process, f
        self.chain, self.awaits, self.registers = [], {}, None
        self.thread, self.carrier = process.thread_of(f), process.thread_of(f, False)
        # It stands on its OS thread's registers, and gdb shows it so by itself.
        self.as_it_is = f.live and self.thread == self.carrier
        if self.thread is None:
            raise WeftError("No thread to show a fiber on.")
        if f.task and not f.live:
            self.chain = weft_chain(process.layout, f.leaf) if f.leaf else []
        elif f.awaits and not f.live:
            self.chain = weft_chain(process.layout, f.awaits)
        if f.live:
            return
        if f.context and not process.layout.member(f.context, "suspended.resume_at"):
            raise WeftError("%s has its stack in memory that this core dump does not have." % f.title())
        if not self.chain and f.context == 0:
            raise WeftError("%s has not begun: it has no frames yet.%s" % (f.title(), weft_spawned_at(f)))

    def enter(self):
        """Shows the fiber: selects its thread and its innermost frame."""
        weft_unwinder.hide()
        self.carrier.switch()
        self.registers = None
        if self.fiber.live:
            gdb.newest_frame().select()
            if self.as_it_is:
                return
            self.registers = weft_live_registers()
        self.thread.switch()
        weft_unwinder.show(self.thread.ptid, self.make_steps(*weft_standing(gdb.newest_frame())))
        self.first().select()

    def make_steps(self, sp, pc):
        f, steps, depth = self.fiber, {}, 0
        below = {"fs_base": f.thread_pointer, "gs_base": f.hub.block}
        self.awaits = {}
        for a in self.chain:
            steps[sp, pc] = WeftStep(depth, pc, dict(below, rip=a.pc, rsp=a.frame, rbp=a.frame))
            sp, pc, depth = a.frame, a.pc, depth + 1
            self.awaits[sp] = a
        if self.registers is not None:
            registers = self.registers
        elif f.context and not f.task:
            registers = weft_saved_registers(f)
        else:
            registers = dict(below, rip=0, rsp=0, rbp=0)  # where gdb ends a walk
        steps[sp, pc] = WeftStep(depth, pc, registers)
        return steps

    def first(self):
        """The fiber's innermost frame."""
        frame = gdb.newest_frame()
        if self.as_it_is:
            return frame
        base = weft_standing(frame)
        while frame is not None and weft_standing(frame) == base:
            frame = frame.older()
        return frame or gdb.newest_frame()

    def top(self):
        """The first frame that is neither Weft's own nor of the standard library's headers; when all are Weft's, as in a server's fiber
        that accepts, the first that a program could have called."""
        frame, steps, face = self.first(), 0, None
        while frame is not None and frame.is_valid() and frame.pc() != 0 and steps < 100:
            name = frame.name() or ""
            if not weft_is_own(frame, self) and not name.startswith(("std::", "__gthread_")):
                return frame
            if face is None and name.startswith("weft::") and not name.startswith(weft_insides) and "::detail" not in name:
                face = frame
            frame, steps = frame.older(), steps + 1
        return face or self.first()


weft_insides = tuple("weft::%s::" % part for part in ("core", "io", "poller", "patch", "green", "sys"))


def weft_is_own(frame, selection):
    if selection.awaits and int(frame.read_register("rsp")) in selection.awaits:
        return False
    name = frame.name() or ""
    if name.startswith(("weft::", "weft_")):
        return True
    pc = frame.pc()
    library = gdb.solib_name(pc)
    if library is not None:
        return "/libweft" in library
    return not name and weft_site_unwinder.entry_at(pc) is not None


def weft_spawned_at(f):
    name = weft_name_at(f.site) if f.site else None
    return " Spawned in %s." % name if name else ""


class WeftState:
    """The selection that the user made."""

    def __init__(self):
        self.selection = None

    def choose(self, selection):
        self.leave()
        selection.enter()
        self.selection = selection
        weft_filter.enabled = not selection.as_it_is

    def leave(self, *_):
        self.selection = None
        weft_filter.enabled = False
        weft_unwinder.hide()

    def forget(self, *_):
        """The program runs: gdb drops its frames by itself."""
        self.selection = None
        weft_filter.enabled = False
        weft_unwinder.steps = None
        weft_site_unwinder.forget()

    def look(self):
        """Before each prompt: another thread was selected."""
        chosen = self.selection
        if chosen is not None and not (chosen.thread.is_valid() and gdb.selected_thread() == chosen.thread):
            self.leave()

    class kept:
        """Gives thread, fiber and frame back that were selected before."""

        def __enter__(self):
            self.selection, self.thread = weft_state.selection, gdb.selected_thread()
            try:
                self.level = gdb.selected_frame().level()
            except gdb.error:
                self.level = 0

        def __exit__(self, *_):
            weft_state.leave()
            if self.thread is not None and self.thread.is_valid():
                self.thread.switch()
            if self.selection is not None:
                weft_state.choose(self.selection)
            try:
                frame = gdb.newest_frame()
                while frame is not None and frame.level() < self.level:
                    frame = frame.older()
                if frame is not None:
                    frame.select()
            except gdb.error:
                pass


weft_state = WeftState()


def weft_settle(process):
    """Sees to it that who is in the middle of a switch is taken for the fiber on whose stack it still, or already, stands: Weft's note of
    the running fiber changes before the stack does."""
    with weft_state.kept():
        for hub in process.hubs:
            current = next((f for f in process.fibers if f.at == hub.current), None)
            thread = process.threads_by_lwp().get(hub.lwp)
            if current is None or thread is None:
                continue
            thread.switch()
            sp, pc = weft_standing(gdb.newest_frame())
            if pc is None or "/libweft" not in (gdb.solib_name(pc) or ""):
                continue
            owner = process.owner_of(hub, sp)
            if owner is None:
                continue
            if owner is not current and current.context and not current.task:
                current.live = False
            # Who arrives has its stack pointer first and its frame pointer last: until then what was saved is the whole truth.
            arriving = (0, 16) if owner is current else (0,)
            owner.live = not (owner.context and sp - owner.context in arriving)
