# Links between the documents lead somewhere: links.py SOURCE. Files, and headings where a link names one (as GitHub spells them).
import os
import re
import sys

root = os.path.abspath(sys.argv[1])
pages = [os.path.join(folder, name) for top in ("README.md", "docs", "bench", "examples") for folder, _, names in
         (os.walk(f"{root}/{top}") if os.path.isdir(f"{root}/{top}") else [(root, [], [top])]) for name in names if name.endswith(".md")]


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return re.sub(r"^```.*?^```$", "", f.read(), flags=re.S | re.M)


def anchors(path):
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", text_of(path), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


wrong = looked_at = 0
for page in pages:
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        looked_at += 1
        path, _, anchor = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        if not os.path.exists(file) or anchor and anchor not in anchors(file):
            wrong += 1
            print(f"{os.path.relpath(page, root)}: {target} leads nowhere")
unlisted = [name for name in os.listdir(root + "/docs") if name.endswith(".md") and name != "README.md"
            and f"({name})" not in text_of(root + "/docs/README.md")]
for name in unlisted:
    wrong += 1
    print(f"docs/README.md does not name {name}")
print(f"{looked_at} looked at, {wrong} found wrong")
sys.exit(1 if wrong or looked_at < 20 else 0)
