"""Build the JSON of images, groups of images, and the pool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.identity_list import IdentityList
from reid_al_agents.annotate.messages import Json, Unknown
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.data import ImageSet
from reid_al_env.messages import Message


class Descriptions:
    """Describes images and groups for pages.

    Args:
        session: The session.
        pictures: Its images.
        version: Part of every image URL. Browsers cache images, and another session on the same port has
            other images.
    """

    def __init__(self, session: AnnotationSession, pictures: Pictures, version: str) -> None:
        self._session, self._pictures, self._version = session, pictures, version

    def pool(self) -> Json:
        """What lists can be filtered by, and what the data rule out."""
        images = self.known
        return {
            "cameras": _choices(self._session.state.features.cameras, images.camera_names),
            "sides": _choices(images.sides, images.side_names),
            "filters": self._filters(),
            "max_speed": images.max_speed,
            "dated": self._pictures.may_know_times,
        }

    @property
    def known(self) -> ImageSet:
        """The images with what annotators corrected."""
        return self._session.state.images or self._pictures.images

    def taken(self, image: int) -> str | None:
        """When an image was taken, as ISO 8601 without a zone; ``None`` if unknown."""
        if image not in self._session.state.beliefs.corrections.times:
            return self._pictures.taken(image)
        times = self.known.times
        return None if times is None or np.isnat(times[image]) else str(times[image])

    def check_images(self, images: Iterable[int]) -> None:
        """Raise :class:`Unknown` unless the pool has all the images."""
        count = len(self._session.state.features)
        if not all(0 <= image < count for image in images):
            raise Unknown(Message("image: expected a number from 0 to {last}", last=count - 1))

    def image(self, image: int) -> Json:
        """An image with its address, size, and what is known about it."""
        features, images = self._session.state.features, self.known
        width, height = self._pictures.size(image)
        url = f"/api/images/{image}?v={self._version}"
        return {
            "id": image,
            "url": f"{url}&size=large",
            "small": f"{url}&size=small",
            "original": url if self._pictures.is_reduced(image, "large") else None,
            "name": str(features.names[image]),
            "camera": None if features.cameras is None else _known_number(features.cameras, image),
            "side": _called(images.sides, images.side_names, image),
            "place": _called(images.places, images.place_names, image),
            "sequence": None if images.tracklets is None else _known_number(images.tracklets, image),
            "time": self.taken(image),
            "width": width,
            "height": height,
        }

    def group(
        self, groups: IdentityList | None, image: int, confirmed: NDArray[np.bool_], count: int | None = None
    ) -> Json:
        """The group that holds an image, with its most typical images.

        Args:
            groups: All groups; ``None`` before there are any.
            image: The image.
            confirmed: (N,) whether answers put an image into its group; otherwise the model suggests it.
            count: Largest number of images; ``None`` for all.
        """
        if groups is None:
            members, key, name = [image], f"g{image}", None
        else:
            group = groups.of_image(image)
            members, key, name = groups.images(group), groups.key(group), groups.name(group)
            members = self._sequences_first(members)
        cameras = self._session.state.features.cameras
        seen = (
            [] if cameras is None else sorted({int(cameras[each]) for each in members if cameras[each] >= 0})
        )
        return {
            "id": key,
            "size": len(members),
            "confirmed": int(confirmed[members].sum()),
            "images": [self._member(each, groups, confirmed) for each in members[:count]],
            "cameras": seen,
            "name": name,
        }

    def _sequences_first(self, members: list[int]) -> list[int]:
        """One image of each sequence before the others, so that frames that are alike do not fill a strip."""
        sequences = self.known.tracklets
        if sequences is None:
            return members
        first: dict[int, int] = {}
        for image in members:
            number = int(sequences[image])
            first.setdefault(number if number >= 0 else -1 - image, image)
        leading = set(first.values())
        return sorted(members, key=lambda image: image not in leading)

    def _member(self, image: int, groups: IdentityList | None, confirmed: NDArray[np.bool_]) -> Json:
        """An image of a group; one that is only suggested has a probability, where it is known."""
        sure = bool(confirmed[image])
        likely = None if sure or groups is None else _known(groups.probabilities[image])
        return {**self.image(image), "confirmed": sure, "probability": likely}

    def _filters(self) -> list[str]:
        """What is never asked because the data rule it out."""
        images = self.known
        found = {
            "side": self._session.state.sides is not None,
            "sequence": images.tracklets is not None,
            "photo": len(images.in_one_photograph) > 0,
            "speed": images.max_speed is not None
            and images.latitudes is not None
            and images.times is not None,
        }
        return [name for name, holds in found.items() if holds]


def _known(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return None if np.isnan(value) else round(float(value), 4)


def _choices(numbers: NDArray[np.int64] | None, names: Sequence[str] | None) -> list[Json]:
    """The cameras or sides that a list can be filtered by."""
    known = [] if numbers is None else sorted({int(number) for number in numbers if number >= 0})
    return [{"id": number, "name": _name(number, names)} for number in known]


def _name(number: int, names: Sequence[str] | None) -> str:
    return str(number) if names is None else names[number]


def _called(numbers: NDArray[np.int64] | None, names: Sequence[str] | None, image: int) -> str | None:
    """Name of an image's side or place; ``None`` where it is unknown."""
    number = None if numbers is None else _known_number(numbers, image)
    return None if number is None else _name(number, names)


def _known_number(numbers: NDArray[np.int64], image: int) -> int | None:
    return None if numbers[image] < 0 else int(numbers[image])
