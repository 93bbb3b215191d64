"""The images of a folder as they were when it was begun, whatever became of their files since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reid_al_agents.data import ImageSet, Split, load_data, load_split, save_split
from reid_al_agents.data.content import DigestCache, compare_images
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet, InputError


def file_hashes(folder: Folder, images: ImageSet) -> tuple[str, ...] | None:
    """What each image is, by its file's content; ``None`` where images are in no files."""
    if images.files is None:
        return None
    return images.content_hashes(DigestCache(folder.path / "digests.json"))


def load_settled(
    folder: Folder, config: RunConfig, say: Callable[[str], None] | None = None
) -> ImageSet | FeatureSet:
    """Load the data of a folder that was begun, with the pool's images ordered and called as then.

    Images are recognised by the content of their files first. One that was removed, or whose file holds
    another picture now, is blank (:attr:`.ImageSet.gone`); images that are new are left out.

    Args:
        folder: The folder.
        config: Its settings.
        say: Told what changed, in one line.

    Raises:
        InputError: The data cannot be read, or all images are gone.
    """
    data = load_data(config.data, replace(config.reading(), skip_damaged=True))  # what is missing is gone
    if not isinstance(data, ImageSet) or not folder.split.is_file():
        return data
    hashes = file_hashes(folder, data)
    if hashes is None:
        return data
    if "" in hashes and any(hashes):  # a table names files that are not there
        data = data.subset([row for row, each in enumerate(hashes) if each])
        hashes = tuple(each for each in hashes if each)
    names, split = folder.names().tolist(), load_split(folder.split)
    changes = compare_images(names, folder.content_hashes(), data.names.tolist(), hashes)
    if not (changes.renamed or changes.replaced or changes.removed) and _pool_names(split, data) == names:
        return data
    pool_only = not (split.validation_identities or split.test_identities or split.test_queries)
    if say is not None:
        told = changes if pool_only else replace(changes, added=())  # images outside the pool are none
        say(f"{config.data}: since the start {told.describe()}; asking goes on with what is there")
    save_split(replace(split, pool_images=tuple(names)), folder.split)
    others = [] if pool_only else [row for row in changes.added if data.names[row] not in names]
    return data.arranged([*names, *data.names[others].tolist()], [*changes.places, *others])


def _pool_names(split: Split, data: ImageSet) -> list[str]:
    """Names of the images that the split takes for the pool; none where it names some that are not there."""
    try:
        return [str(name) for name in data.names[split.pool(data)]]
    except InputError:
        return []
