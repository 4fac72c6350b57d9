# Makes a man page from Markdown: page.py LOWDOWN NAME SECTION VERSION WHAT INPUT... Inputs follow each other; links between documents
# become plain words, and their first heading falls away where it would only repeat the name.
import re
import subprocess
import sys

lowdown, name, section, version, what, *inputs = sys.argv[1:]
text = f"# NAME\n\n{name} - {what}\n\n"
for path in inputs:
    with open(path, encoding="utf-8") as file:
        body = file.read()
    body = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", body)
    # A document's title becomes a section, and its sections stay beside it; pages written as man pages begin with sections.
    body = re.sub(r"(?m)^##(#?) ", lambda m: "#" + m[1] + " ", body) if not re.match(r"# [A-Z ]+\n", body) else body
    text += body + "\n"
made = subprocess.run([lowdown, "-s", "-tman", "--parse-no-intraemph", "--out-no-smarty", "-M", f"title={name}", "-M", f"section={section}",
                       "-M", f"source=Weft {version}", "-M", "volume=Weft"], input=text, stdout=subprocess.PIPE, text=True, check=True)
sys.stdout.write(made.stdout)
