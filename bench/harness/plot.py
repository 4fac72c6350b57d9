"""What the plots of figures have in common: SVG from the standard library alone."""

INK, FAINT = "#243b53", "#829ab1"


def text(x, y, words, size=12, anchor="middle", fill=INK, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}" '
            f'font-weight="{weight}">{words}</text>')


def bar(x, y, width, height, fill):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>'


def document(width, height, parts):
    return "".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
                    'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>', *parts]) + "</svg>\n"
