"""Shapes: a made-up data set in the layouts of real ones, drawn from a seed.

Six object classes that differ in their outline alone, and four kinds of stuff that differ in their texture alone.
Colour, fill, size, rotation, light, blur, noise, clutter and occlusion are drawn independently of the class.
"""

from __future__ import annotations

from backbones.data.shapes.generation import cached_shapes, image_count, make_shapes, shapes_folder
from backbones.data.shapes.layouts import LAYOUTS
from backbones.data.shapes.outlines import OBJECT_CLASSES
from backbones.data.shapes.textures import STUFF_CLASSES

__all__ = ["LAYOUTS", "OBJECT_CLASSES", "STUFF_CLASSES", "cached_shapes", "image_count", "make_shapes", "shapes_folder"]
