"""The HTML kit with which the report, the inspection and the funnel are written.

Its pages need nothing from outside.

`page` holds the skeleton, `elements` text and tables, `figures` pictures, `charts`, `histogram` and
`matrices` drawings in SVG, `style` the one style sheet. The kit uses the standard library alone:
who writes a page hands over text, numbers, and pictures that are encoded already.
"""
