# A core dump with all stacks. gdb's generate-core-file reads memory a mebibyte at a time and gives up on the rest of a mapping at the
# first page that cannot be read: a guard of Weft's stacks that is no mapping of its own (MADV_GUARD_INSTALL). This part fills in the rest.


class WeftFiberCore(gdb.Command):
    """Save a core dump of the program, as generate-core-file does, with the stacks of all fibers in it.
Usage: fiber core [FILE]
generate-core-file leaves out what lies behind a guard page that has no mapping of its own (Linux 6.13 and later)."""

    CHUNK = 1 << 20  # what gdb reads at once (gcore.c)
    PAGE = 4096

    def __init__(self):
        super().__init__("fiber core", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        inferior = gdb.selected_inferior()
        name = argument.strip() or "core.%d" % inferior.pid
        gdb.execute("generate-core-file " + name, to_string=True)
        filled = 0
        with open(name, "r+b") as file:
            for at, address, size in self.segments(file):
                filled += self.fill(file, inferior, at, address, size)
        gdb.write("Saved corefile %s\n" % name)
        if filled:
            gdb.write("(%d KiB of it behind guard pages, where gdb warned.)\n" % (filled // 1024))

    @staticmethod
    def segments(file):
        """(offset in the file, address, size) of what was written of the program's writable memory; ELF64's PT_LOADs."""
        header = file.read(64)
        headers_at = struct.unpack_from("<Q", header, 32)[0]
        size, count = struct.unpack_from("<HH", header, 54)
        if count == 0xFFFF:  # PN_XNUM: too many for the field, so they stand in the first section header
            file.seek(struct.unpack_from("<Q", header, 40)[0])
            count = struct.unpack_from("<I", file.read(64), 44)[0]
        file.seek(headers_at)
        table = file.read(size * count)
        for i in range(count):
            kind, flags, at, address, _, in_file = struct.unpack_from("<IIQQQQ", table, i * size)
            if kind == 1 and flags & 2 and in_file:
                yield at, address, in_file

    def fill(self, file, inferior, at, address, size):
        # Up to the first chunk that cannot be read as a whole, gdb has done it.
        done = 0
        while done < size and self.read(inferior, address + done, min(self.CHUNK, size - done)) is not None:
            done += self.CHUNK
        return sum(
            self.copy(file, inferior, at + start, address + start, min(self.CHUNK, size - start))
            for start in range(done, size, self.CHUNK)
        )

    def copy(self, file, inferior, at, address, size):
        """What can be read of this; pages of zeroes stay holes."""
        memory = self.read(inferior, address, size)
        if memory is None:
            if size <= self.PAGE:
                return 0
            half = size // 2 // self.PAGE * self.PAGE or self.PAGE
            return self.copy(file, inferior, at, address, half) + self.copy(file, inferior, at + half, address + half, size - half)
        written, zeroes = 0, bytes(self.PAGE)
        if not memory.strip(b"\0"):
            return 0
        for start in range(0, size, self.PAGE):
            page = memory[start : start + self.PAGE]
            if page != zeroes[: len(page)]:
                file.seek(at + start)
                file.write(page)
                written += len(page)
        return written

    @staticmethod
    def read(inferior, address, size):
        try:
            return inferior.read_memory(address, size).tobytes()
        except gdb.MemoryError:
            return None
