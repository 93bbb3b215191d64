"""What makes one synthetic data set differ from another."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_env.errors import InputError

Range = tuple[float, float]  # lowest and highest; each camera draws its own value between


@dataclass(frozen=True)
class CameraRanges:
    """Between which values the cameras of a place differ.

    Attributes:
        warmth: Colour temperature: > 0 strengthens red and weakens blue, as a factor's logarithm.
        tint: The same for green.
        saturation: 1 leaves colours as they are, 0 is grey.
        gamma: Exponent on intensities; > 1 darkens the mid-tones.
        contrast: Factor about mid-grey.
        brightness: Offset, in shares of full intensity.
        blur: Standard deviation of the lens blur, pixels at 64 rows.
        noise: Standard deviation of the sensor noise, in shares of full intensity.
        tilt: How far the camera looks down; see :class:`~.view.View`.
        shear: How far it is from level; see :class:`~.view.View`.
        stretch: Breadth relative to true proportions.
        wall: Intensity of the background, in shares of full intensity.
    """

    warmth: Range
    tint: Range
    saturation: Range
    gamma: Range
    contrast: Range
    brightness: Range
    blur: Range
    noise: Range
    tilt: Range
    shear: Range
    stretch: Range
    wall: Range


@dataclass(frozen=True)
class DomainSettings:
    """A synthetic data set, but for its seed.

    Attributes:
        name: For messages and for the images' source.
        stream: Keeps the people and cameras of domains apart where their seeds are equal.
        identities: Number of people.
        cameras: Number of cameras.
        images_per_camera: Images of a person in one camera that sees them.
        cameras_per_identity: Fewest cameras that see a person; others see more, up to all.
        occlusion: Share of images with something in front of the person.
        look: How the cameras differ.
        size: (H, W) of the images, pixels.

    Raises:
        InputError: A count is too small.
    """

    name: str
    stream: int
    identities: int
    cameras: int
    images_per_camera: int
    cameras_per_identity: int
    occlusion: float
    look: CameraRanges
    size: tuple[int, int] = (64, 32)

    def __post_init__(self) -> None:
        counts = {"identities": self.identities, "cameras": self.cameras, "images": self.images_per_camera}
        for what, count in counts.items():
            if count < 1:
                raise InputError(f"synthetic:{self.name}: {what}={count}; expected at least 1")
        if min(self.size) < 8:
            raise InputError(
                f"synthetic:{self.name}: images of {self.size} pixels; expected 8 rows and columns or more"
            )


_INDOORS = CameraRanges(
    warmth=(-0.10, 0.22),
    tint=(-0.06, 0.06),
    saturation=(0.75, 1.15),
    gamma=(0.75, 1.2),
    contrast=(0.75, 1.1),
    brightness=(-0.05, 0.10),
    blur=(0.3, 0.8),
    noise=(0.01, 0.04),
    tilt=(0.0, 0.35),
    shear=(-0.05, 0.05),
    stretch=(0.9, 1.15),
    wall=(0.45, 0.85),
)
_STREET = CameraRanges(
    warmth=(-0.20, 0.10),
    tint=(-0.06, 0.07),
    saturation=(0.6, 1.0),
    gamma=(0.85, 1.35),
    contrast=(0.65, 1.0),
    brightness=(-0.08, 0.08),
    blur=(0.4, 1.0),
    noise=(0.015, 0.045),
    tilt=(0.1, 0.5),
    shear=(-0.08, 0.08),
    stretch=(0.85, 1.2),
    wall=(0.2, 0.7),
)

DOMAINS: dict[str, DomainSettings] = {
    "pedestrians-source": DomainSettings(
        "pedestrians-source",
        1,
        identities=150,
        cameras=6,
        images_per_camera=3,
        cameras_per_identity=4,
        occlusion=0.25,
        look=_INDOORS,
    ),
    "pedestrians-target": DomainSettings(
        "pedestrians-target",
        2,
        identities=150,
        cameras=5,
        images_per_camera=3,
        cameras_per_identity=3,
        occlusion=0.35,
        look=_STREET,
    ),
    "tiny": DomainSettings(
        "tiny",
        3,
        identities=8,
        cameras=2,
        images_per_camera=2,
        cameras_per_identity=2,
        occlusion=0.25,
        look=_INDOORS,
    ),
}
