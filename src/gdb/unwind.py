# Part four: how gdb comes to see a suspended fiber. Its frames are unwound by gdb itself, from the registers that the switch saved; what
# this part adds is one step before them, from the registers of the OS thread to the fiber's. Nothing is written to the inferior, so a
# core dump serves as well as a live process, and a process that goes on finds everything as it was.
#
# The OS thread's own innermost frame stays frame 0; the fiber's begin after it.


class WeftFrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class WeftStep:
    """The frame with these registers was called by one with those."""

    def __init__(self, depth, pc, registers):
        # Frame ids grow outwards, and a fiber's stack may lie anywhere: these are lower than any.
        self.id = WeftFrameId(gdb.Value(16 * (depth + 1)), gdb.Value(pc or 0))
        self.registers = registers


class WeftFiberUnwinder(gdb.unwinder.Unwinder):
    """From the OS thread of the selected fiber to the fiber's registers, and along its coroutines."""

    def __init__(self):
        super().__init__("weft-fiber")
        self.steps = None
        self.ptid = None
        self.past_main = None

    def show(self, ptid, steps):
        self.ptid, self.steps = ptid, steps
        # gdb walks no further than main, which may be where the OS thread stands.
        if self.past_main is None:
            self.past_main = gdb.parameter("backtrace past-main")
            gdb.execute("set backtrace past-main on", to_string=True)
        gdb.invalidate_cached_frames()

    def hide(self, *_):
        if self.steps is not None:
            self.steps = None
            gdb.invalidate_cached_frames()
        if self.past_main is not None:
            gdb.execute("set backtrace past-main %s" % ("on" if self.past_main else "off"), to_string=True)
            self.past_main = None

    def __call__(self, pending):
        thread = gdb.selected_thread()
        if thread is None:
            return None
        at = weft_standing(pending)
        if self.steps is not None and thread.ptid == self.ptid:
            step = self.steps.get(at)
        elif at == weft_nowhere:
            step = weft_step_of_thread(thread)
        else:
            step = None
        if step is None:
            return None
        info = pending.create_unwind_info(step.id)
        for name, value in step.registers.items():
            try:
                kind = pending.read_register(name).type
                info.add_saved_register(name, gdb.Value(value).cast(kind))
            except (ValueError, gdb.error):  # a register that this target does not have
                pass
        return info


weft_nowhere = (None, None)
weft_kept_registers = "rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15 eflags cs ss ds es fs gs fs_base gs_base".split()


def weft_standing(frame):
    """Stack pointer and pc. In a core dump libthread_db shows green threads too, as threads whose registers nobody has."""
    try:
        return int(frame.read_register("rsp")), int(frame.read_register("rip"))
    except gdb.error:
        return weft_nowhere


def weft_live_registers():
    """Those of the selected thread."""
    frame = gdb.newest_frame()
    return {name: int(frame.read_register(name)) for name in ["rip", "rsp"] + weft_kept_registers}


def weft_step_of_thread(thread):
    """From a green thread that libthread_db shows to its registers, also where no fiber is selected."""
    if thread.ptid[1] < WeftProcess.FIRST_TID:
        return None
    for f in WeftProcess.now(settled=False).fibers:
        if f.tid == thread.ptid[1] and f.context and not f.live:
            return WeftStep(0, 0, weft_saved_registers(f))
    return None


def weft_saved_registers(f):
    """What the switch saved, and what goes with the fiber."""
    layout, at = f.layout, f.context
    return {
        "rip": layout.member(at, "suspended.resume_at"),
        "rbp": layout.member(at, "suspended.frame_pointer"),
        "rsp": at + layout["suspended:size"],
        "mxcsr": layout.half(at),
        "fs_base": f.thread_pointer,
        "gs_base": f.hub.block,
    }


class WeftSiteUnwinder(gdb.unwinder.Unwinder):
    """Through the code that stands for rewritten system calls, which the process registers with libgcc only. It has no frames of its
    own: the caller is the original code at the instruction that this one stands for, with the same registers."""

    def __init__(self):
        super().__init__("weft-sites")
        self.forget()

    def forget(self, *_):
        self.begins = None

    def entries(self):
        self.begins, self.found = [], []
        try:
            layout = WeftLayout()
        except gdb.GdbError:
            return
        table, found = layout.word(layout.roots["unwind_tables"]), []
        while table and len(found) < 1_000_000:
            size = layout.member(table, "unwind_table.bytes")
            found += self.records(layout.read(table + layout["unwind_table:section"], size))
            table = layout.member(table, "unwind_table.next")
        found.sort()
        self.begins, self.found = [entry[0] for entry in found], found

    @staticmethod
    def records(section):
        """(begin, end, instructions) of each entry; the forms are those that unwind_table.cpp writes."""
        at = 0
        while at + 8 <= len(section):
            length, back = struct.unpack_from("<II", section, at)
            if length == 0:
                return
            if back != 0:
                begin, size = struct.unpack_from("<QQ", section, at + 8)
                yield begin, begin + size, section[at + 25 : at + 4 + length]
            at += 4 + length

    @staticmethod
    def row(entry, pc):
        """The original instruction, and by how much the stack pointer is lower."""
        at, stepped, original = entry[0], 0, None
        code, i = entry[2], 0
        while i < len(code):
            op = code[i]
            if op == 0x02:  # DW_CFA_advance_loc1
                if at + code[i + 1] > pc:
                    break
                at += code[i + 1]
                i += 2
            elif op == 0x0E:  # DW_CFA_def_cfa_offset
                stepped, shift, i = 0, 0, i + 1
                while True:
                    stepped |= (code[i] & 0x7F) << shift
                    shift += 7
                    i += 1
                    if not code[i - 1] & 0x80:
                        break
            elif op == 0x16:  # DW_CFA_val_expression of the return address, DW_OP_addr
                original = struct.unpack_from("<Q", code, i + 4)[0]
                i += 12
            else:
                i += 1
        return original, stepped

    def entry_at(self, pc):
        if self.begins is None:
            self.entries()
        i = bisect.bisect_right(self.begins, pc) - 1
        return self.found[i] if i >= 0 and pc < self.found[i][1] else None

    def __call__(self, pending):
        pc = pending.read_register("rip")
        entry = None if weft_standing(pending) == weft_nowhere else self.entry_at(int(pc))
        if entry is None:
            return None
        original, stepped = self.row(entry, int(pc))
        if original is None:
            return None
        sp = pending.read_register("rsp")
        info = pending.create_unwind_info(WeftFrameId(sp, gdb.Value(entry[0])))
        info.add_saved_register("rip", gdb.Value(original).cast(pc.type))
        info.add_saved_register("rsp", (sp + stepped).cast(sp.type))
        for name in weft_kept_registers:
            try:
                info.add_saved_register(name, pending.read_register(name))
            except (ValueError, gdb.error):
                pass
        return info


weft_unwinder = WeftFiberUnwinder()
weft_site_unwinder = WeftSiteUnwinder()
