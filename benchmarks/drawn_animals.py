"""Pictures of drawn animals: individuals that differ by coat and blotches, each seen in many ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

SIZE = (480, 360)
"""Width and height in pixels of a picture."""

_CANVAS = (400, 260)  # what an animal is drawn on, before it is scaled and turned
_COATS = ((196, 164, 120), (150, 104, 66), (222, 208, 182), (104, 92, 84), (176, 128, 84))


def draw_pool(folder: Path, individuals: int, images: int, seed: int) -> list[str]:
    """Write pictures with meaningless names into one folder, as they come from a camera.

    Args:
        folder: Made if it is not there.
        individuals: Number of animals.
        images: Number of pictures in all; every animal has about as many as any other.
        seed: Of all random choices.

    Returns:
        The animal of each picture, by the pictures' names in alphabetical order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    animals = [_animal(np.random.default_rng([seed, number])) for number in range(individuals)]
    order = rng.permutation(np.arange(images) % individuals)
    for number, individual in enumerate(order):
        _picture(animals[individual], rng).save(folder / f"IMG_{number:04d}.jpg", quality=88)
    return [f"animal{individual}" for individual in order]


def _animal(rng: np.random.Generator) -> Image.Image:
    """One individual from its left side, on nothing."""
    coat = tuple(int(value) for value in np.clip(np.array(_COATS[rng.integers(len(_COATS))]) + 12, 0, 255))
    shape = Image.new("L", _CANVAS, 0)
    draw = ImageDraw.Draw(shape)
    draw.ellipse((80, 70, 320, 180), fill=255)
    draw.polygon([(270, 110), (330, 40), (352, 62), (312, 150)], fill=255)
    draw.ellipse((318, 26, 388, 76), fill=255)
    draw.polygon([(326, 34), (322, 4), (342, 28)], fill=255)
    for x in (104, 140, 254, 288):
        draw.polygon([(x, 150), (x + 22, 150), (x + 16, 246), (x + 4, 246)], fill=255)
    draw.line([(84, 110), (58, 166)], fill=255, width=8)
    body = Image.new("RGB", _CANVAS, coat)
    _blotches(ImageDraw.Draw(body), rng, coat)
    body.putalpha(shape)
    return body


def _blotches(draw: ImageDraw.ImageDraw, rng: np.random.Generator, coat: tuple[int, ...]) -> None:
    """The pattern that tells an individual from others: dark and light blotches over body, neck and head."""
    light = tuple(min(255, value + 90) for value in coat)
    dark = tuple(value // 3 for value in coat)
    for _ in range(int(rng.integers(9, 15))):
        x, y = rng.uniform(85, 320), rng.uniform(60, 185)
        if rng.random() < 0.3:
            x, y = rng.uniform(280, 380), rng.uniform(25, 120)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radii = rng.uniform(7, 26) * rng.uniform(0.6, 1.2, 9)
        points = np.stack([x + radii * np.cos(angles), y + 0.8 * radii * np.sin(angles)], axis=1)
        draw.polygon([(float(a), float(b)) for a, b in points], fill=dark if rng.random() < 0.7 else light)


def _picture(animal: Image.Image, rng: np.random.Generator) -> Image.Image:
    """An individual in a meadow: another size, place, tilt, light and sharpness each time."""
    picture = Image.fromarray(_meadow(rng))
    scale = rng.uniform(0.75, 1.05)
    seen = animal.resize((int(scale * _CANVAS[0]), int(scale * _CANVAS[1])), Image.Resampling.LANCZOS)
    seen = seen.rotate(rng.uniform(-7, 7), Image.Resampling.BICUBIC, expand=True)
    x = int(rng.uniform(-0.05, 1.05) * max(1, SIZE[0] - seen.width))
    y = int(rng.uniform(0.1, 1.0) * max(1, SIZE[1] - seen.height))
    picture.paste(seen, (x, y), seen)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(20, 60))):  # grass in front
        x, height = rng.uniform(0, SIZE[0]), rng.uniform(20, 90)
        top = (x + rng.uniform(-12, 12), SIZE[1] - height)
        draw.line([(x, SIZE[1]), top], fill=(70, int(rng.uniform(90, 140)), 50), width=3)
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.7, 1.2))
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.0, 1.6)))


def _meadow(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Sky above grass, (H, W, 3)."""
    width, height = SIZE
    horizon = int(rng.uniform(0.25, 0.5) * height)
    made = np.empty((height, width, 3))
    made[:horizon] = rng.uniform((150, 180, 200), (200, 215, 235))
    made[horizon:] = rng.uniform((90, 120, 60), (150, 160, 90))
    made += rng.normal(0, 9, (height, width, 1))
    return made.clip(0, 255).astype(np.uint8)
