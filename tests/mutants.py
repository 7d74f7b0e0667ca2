"""Images of every format that carseg reads, and videos, changed at random: read, or refused as an ``ImageError``.

python tests/mutants.py              200 mutants of each format
python tests/mutants.py --count 6    6 of each, as in the tests
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from carseg.data.formats._values import read_pixels
from carseg.errors import DataError, ImageError
from carseg.images import decode, enough_memory
from carseg.inference import VIDEO_SUFFIXES, Video

PIXELS = 1 << 20  # an image may have
BYTES = 400 << 20  # beyond what the process has before; Pillow's own buffers included
SECONDS = 5.0  # of the processor's time

_RGB = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
_VALUES = (0, 1, 0x7F, 0x80, 0xFF)


def originals() -> dict[str, bytes]:
    """Return a file of each format, and of each way of storing it that another decoder is for."""
    image, grey = Image.fromarray(_RGB), Image.fromarray(_RGB[..., 0])
    exif = Image.Exif()
    exif[0x0112] = 6
    frames: dict[str, Any] = {"save_all": True, "append_images": [image.rotate(90)]}
    ways: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "JPEG": (image, "JPEG", {"exif": exif, "icc_profile": _profile()}),
        "JPEG, progressive": (image, "JPEG", {"progressive": True}),
        "JPEG, CMYK": (image.convert("CMYK"), "JPEG", {}),
        "MPO": (image, "MPO", frames),
        "PNG": (image, "PNG", {"exif": exif, "icc_profile": _profile()}),
        "PNG, palette": (image.convert("P"), "PNG", {"transparency": 3}),
        "PNG, 16 bits": (Image.fromarray(_RGB[..., 0].astype(np.uint16) * 257), "PNG", {}),
        "PNG, frames": (image, "PNG", frames),
        "WEBP": (image, "WEBP", {"exif": exif}),
        "WEBP, lossless": (image.convert("RGBA"), "WEBP", {"lossless": True}),
        "WEBP, frames": (image, "WEBP", frames),
        "BMP": (image, "BMP", {}),
        "BMP, palette": (image.convert("P"), "BMP", {}),
        "TIFF": (image, "TIFF", {"exif": exif}),
        **{f"TIFF, {kind}": (image, "TIFF", {"compression": kind}) for kind in ("tiff_lzw", "tiff_adobe_deflate")},
        "TIFF, jpeg": (image, "TIFF", {"compression": "jpeg"}),
        "TIFF, group4": (image.convert("1"), "TIFF", {"compression": "group4"}),
        "GIF": (image.convert("P"), "GIF", {}),
        "GIF, frames": (image, "GIF", frames),
        "PPM": (image, "PPM", {}),
        "PGM": (grey, "PPM", {}),
        "JPEG2000": (image, "JPEG2000", {}),
        "AVIF": (image, "AVIF", {"exif": exif}),
    }
    Image.init()
    return {name: _encoded(*way) for name, way in ways.items() if way[1] in {*Image.SAVE, *Image.SAVE_ALL}}


def original_videos() -> dict[str, bytes]:
    """Return a short video with sound in each of some containers and codecs, by a name that ends as it is called."""
    from drawn_video import clip, write_clip

    ways = {
        "mp4": {"sound": "aac"},
        "mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
        "mkv": {"codec": "libvpx-vp9", "sound": "libopus"},
        "webm": {"codec": "libvpx"},
        "avi": {"options": {"bf": "2"}},
        "ts": {"codec": "mpeg2video", "sound": "mp2"},
    }
    with tempfile.TemporaryDirectory() as folder:
        return {
            f"video.{kind}": write_clip(Path(folder, f"a.{kind}"), clip(8, (48, 64)), **way).read_bytes()
            for kind, way in ways.items()
        }


def _profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _encoded(image: Image.Image, format: str, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def mutants(content: bytes, count: int, seed: str) -> Iterator[bytes]:
    """Yield changed copies of a file: bytes and words replaced, cut, repeated, swapped; more often near its head."""
    generator = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(content)
        for _ in range(generator.choice((1, 1, 2, 4, 16))):
            place = int(len(mutant) * generator.random() ** generator.choice((1, 4)))
            length = min(generator.choice((1, 2, 4, 8, 64)), len(mutant) - place)
            kind = generator.randrange(6)
            if kind == 0:
                mutant[place : place + length] = bytes([generator.choice(_VALUES)]) * length
            elif kind == 1:
                mutant[place : place + length] = generator.randbytes(length)
            elif kind == 2 and len(mutant) > 1:
                mutant[place] ^= 1 << generator.randrange(8)
            elif kind == 3:
                del mutant[place : place + length]
            elif kind == 4:
                mutant[place:place] = mutant[place : place + length] * generator.choice((1, 100))
            else:
                del mutant[max(place, 16) :]
            if not mutant:
                break
        yield bytes(mutant)


def take(path: Path) -> str:
    """Return what is wrong with how carseg takes a file, "" where nothing is."""
    return _take_video(path) if path.suffix in VIDEO_SUFFIXES else _take_image(path)


def _take_video(path: Path) -> str:
    """Return what is wrong with how carseg takes a file as a video."""
    try:
        with enough_memory(str(path)):
            for frame in Video(path).frames(PIXELS):
                if frame.rgb.dtype != np.uint8 or frame.rgb.shape[2:] != (3,) or frame.rgb[..., 0].size > PIXELS:
                    return f"gives {frame.rgb.dtype} {frame.rgb.shape}"
    except ImageError as error:
        if not str(error).isprintable():
            return f"says {str(error)!r}"
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"
    return ""


def _take_image(path: Path) -> str:
    """Return what is wrong with how carseg takes a file as an image and as a label."""
    content = path.read_bytes()
    for given in (path, content):
        try:
            rgb = decode(given, max_pixels=PIXELS).rgb
            if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
                return f"gives {rgb.dtype} {rgb.shape}"
        except ImageError as error:
            if not str(error).isprintable():
                return f"says {str(error)!r}"
        except Exception as error:
            return f"raises {type(error).__name__}: {error}"
    try:
        read_pixels(path)
    except DataError as error:
        if not str(error).isprintable():
            return f"says {str(error)!r}"
    except Exception as error:
        return f"raises as a label {type(error).__name__}: {error}"
    return ""


def work(folder: Path) -> None:
    """Take every file of a folder within bounds, and print its name before, and what is wrong with it."""
    import resource
    import signal

    decode(Image.fromarray(_RGB))
    for content in originals().values():  # all decoders are loaded
        decode(content)
    with tempfile.TemporaryDirectory() as place:
        for name, content in original_videos().items():
            Path(place, name).write_bytes(content)
            if trouble := _take_video(Path(place, name)):
                raise SystemExit(f"{name} {trouble}")
    warnings.simplefilter("ignore")
    before = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (before + BYTES, resource.RLIM_INFINITY))
    for path in sorted(folder.iterdir()):
        print(json.dumps([path.name, ""]), flush=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # ends the process, even one that is in a decoder
        print(json.dumps([path.name, take(path)]), flush=True)
        signal.setitimer(signal.ITIMER_PROF, 0)


def run(count: int, keep: Path | None = None) -> tuple[int, list[str]]:
    """Return how many mutants were taken, and what is wrong with some of them."""
    done, wrong = 0, []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, content in {**originals(), **original_videos()}.items():
            for number, mutant in enumerate(mutants(content, count, name)):
                stem, _, ending = name.partition(".")
                (folder / f"{stem}-{number:04}{ending and '.'}{ending}").write_bytes(mutant)
        environment = {**os.environ, "CARSEG_MAX_PIXELS": str(PIXELS)}
        while any(folder.iterdir()):
            ran = subprocess.run(
                [sys.executable, __file__, "--work", place], capture_output=True, text=True, env=environment
            )
            lines = [json.loads(line) for line in ran.stdout.splitlines()]
            if not lines:
                return done, [f"nothing could be read: {ran.stderr[-1000:]}"]
            wrong += [f"{name} {reason}" for name, reason in lines if reason]
            if ran.returncode:
                wrong.append(f"{lines[-1][0]} ends the process with {ran.returncode}: {ran.stderr[-300:]}")
            for name in {name for name, _ in lines}:
                path = folder / name
                if keep and any(reason.startswith(f"{name} ") for reason in wrong):
                    (keep / name).write_bytes(path.read_bytes())
                path.unlink()
                done += 1
    return done, wrong


def main() -> int:
    """Take mutants of each format, print what is wrong, and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="a folder for the mutants that something is wrong with")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return 0
    done, wrong = run(options.count, options.keep)
    print("\n".join(wrong) or f"{done} mutants, and nothing but carseg's own errors")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
