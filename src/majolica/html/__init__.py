"""The HTML kit: pages that need nothing from outside, for the report, the inspection and the funnel.

`page` holds the skeleton, `elements` text and tables, `figures` pictures, `charts`, `histogram` and `matrices` drawings
in SVG, `style` the one style sheet. The kit uses the standard library alone: who writes a page hands over text,
numbers, and pictures that are encoded already.
"""
