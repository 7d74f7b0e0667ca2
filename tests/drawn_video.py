"""Videos for tests, drawn and written by PyAV itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from color_hub import COLORS

av = pytest.importorskip("av", reason="pip install 'carseg[video]' for videos")
RATE = 10
GOOD = {"g": "5", "qscale": "2", "flags": "+qscale"}
QUICK = {"g": "5", "deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "2M"}


def clip(count: int = 20, size: tuple[int, int] = (64, 96)) -> list[np.ndarray]:
    """Return frames that are green, with a red left door above left, and a blue wheel that grows from the right."""
    frames = []
    for number in range(count):
        frame = np.full((*size, 3), COLORS[2], np.uint8)
        frame[: size[0] // 2, : size[1] // 2] = COLORS[1]
        frame[:, size[1] - 4 - 2 * number :] = COLORS[3]
        frames.append(frame)
    return frames


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray] = (),
    *,
    codec: str = "mpeg4",
    pix_fmt: str = "yuv420p",
    times: Iterable[float] = (),
    sound: str = "",
    seconds_of_sound: float = 0.0,
    rotation: int = 0,
    mirrored: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames, by default those of ``clip``, ten a second or at the given times, and sound if any.

    A test is skipped where this PyAV has no such encoder.
    """
    for name in (codec, sound or codec):
        if name not in av.codecs_available:
            pytest.skip(f"this PyAV has no encoder {name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = clip() if not len(frames) else frames
    ticks = 1000 if times else RATE
    times = list(times) or [number / RATE for number in range(len(frames))]
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as output:
        stream = output.add_stream(codec, rate=RATE)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = pix_fmt, {**(QUICK if "vpx" in codec else GOOD), **(options or {})}
        stream.codec_context.time_base = Fraction(1, ticks)
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        if sound:
            voice = output.add_stream(sound, rate=48000)
        for frame, time in zip(frames, times, strict=True):
            shown = av.VideoFrame.from_ndarray(frame, "rgb24")
            shown.pts, shown.time_base = round(time * ticks), Fraction(1, ticks)
            output.mux(stream.encode(shown))
        output.mux(stream.encode())
        if sound:
            for part in hum(seconds_of_sound or times[-1] + 1 / RATE):
                output.mux(voice.encode(part))
            output.mux(voice.encode())
    return path


def hum(seconds: float, rate: int = 48000) -> Iterator[av.AudioFrame]:
    """Yield a tone of 440 Hz that gets louder, so that a shift would be seen."""
    moments = np.arange(int(seconds * rate)) / rate
    wave = (np.sin(2 * np.pi * 440 * moments) * moments / max(seconds, 1e-9) * 0.5).astype(np.float32)
    for start in range(0, len(wave), 1024):
        part = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "fltp", "mono")
        part.sample_rate, part.pts, part.time_base = rate, start, Fraction(1, rate)
        yield part


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        voice = output.add_stream("aac", rate=48000)
        for part in hum(1.0):
            output.mux(voice.encode(part))
        output.mux(voice.encode())
    return path
