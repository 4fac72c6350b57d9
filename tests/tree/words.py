# No promise left in the code, no path of one machine, and a first comment that says what each source file is for.
import os
import re

from tree import files, finish, lines, root

# Written apart, so that this file does not find itself.
PROMISES = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
MACHINE = re.compile(r"(?<![\w./$}])/(?:" + "|".join(["wor" + "k", "roo" + "t", "hom" + "e"]) + r")/[a-z.]")
CODE = (".hpp", ".h", ".cpp", ".c", ".S", ".py", ".sh")

findings = []
looked_at = 0
for path in files():
    for number, line in lines(path):
        if MACHINE.search(line):
            findings.append(f"{path}:{number}: a path of one machine")
        if path.endswith(CODE) and PROMISES.search(line):
            findings.append(f"{path}:{number}: finish it, or leave it out")
        if path.endswith(CODE) and len(line) > 140:
            findings.append(f"{path}:{number}: a line of {len(line)} characters")
    if path.endswith(CODE):
        looked_at += 1
        first = [line for _, line in lines(path)][:2]
        said = any(line.startswith(("//", "# ", "/*", '"""')) for line in first)
        # What x.cpp is for stands in x.hpp beside it.
        if not said and not os.path.isfile(os.path.join(root, os.path.splitext(path)[0] + ".hpp")):
            findings.append(f"{path}: its first lines do not say what it is for")
finish(findings, looked_at)
