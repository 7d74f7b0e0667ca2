"""A video out of results: each frame tinted as its mask says, with the time stamps and the sound of the original."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from carseg._files import replacing
from carseg.errors import CarsegError, OptionError, OutputError, excerpt, require_extra
from carseg.inference import Result, Video, video_stream
from carseg.workflows.sound import Sound

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

VIDEO_FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".webm": "webm"}
MADE_BY = "made by carseg"  # in the comment of a file, by which it is known again
_ENCODERS = ("libvpx-vp9", "libopenh264", "mpeg4")  # none under the GPL; browsers play the first two
# Speed for quality that is hardly seen; every frame comes out at once, so that none is held in memory.
_SETTINGS = {
    "libvpx-vp9": {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "7", "row-mt": "1", "lag-in-frames": "0"},
    "mpeg4": {"qscale": "4", "flags": "+qscale"},
}
_TICKS = 60_000  # a second; MPEG-4 allows 65,535
_PIPED = "nut"  # with raw frames, time stamps and sound, for another program


def overlay_video(
    results: Iterator[Result | CarsegError],
    path: str | os.PathLike[str],
    video: Video,
    *,
    alpha: float = 0.5,
    ffmpeg: str | os.PathLike[str] | None = None,
    encoder: str | None = None,
) -> Generator[Result | CarsegError]:
    """Yield the results of a video's frames as they come, and write them as a video; it is there when all have come.

    Errors among the results are passed on. Where no frame comes, nothing is written. What is watched live is written as
    far as it was watched, if the results are left or interrupted; a file not at all.

    Args:
        results: of the frames of ``video``, in order.
        path: a file that ends with .mp4, .mkv or .webm; an older one is replaced.
        video: what the frames are of; its sound is kept.
        alpha: as for ``Result.overlay``.
        ffmpeg: the program that encodes, instead of PyAV's own encoders.
        encoder: the name that it, or PyAV, has for an encoder; by default VP9 in PyAV, and what ffmpeg takes by itself.

    Raises:
        OptionError: another ending, no such encoder or program, or ``path`` is the video itself.
        MissingExtraError: PyAV is not installed.
        OutputError: the file cannot be written; nothing half-written is left.
    """
    target = Path(path)
    shown = excerpt(str(path))
    require_extra("av", "video", f"{shown}: writing a video")
    if target.suffix.lower() not in VIDEO_FORMATS:
        raise OptionError(
            f"{excerpt(str(path))}: a video is written as {', '.join(VIDEO_FORMATS)}, by its name's ending"
        )
    if os.path.exists(target) and os.path.exists(video.name) and os.path.samefile(target, video.name):
        raise OptionError(f"{shown} is the video itself, and would be overwritten: choose another name")
    program = None if ffmpeg is None else _program(ffmpeg)
    chosen = encoder or "" if program else _encoder([encoder] if encoder else _ENCODERS)
    return _written(results, target, video, alpha, program, chosen)


def _written(
    results: Iterator[Result | CarsegError], path: Path, video: Video, alpha: float, program: str | None, encoder: str
) -> Generator[Result | CarsegError]:
    left: BaseException | None = None
    with ExitStack() as stack:
        writer = None
        try:
            for result in results:
                if isinstance(result, Result):
                    if writer is None:
                        writer = stack.enter_context(_writing(path, video, result, program, encoder))
                    with _naming(path):
                        writer.add(result, alpha)
                yield result
        except (KeyboardInterrupt, GeneratorExit) as error:
            if not video.live:
                raise
            left = error  # whoever watches something live has no other way to end
    if left is not None:
        raise left


@contextmanager
def _writing(path: Path, video: Video, first: Result, program: str | None, encoder: str) -> Iterator[_Writer]:
    """Write a file for the time of a block, from its first result on."""
    import av

    kind = VIDEO_FORMATS[path.suffix.lower()]
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, ExitStack() as stack:
        with _naming(path):
            if program is None:
                options = {"movflags": "+faststart"} if kind == "mp4" else {}
                output = stack.enter_context(av.open(str(partial), "w", format=kind, options=options))
            else:
                pipe = stack.enter_context(_piped(program, encoder, kind, partial, path))
                output = stack.enter_context(av.open(pipe, "w", format=_PIPED))
            original = None if video.live else stack.enter_context(video.open())
            writer = _Writer(output, original, first, video, "rawvideo" if program else encoder, kind)
        yield writer
        with _naming(path):
            writer.finish()
            stack.close()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raise an OutputError that names the file for what PyAV and the system raise as it is written."""
    import av

    try:
        yield
    except CarsegError:
        raise
    except (OSError, ValueError, av.error.FFmpegError) as error:
        reason = excerpt(getattr(error, "strerror", None) or str(error))
        raise OutputError(
            f"cannot write {path}: {reason}; free some space, or choose another place or encoder"
        ) from error


