"""Charts drawn to SVG from the part of Vega-Lite that they are specified in, without the JavaScript that compiles all of it."""
