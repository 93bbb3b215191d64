"""Formats of image files that are read; every ``Image.open`` of this project is given this list."""

from functools import lru_cache

NOT_READ = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
"""Formats that Pillow lists and we do not read: it would start another program (EPS), needs Windows (WMF), or
only recognises them."""

_FIRST = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "MPO")


@lru_cache(1)
def formats() -> tuple[str, ...]:
    """Formats that are read: all that Pillow reads but :data:`NOT_READ`; common ones first."""
    from PIL import Image

    Image.init()
    known = set(Image.OPEN) - NOT_READ
    return (*(name for name in _FIRST if name in known), *sorted(known - set(_FIRST)))
