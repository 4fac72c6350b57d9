# Makes a man page from Markdown: page.py LOWDOWN NAME SECTION VERSION WHAT INPUT... Inputs follow each other; links between documents
# become plain words, and their first heading falls away where it would only repeat the name. Tables become lists: a terminal has no room
# for the columns. Nothing is hyphenated, so that a call is found by its name.
import re
import subprocess
import sys



def cells(row):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


# A row: what stands in its first cell, and below it the others, each under its column's heading when there are several.
def as_list(table):
    heads, _, *rows = [cells(line) for line in table[0].splitlines()]
    text = "\n"
    for first, *others in rows:
        text += f"{first}\n"
        for head, cell in zip(heads[1:], others):
            if cell:
                text += f": {f'*{head}*: ' if head and len(heads) > 2 else ''}{cell}\n"
        text += "\n"
    return text


lowdown, name, section, version, what, *inputs = sys.argv[1:]
text = f"# NAME\n\n{name} - {what}\n\n"
for path in inputs:
    with open(path, encoding="utf-8") as file:
        body = file.read()
    body = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", body)
    # A document's title becomes a section, and its sections stay beside it; pages written as man pages begin with sections.
    body = re.sub(r"(?m)^##(#?) ", lambda m: "#" + m[1] + " ", body) if not re.match(r"# [A-Z ]+\n", body) else body
    body = re.sub(r"(?m)(?:^\|.*\n)+", as_list, body)
    text += body + "\n"
made = subprocess.run([lowdown, "-s", "-tman", "--parse-no-intraemph", "--out-no-smarty", "-M", f"title={name}", "-M", f"section={section}",
                       "-M", f"source=Weft {version}", "-M", "volume=Weft"], input=text, stdout=subprocess.PIPE, text=True, check=True)
sys.stdout.write(re.sub(r"(?m)^(\.TH .*\n)", r"\1.nh\n.ad l\n", made.stdout, count=1))