class _Writer:
    """Frames on their way into a container, and the sound up to each of them."""

    def __init__(
        self,
        output: OutputContainer,
        original: InputContainer | None,
        first: Result,
        video: Video,
        encoder: str,
        kind: str,
    ) -> None:
        self._output, self._start, self._latest = output, video.start, -1
        output.metadata["comment"] = MADE_BY
        source = None if original is None else video_stream(original)
        rate = (source.average_rate if source else None) or 30
        options = _SETTINGS.get(encoder, {})
        stream = cast("VideoStream", output.add_stream(encoder, rate=Fraction(rate) / video.every, options=options))
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        if source is not None and source.sample_aspect_ratio:
            turned = (source.width, source.height) != (first.width, first.height)
            ratio = source.sample_aspect_ratio
            stream.codec_context.sample_aspect_ratio = 1 / ratio if turned else ratio
        self._stream = stream
        self._sound = Sound(original, output, kind, video.start, video.end)

    def add(self, result: Result, alpha: float) -> None:
        """Write a frame; of another size than the first it is scaled to that."""
        import av

        shown = np.asarray(result.overlay(alpha=alpha, legend=False))
        frame = av.VideoFrame.from_ndarray(shown, "rgb24")
        frame = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
        # A camera may give two frames one time; a file must not.
        self._latest = max(round(((result.time or 0.0) - self._start) * _TICKS), self._latest + 1)
        frame.pts, frame.time_base = self._latest, Fraction(1, _TICKS)
        self._sound.write(until=self._latest / _TICKS)
        self._output.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder holds back, and the rest of the sound."""
        self._output.mux(self._stream.encode())
        self._sound.write(until=None)


def is_overlay_video(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a video that ``overlay_video`` wrote."""
    import av

    try:
        with av.open(f"file:{os.fspath(path)}", metadata_errors="replace") as video:
            return any(key.lower() == "comment" and text == MADE_BY for key, text in video.metadata.items())
    except (OSError, ValueError):
        return False


def _encoder(names: Sequence[str]) -> str:
    """Return the first encoder that this PyAV has."""
    import av

    for name in names:
        try:
            return av.Codec(name, "w").name
        except ValueError:
            continue
    raise OptionError(f"PyAV has no encoder {' or '.join(names)}: name another, or a program with ffmpeg= (--ffmpeg)")


def _program(ffmpeg: str | os.PathLike[str]) -> str:
    found = shutil.which(os.fspath(ffmpeg))
    if found is None:
        raise OptionError(f"no program {excerpt(os.fspath(ffmpeg))} was found: install ffmpeg, or give its path")
    return found


@contextmanager
def _piped(program: str, encoder: str, kind: str, partial: Path, path: Path) -> Iterator[IO[bytes]]:
    """Start ffmpeg and yield its input, of which it makes the file; the sound it copies."""
    import av

    how = ["-c:v", encoder] if encoder else []
    command = [program, "-hide_banner", "-loglevel", "error", "-y", "-f", _PIPED, "-i", "pipe:0", *how]
    command += ["-pix_fmt", "yuv420p", "-enc_time_base", f"1:{_TICKS}", "-c:a", "copy", "-f", kind, f"file:{partial}"]
    with TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said)
        assert process.stdin is not None
        try:
            yield process.stdin
            process.stdin.close()
        except (OSError, av.error.FFmpegError):  # it may be the program that ended, and says why
            with suppress(OSError):
                process.stdin.close()
            if not process.wait():
                raise
        except BaseException:
            process.kill()
            raise
        finally:
            status = process.wait()
        if status:
            said.seek(0)
            reason = said.read().decode("utf-8", "replace").strip().partition("\n")[0]  # the rest follows from it
            raise OutputError(f"cannot write {path}: {program} ended with status {status} ({excerpt(reason)})")
