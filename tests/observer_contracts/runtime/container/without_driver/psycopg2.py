"""Stands in the way of the real driver, as if the image had none."""

raise ImportError("no driver in this image")
