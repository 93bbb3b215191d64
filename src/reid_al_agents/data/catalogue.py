"""All layouts that DATA may have."""

from __future__ import annotations

from .layouts import (
    camtrapdp,
    cuhk03,
    folder,
    imagefolder,
    market1501,
    megadetector,
    msmt17,
    prid2011,
    table,
    veri776,
    viper,
)
from .layouts.layout import Layout

LAYOUTS: dict[str, Layout] = {
    layout.prefix: layout
    for module in (
        folder,
        table,
        megadetector,
        camtrapdp,
        imagefolder,
        market1501,
        msmt17,
        cuhk03,
        veri776,
        viper,
        prid2011,
    )
    for layout in module.LAYOUTS
}
"""By what DATA begins with."""
