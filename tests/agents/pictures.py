"""Files of every kind that cameras, scanners and other programs write, all of one drawn scene."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

SIZE = (48, 64)  # (W, H)


def scene():
    """A smooth picture that looks different turned, mirrored, or with its channels swapped; mode RGB."""
    width, height = SIZE
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    colours = np.stack([255 * x, 255 * y, 200 * (1 - x) * y + 30], axis=-1)
    return Image.fromarray(np.rint(colours).astype(np.uint8))


def clear_scene():
    """The scene with a transparent corner and half-transparent middle; mode RGBA."""
    width, height = SIZE
    alpha = np.full((height, width), 255, np.uint8)
    alpha[:20, :15] = 0
    alpha[20:50, 10:30] = 120
    image = scene().convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    return image


def file_of(image, kind, **options):
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def orientation(value):
    """EXIF that says how the picture is turned."""
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def browser_files():
    """Name and bytes of files that browsers show."""
    rgb, clear, width = scene(), clear_scene(), SIZE[0]
    grey = rgb.convert("L")
    deep = (np.asarray(grey).astype(np.uint16) * 257 + 90).clip(0, 65535).astype(np.uint16)
    files = {
        f"exif_{value}.jpg": file_of(rgb, "JPEG", quality=95, exif=orientation(value))
        for value in range(1, 9)
    }
    other = Image.fromarray(255 - np.asarray(rgb))
    files |= {
        "exif_6.png": file_of(rgb, "PNG", exif=orientation(6)),
        "progressive.jpg": file_of(rgb, "JPEG", quality=95, progressive=True),
        "grey.jpg": file_of(grey, "JPEG", quality=95),
        "cmyk.jpg": file_of(rgb.convert("CMYK"), "JPEG", quality=95),
        "rgba.png": file_of(clear, "PNG"),
        "rgba.webp": file_of(clear, "WEBP", lossless=True, exact=True),
        "grey_alpha.png": file_of(clear.convert("LA"), "PNG"),
        "grey_one_clear.png": file_of(grey, "PNG", transparency=40),
        "one_clear_colour.png": file_of(rgb.quantize(8).convert("RGB"), "PNG", transparency=(0, 0, 0)),
        "palette.png": file_of(rgb.quantize(64), "PNG"),
        "palette_clear.png": file_of(rgb.quantize(16), "PNG", transparency=bytes([0, 128, *[255] * 14])),
        "bits.png": file_of(rgb.convert("1"), "PNG"),
        "deep_grey.png": file_of(Image.fromarray(deep), "PNG"),
        "deep_colour.png": deep_colour_png(np.asarray(rgb).astype(np.uint16) * 257),
        "dark_deep_grey.png": file_of(Image.fromarray((deep // 16).astype(np.uint16)), "PNG"),
        "profile.png": file_of(rgb, "PNG", icc_profile=swapped_profile()),
        "profile.jpg": file_of(rgb, "JPEG", quality=95, icc_profile=swapped_profile()),
        "moving.gif": file_of(rgb, "GIF", save_all=True, append_images=[other], duration=60_000),
        "moving_clear.gif": file_of(clear, "GIF", save_all=True, append_images=[other], duration=60_000),
        "moving.webp": file_of(
            rgb, "WEBP", save_all=True, append_images=[other], lossless=True, duration=60_000
        ),
        "moving.png": file_of(rgb, "PNG", save_all=True, append_images=[other], duration=60_000),
        "moving_with_poster.png": file_of(
            Image.new("RGB", (width, SIZE[1]), "red"),
            "PNG",
            save_all=True,
            default_image=True,
            append_images=[rgb, other],
            duration=60_000,
        ),
        "plain.bmp": file_of(rgb, "BMP"),
    }
    return files


def deep_colour_png(values):
    """A PNG of 16 bits a channel, which Pillow does not write; ``values`` (H, W, 3) uint16."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return PngImagePlugin._MAGIC + chunks


def swapped_profile():
    """A colour profile whose red is sRGB's blue and the other way round."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {}
    for place in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12):
        entries[bytes(profile[place : place + 4])] = place + 4
    red, blue = entries[b"rXYZ"], entries[b"bXYZ"]
    profile[red : red + 8], profile[blue : blue + 8] = profile[blue : blue + 8], profile[red : red + 8]
    profile[84:100] = bytes(16)  # its digest is no longer right
    return bytes(profile.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be")))
