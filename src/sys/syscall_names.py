# Prints the kernel's system calls as C++ initializers by number, from the compiler's own <asm/unistd.h>: syscall_names.py COMPILER...
import re
import subprocess
import sys

macros = subprocess.run([*sys.argv[1:], "-dM", "-E", "-x", "c", "-"], input="#include <asm/unistd.h>\n", stdout=subprocess.PIPE, text=True,
                        check=True).stdout
names = {int(number): name for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", macros, re.M)}
if len(names) < 300:
    sys.exit("the compiler's <asm/unistd.h> names hardly any system call")
for number in range(max(names) + 1):
    print(f'"{names[number]}",' if number in names else "nullptr,")
