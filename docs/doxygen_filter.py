#!/usr/bin/env python3
# Turns the headers' plain comments into documentation for Doxygen: doxygen_filter.py HEADER. Words that Doxygen would take for commands or
# tags are left words.
import re
import sys


def escape(words):
    parts = words.split("`")
    return "`".join(p if i % 2 else re.sub(r"([\\@<>&#$%\"])", r"\\\1", p) for i, p in enumerate(parts))


first = True
with open(sys.argv[1], encoding="utf-8") as file:
    for line in file:
        line = line.rstrip("\n")
        if whole := re.match(r"( *)//( ?)(.*)$", line):
            line = whole[1] + ("/// @file\n/// " if first else "///" + whole[2]) + escape(whole[3])
        elif behind := re.match(r"(.*[;,{)\w] *) // (.*)$", line):
            line = behind[1] + " ///< " + escape(behind[2]) if not behind[1].rstrip().endswith("{") else line
        first = False
        print(line)
