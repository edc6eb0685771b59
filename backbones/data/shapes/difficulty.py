"""How hard the pictures are: every number that is worth turning, and nothing else.

All of them are part of a data set's identity (:func:`settings`), so a changed number never meets an old cached folder.
Lengths are shares of the image side, colour differences are on the 0-255 scale, pairs are the ends of a range.
"""

from __future__ import annotations

# How large an object is: the square root of its area. Smaller is harder.
CLASSIFICATION_SCALE = (0.3, 0.46)
SCENE_SCALE = (0.14, 0.36)

# Objects per classification image, all of its class: a random crop of any size should show one of them.
CLASSIFICATION_OBJECTS = (2, 4)

# Where the objects of a classification image may be off the centre, at most, along each axis.
CLASSIFICATION_OFFSET = 0.4

# Objects per detection or segmentation image.
SCENE_OBJECTS = (2, 5)

# An object is turned by up to this many degrees, either way; 180 is any rotation.
ROTATION = 20

# Changes of an outline besides its rotation: stretch along a random axis (ratio of the two axes, at most) and
# perspective (0 = none; from about 0.4 on, classes begin to look alike).
ASPECT = 1.2
PERSPECTIVE = 0.1

# Strokes and blobs that belong to no class: how many behind the objects, how many in front, and how large.
CLUTTER_BEHIND = (0, 1)
CLUTTER_IN_FRONT = (0, 1)
CLUTTER_SCALE = (0.06, 0.25)

# Least share of an object that must be visible for it to be in the picture at all. Smaller is harder.
CLASSIFICATION_VISIBLE = 0.85
SCENE_VISIBLE = 0.25

# An object is marked difficult when less than this share of it is visible, or when what is visible has an area below
# that of a square with this side.
DIFFICULT_VISIBLE = 0.5
DIFFICULT_SIDE = 0.1

# Brightness of objects and clutter, and of the background, on the 0-255 scale. Overlap is harder.
OBJECT_BRIGHTNESS = (150, 235)
STUFF_BRIGHTNESS = (20, 110)
# How far an object's second colour goes towards any other colour, the background's included: 1 = all the way.
OBJECT_TEXTURE = 0.15

# Kinds of stuff per image, and the difference between the two colours of one region's texture. More is harder for
# objects, and easier for stuff.
STUFF_REGIONS = (1, 3)
STUFF_CONTRAST = (20, 45)

# Light falls off across the picture by this share, at most; blur radius and noise amplitude are in pixels and levels.
LIGHT = 0.2
BLUR = 0.8
NOISE = 12


def settings() -> dict[str, float | tuple[float, float]]:
    """All of the numbers above, by name."""
    return {name: value for name, value in globals().items() if name.isupper()}
