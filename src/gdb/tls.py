# Thread-local variables of green threads. gdb asks libthread_db, which knows the OS thread that runs them all: "print errno" tells what
# the OS thread had before there were green threads. (In a core dump libthread_db finds the threads themselves, and print is right.)


class WeftFiberTls(gdb.Function):
    """$fiber_tls(VARIABLE): a thread-local variable as the selected fiber has it, or that which this thread runs."""

    MOST_MODULES = 100_000

    def __init__(self):
        super().__init__("fiber_tls")

    def invoke(self, variable):
        if variable.address is None:
            raise WeftError("$fiber_tls wants a variable.")
        f = weft_current(WeftProcess.now())
        shown = int.from_bytes(gdb.selected_thread().handle(), "little")
        if f is None or f.thread_pointer == shown:
            return variable
        moved = self.moved(f.layout, int(variable.address), shown, f.thread_pointer)
        return gdb.Value(moved).cast(variable.type.pointer()).dereference()

    def moved(self, layout, address, shown, own):
        """The same place of the same module's block. Each thread's vector (nptl/dtv: pairs of words, its length in front) tells where
        its blocks are."""
        theirs, ours = layout.word(shown + 8), layout.word(own + 8)
        best, module = 0, None
        for i in range(1, min(layout.word(theirs - 16), self.MOST_MODULES) + 1):
            block = layout.word(theirs + 16 * i)
            if best < block <= address:
                best, module = block, i
        if module is None:
            raise WeftError("That is no thread-local variable.")
        block = layout.word(ours + 16 * module) if module <= layout.word(ours - 16) else 2**64 - 1
        if block in (0, 2**64 - 1):
            if address < shown:  # in the part that every thread has from its start, at the same distance from its block
                return own - (shown - address)
            raise WeftError("The thread has not used the variable's library yet: it has no copy.")
        return block + (address - best)
