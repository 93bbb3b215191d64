"""From a body's coordinates to the canvas."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class View:
    """How one camera sees one person at one moment.

    Body coordinates are in shares of the mean body height: x to the person's left, y forward, z up from the
    ground. A person whose yaw is 0 faces the camera.

    Attributes:
        cosine: Cosine of the yaw; positive where the person faces the camera.
        sine: Sine of the yaw; positive where the person faces the image's right.
        scale: Pixels per body height.
        x: Column of the feet, pixels.
        y: Row of the feet, pixels.
        tilt: How far towards the bottom of the image nearer things move (a camera that looks down).
        perspective: How much broader the head's end is than the feet's.
        shear: How far the head leans to the right, in shares of the height (a camera that is not level).
        stretch: Breadth relative to true proportions.
    """

    cosine: float
    sine: float
    scale: float
    x: float
    y: float
    tilt: float
    perspective: float
    shear: float
    stretch: float

    def across(self, x: float, y: float) -> float:
        """Position along the image's rows of a body point, in body heights from the axis."""
        return x * self.cosine + y * self.sine

    def towards(self, x: float, y: float) -> float:
        """How much nearer to the camera than the body's axis a body point is, in body heights."""
        return y * self.cosine - x * self.sine

    def point(self, x: float, y: float, z: float) -> Point:
        """Canvas position of a body point, pixels (column, row)."""
        return self.place(self.across(x, y), z, self.towards(x, y))

    def place(self, across: float, z: float, towards: float = 0.0) -> Point:
        """Canvas position of a point that is given in the camera's directions, pixels (column, row)."""
        breadth = self.stretch * (1.0 + self.perspective * (z - 0.5))
        column = self.x + self.scale * (across * breadth + self.shear * z)
        return column, self.y - self.scale * (z - self.tilt * towards)
