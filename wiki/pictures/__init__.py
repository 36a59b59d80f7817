"""Pictures: what was measured, as SVG made on the server. Pure functions of frozen values; no `style=`, no script.

Colors come from classes in the stylesheet, so that light and dark follow the reader; nothing is said by color alone.
The one exception is `badge`, which other sites embed: it carries its own colors.
"""
