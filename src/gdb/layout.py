# libweft.so's script for gdb, part one: memory of the inferior, and the table weft_debug_layout (src/inspect/debug_layout.hpp), by which
# the rest finds its way in a live process or a core dump, with a stripped library too. Never writes to the inferior.
#
# src/meson.build puts the parts together, in this order: layout, fibers, targets, coroutines, unwind, select, show, tls, core, commands.
# They share one namespace with whatever other scripts gdb has loaded: names at the top begin with weft. For gdb 12 and later.
import bisect
import re
import struct

import gdb
import gdb.unwinder
from gdb.FrameDecorator import FrameDecorator, SymValueWrapper


class WeftError(gdb.GdbError):
    """Said to the user as it is."""


class WeftLayout:
    """Names, offsets and roots of one libweft.so, as it lies in the inferior."""

    def __init__(self):
        self.inferior = gdb.selected_inferior()
        try:
            at = int(gdb.parse_and_eval("&weft_debug_layout"))
            magic, version, _, numbers_at, number_size, number_count, roots_at, root_size, root_count = struct.unpack(
                "<8s8I", self.read(at, 40))
        except gdb.error:
            raise WeftError("No libweft.so in this program, or the program does not run yet.") from None
        if magic != b"weftdbg\0" or version != 1:
            raise WeftError("This gdb script is not of the libweft.so in the program (version %d)." % version)
        self.offsets, self.sizes, self.roots = {}, {}, {}
        table = self.read(at + numbers_at, number_size * number_count)
        for i in range(number_count):
            name, value, size = struct.unpack_from("<40sII", table, i * number_size)
            name = name.split(b"\0", 1)[0].decode()
            self.offsets[name], self.sizes[name] = value, size
        table = self.read(at + roots_at, root_size * root_count)
        for i in range(root_count):
            name, value = struct.unpack_from("<40sQ", table, i * root_size)
            self.roots[name.split(b"\0", 1)[0].decode()] = value

    def __getitem__(self, name):
        return self.offsets[name]

    def __contains__(self, name):
        return name in self.offsets

    def read(self, at, size):
        return bytes(self.inferior.read_memory(at, size))

    def word(self, at):
        return struct.unpack("<Q", self.read(at, 8))[0]

    def half(self, at):
        return struct.unpack("<I", self.read(at, 4))[0]

    def string(self, at, most=120):
        """Up to the zero; a string may end right before memory that is not there."""
        if at == 0:
            return None
        got = b""
        while len(got) < most:
            step = min(64 - at % 64, most - len(got))
            try:
                piece = self.read(at, step)
            except gdb.MemoryError:
                break
            end = piece.find(b"\0")
            if end >= 0:
                return (got + piece[:end]).decode(errors="replace")
            got += piece
            at += step
        return got.decode(errors="replace") or None

    def member(self, at, name):
        """The value of a member of the struct at `at`, by its size."""
        size = self.sizes[name]
        return int.from_bytes(self.read(at + self.offsets[name], size), "little")


class WeftStruct:
    """One struct, read whole: many members for the price of one look."""

    def __init__(self, layout, at, kind):
        self.layout, self.at, self.kind = layout, at, kind
        self.memory = layout.read(at, layout[kind + ":size"])

    def __getitem__(self, member):
        name = self.kind + "." + member
        at = self.layout.offsets[name]
        return int.from_bytes(self.memory[at : at + self.layout.sizes[name]], "little")
