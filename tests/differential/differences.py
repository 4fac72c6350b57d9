"""Known differences between a native run and one under Weft: read from a file, and applied to the native words."""
import sys
import tomllib


def known_differences(path, scenes, kinds):
    with open(path, "rb") as f:
        entries = tomllib.load(f).get("difference", [])
    for e in entries:
        says = e.get("hangs") is True or (e.get("native") and "weft" in e)
        if e.get("kind") not in kinds or not e.get("reason") or not says:
            sys.exit(f"{path}: an entry needs scene, native and weft (or hangs), reason, and a kind of {sorted(kinds)}: {e}")
        if e["scene"] not in scenes:
            sys.exit(f"{path}: no such scene: {e['scene']}")
    return entries


def for_variant(entries, variant):
    return [e for e in entries if all(e.get(key, value) == value for key, value in variant.items())]


def expected(native, entries):
    """What the native words become with the known differences of this variant, and those that found nothing to change."""
    text, idle = native, []
    for e in entries:
        old = "\n" + e["native"].strip("\n") + "\n"
        new = "\n" + (e["weft"].strip("\n") + "\n" if e["weft"] else "")
        if old not in "\n" + text:
            idle.append(e)
        else:
            text = ("\n" + text).replace(old, new, 1)[1:]
    return text, idle
