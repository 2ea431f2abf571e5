"""Charts as inline SVG: Vega-Lite specifications, drawn once by vl-convert when the page is made.

The page therefore needs no script to show them, one chart takes some 50 milliseconds, and colours that are CSS
variables follow the light and the dark scheme. Plotly's script alone has 4.6 MB, Vega's takes seconds to bundle, and
matplotlib's SVG has no text of its own for a mark.
"""
