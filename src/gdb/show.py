# Part six: what backtraces and lists look like.


class WeftFrame(FrameDecorator):
    """A frame as gdb prints it by itself; of a coroutine, with the variables that its frame in memory holds."""

    def __init__(self, frame, awaited):
        super().__init__(frame)
        self.awaited = awaited

    def function(self):
        frame = self.inferior_frame()
        if self.awaited is not None:
            return self.awaited.function or weft_name_at(self.awaited.pc)
        if frame.type() == gdb.DUMMY_FRAME or (frame.type() == gdb.SIGTRAMP_FRAME and not self.at_site()):
            return super().function()
        return frame.name() or "??"

    def line(self):
        return self.awaited.line if self.awaited is not None else super().line()

    def at_site(self):
        """To an unwinder the entry of a rewritten system call is a signal's frame; to people it is not."""
        return (self.inferior_frame().name() or "").startswith("weft_patch_entry")

    def frame_args(self):
        return None if self.awaited is not None else super().frame_args()

    def frame_locals(self):
        if self.awaited is None:
            return super().frame_locals()
        return [SymValueWrapper(name, value) for name, value in self.awaited.variables()] or None


class WeftFilter:
    """In a fiber's backtrace: without the OS thread's innermost frame, which the fiber's frames come after."""

    def __init__(self):
        self.name, self.priority, self.enabled = "weft-fiber", 100, False
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        selection = weft_state.selection
        if selection is None or gdb.selected_thread() != selection.thread:
            return frames
        return self.of_fiber(frames, selection)

    @staticmethod
    def of_fiber(frames, selection):
        first = selection.first().level()
        for decorated in frames:
            frame = decorated.inferior_frame()
            if frame.level() < first:
                continue
            if frame.pc() == 0:
                return
            awaited = selection.awaits and selection.awaits.get(int(frame.read_register("rsp")))
            yield WeftFrame(decorated, awaited or None)
            if selection.fiber.is_main and frame.name() == "main" and not weft_unwinder.past_main:
                return


weft_filter = WeftFilter()


def weft_place(frame, selection):
    """"function () at file:line", or where the library is."""
    awaited = selection.awaits.get(int(frame.read_register("rsp"))) if selection.awaits else None
    if awaited is not None:
        return awaited.where()
    name, sal = frame.name(), frame.find_sal()
    text = "%s ()" % name if name else "0x%x" % frame.pc()
    if sal.symtab is not None and sal.line:
        return "%s at %s:%d" % (text, sal.symtab.filename, sal.line)
    library = gdb.solib_name(frame.pc())
    return "%s from %s" % (text, library) if library else text


class WeftTops:
    """Where fibers stand, for lists. Of ten thousand fibers most stand where another one does: when the same return addresses lie at the
    same places of the stack, the walk's end is the same."""

    def __init__(self):
        self.known = {}

    def of(self, process, f):
        if f.context == 0 and not f.live and not f.leaf:
            return weft_spawned_at(f).strip()
        if f.task and f.leaf:
            return weft_chain(process.layout, f.leaf)[:1][0].where()
        plain = not f.live and not f.awaits
        if plain:
            place = self.look(process.layout, f.context)
            if place is not None:
                return place
        selection = WeftSelection(process, f)
        weft_state.choose(selection)
        frame = selection.top()
        place = weft_place(frame, selection)
        if plain:
            self.learn(process.layout, f.context, selection, frame, place)
        return place

    def shape(self, layout, context):
        resume, base = struct.unpack("<QQ", layout.read(context + layout["suspended.resume_at"], 16))
        return resume, base - context

    def look(self, layout, context):
        for words, place in self.known.get(self.shape(layout, context), ()):
            try:
                stack = layout.read(context, words[-1][0] + 8) if words else b""
            except gdb.MemoryError:
                continue
            if all(struct.unpack_from("<Q", stack, at)[0] == value for at, value in words):
                return place
        return None

    def learn(self, layout, context, selection, top, place):
        words, frame, at = [], selection.first(), 0
        level = top.level()
        while frame is not None and frame.level() < level:
            caller = frame.older()
            # A frame that a tail call replaced has left no address.
            if caller is not None and caller.type() != gdb.TAILCALL_FRAME and caller.pc() != frame.pc():
                value = caller.pc()
                end = int(caller.read_register("rsp")) - context
                found = None
                for place_at in range(at, min(end, 65536), 8):
                    if layout.word(context + place_at) == value:
                        found = place_at
                if found is None:
                    return
                words.append((found, value))
                at = found + 8
            frame = caller
        if not words:  # Weft's own switch, where everybody stands
            return
        self.known.setdefault(self.shape(layout, context), []).append((words, place))
