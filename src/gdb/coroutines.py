# Part three: suspended coroutines. A frame begins with the address of the function that resumes it; Weft's promise comes next, with who
# awaits it and the line of its co_await. From these, and the line table, comes a place in the code that stands for the suspension.


class WeftAwait:
    """One suspended coroutine."""

    places = {}  # (resume function, line) -> address

    def __init__(self, layout, frame):
        self.frame = frame
        self.resume = layout.word(frame)
        self.promise = frame + layout["promise:at"]
        self.parent = layout.member(self.promise, "promise.parent")
        self.function = layout.string(layout.member(self.promise, "promise.function"))
        self.line = layout.member(self.promise, "promise.line")
        self.pc = self.place(self.resume, self.line)

    @classmethod
    def place(cls, resume, line):
        """An address in the coroutine whose line is that of the suspension; the function's begin where no line table tells."""
        key = (resume, line)
        if key not in cls.places:
            cls.places[key] = cls.look_for(resume, line) or resume + 1
        return cls.places[key]

    @staticmethod
    def look_for(resume, line):
        function = weft_function_at(resume)
        symtab = gdb.find_pc_line(resume).symtab
        if function is None or symtab is None:
            return None
        fallback = None
        for entry in symtab.linetable():
            # One beyond, since debuggers look for the caller of a call at the byte before.
            if entry.line != line or not weft_same(weft_function_at(entry.pc), function):
                continue
            if weft_same(weft_function_at(entry.pc, innermost=True), function):
                return entry.pc + 1
            fallback = fallback or entry.pc + 1
        return fallback

    def frame_type(self):
        """The compiler's type of the frame, whose members are the coroutine's variables. None without debugging information."""
        for symbol in weft_function_at(self.resume) or ():
            if symbol.is_argument and symbol.type.code == gdb.TYPE_CODE_PTR:
                target = symbol.type.target().strip_typedefs()
                if target.code == gdb.TYPE_CODE_STRUCT and any((f.name or "").startswith("_Coro_") for f in target.fields()):
                    return target
        return None

    def variables(self):
        """(name, value) of parameters and of locals, also of those whose blocks are not entered."""
        target = self.frame_type()
        if target is None:
            return
        value = gdb.Value(self.frame).cast(target.pointer()).dereference()
        for field in target.fields():
            # g++ appends where a local is declared (y_1_2), and keeps objects of its own there: awaited ones, temporaries.
            name = re.sub(r"(_\d+)+$", "", field.name or "")
            if name and not re.match(r"_Coro_|D\.|(Is|Fs|Aw\d+|Yd\d+|Tmp.*)$|_", name):
                yield name, value[field]

    def where(self):
        name = weft_name_at(self.pc) or self.function or "?"
        symtab = gdb.find_pc_line(self.pc).symtab
        return "%s () at %s:%d" % (name, symtab.filename if symtab else "?", self.line)


def weft_chain(layout, suspension):
    """From the coroutine that is suspended in an operation outwards."""
    found = []
    try:
        frame = layout.member(suspension, "suspension.frame")
        while frame and len(found) < 10_000:
            found.append(WeftAwait(layout, frame))
            frame = found[-1].parent and found[-1].parent - layout["promise:at"]
    except gdb.MemoryError:
        pass
    return found


def weft_function_at(pc, innermost=False):
    """The block of the function whose code is at `pc`; of those that are inlined there the outermost one, or the innermost."""
    found, block = None, gdb.block_for_pc(pc)
    while block is not None:
        if block.function is not None:
            found = block
            if innermost:
                break
        block = block.superblock
    return found


def weft_same(one, other):
    return one is not None and one.start == other.start and one.function.print_name == other.function.print_name


def weft_name_at(pc):
    """A function's name without its parameters; None where nothing is known."""
    block = weft_function_at(pc)
    if block is not None:
        return weft_short(block.function.print_name)
    text = gdb.execute("info symbol 0x%x" % pc, to_string=True)
    return None if text.startswith("No symbol") else weft_short(text.split(" in section", 1)[0].rsplit(" + ", 1)[0])


def weft_short(name):
    """Without parameters: up to the parenthesis that the last one closes."""
    at = len(name)
    if not name.endswith((")", ") const")):
        return name
    depth = 0
    for at in range(len(name) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(name[at], 0)
        if name[at] == "(" and depth == 0:
            break
    return name[:at] or name
