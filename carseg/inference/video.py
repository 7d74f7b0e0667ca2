"""Frames of video files, cameras and streams of the net, one after another; PyAV decodes them (``carseg[video]``)."""

from __future__ import annotations

import functools
import logging
import math
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from carseg._arrays import Uint8Array
from carseg._env import is_offline
from carseg.errors import CarsegError, ImageError, ImageNotFoundError, OfflineError, OptionError, excerpt, require_extra
from carseg.hub import media_type, read_pieces, web_address
from carseg.images import SUFFIXES, LoadedImage, check_pixels, decode, is_data_uri, pixel_limit
from carseg.inference.mjpeg import split_jpegs
from carseg.inference.video_frames import DecodedFrames, upright, video_stream

if TYPE_CHECKING:
    from av.container import InputContainer

_log = logging.getLogger("carseg")

_SUFFIXES = "3gp asf avi flv m2ts m4v mjpeg mjpg mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())
OVERLAY_VIDEOS = tuple(f".overlay{suffix}" for suffix in (".mp4", ".mkv", ".webm"))  # made by carseg of a video
_MJPEG = {".mjpeg", ".mjpg"}
_LIVE = re.compile(r"(rtsps?|rtmps?|rtp|udp|srt)://", re.IGNORECASE)
# Other formats are never tried: a playlist called drive.mp4 could name any file of the machine, or any address.
_FORMATS = (
    "asf,avi,flv,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mpeg,mpegts,mpegvideo,mpjpeg,mxf,ogg,rtp,rtsp,sdp,webm,"
    "avfoundation,dshow,v4l2"
)
_NET = "crypto,http,https,rtmp,rtmps,rtp,srt,srtp,tcp,tls,udp"  # and no files
_OPEN_SECONDS, _SILENT_SECONDS = 15.0, 30.0  # so long a camera may take to answer, and be silent
_SHORT_LOOK = {"analyzeduration": "500000", "probesize": "200000"}  # so that the first frame comes soon


_Frame = tuple[int, float, Callable[[], Uint8Array]]  # number, seconds, and what gives the pixels


class Video:
    """Selected frames of a video, in order and upright, each with its number and time; for ``Segmenter.stream``.

    ``stream`` also takes the path or address alone, for all frames. Frames are decoded when they are needed.

    Args:
        source: a file, the number of a camera, or an address: ``rtsp://``, ``http(s)://`` (a file, or MJPEG).
        every: use only every Nth frame, beginning with the first.
        start: time of the first frame, in seconds from the start of the video.
        end: time at which to stop, in seconds from the start of the video; None reads to the end.

    Attributes:
        name: the path or address, or ``camera-0``.
        live: whether it is a live source, such as a camera, which has no start to skip and no sound to keep.

    Raises:
        OptionError: a value is out of range, or ``start`` is used with a live source.
    """

    def __init__(
        self, source: str | os.PathLike[str] | int, *, every: int = 1, start: float = 0.0, end: float | None = None
    ) -> None:
        self.source = source if isinstance(source, int) else os.fspath(source)
        self.name = f"camera-{source}" if isinstance(source, int) else os.fspath(source)
        file = _suffix(self.name) in VIDEO_SUFFIXES - _MJPEG
        self.live = isinstance(source, int) or bool(_LIVE.match(self.name) or (web_address(self.name) and not file))
        self.every, self.start, self.end = every, start, end
        if every < 1:
            raise OptionError(f"every must be at least 1, got {every}")
        if not 0 <= start < math.inf or (end is not None and not end > start):
            raise OptionError(f"start must be 0 or later and end after it, in seconds, got {start} and {end}")
        if self.live and start:
            raise OptionError(f"{excerpt(self.name)} is live, so there is nothing to skip: leave start out")

    def __repr__(self) -> str:
        return f"Video({excerpt(self.name)!r}, every={self.every}, start={self.start}, end={self.end})"

    def __iter__(self) -> Iterator[LoadedImage]:
        return self.frames()

    def frames(self, max_pixels: int | None = None) -> Iterator[LoadedImage]:
        """Yield the frames.

        Args:
            max_pixels: refuse a video with larger frames, as for ``carseg.images.decode``.

        Raises:
            MissingExtraError: PyAV is not installed.
            ImageNotFoundError: the file does not exist.
            ImageError: the video has no frames, or none after ``start``; or it is broken, which is raised after all
                readable frames.
        """
        with reading(self.name):
            taken = False
            found = self._photographed(max_pixels) if self._is_mjpeg else self._decoded(max_pixels)
            with closing(found) as frames:
                for place, (number, time, image) in enumerate(frames):
                    if self.end is not None and time >= self.end:
                        break
                    if place % self.every == 0:
                        yield LoadedImage(image(), self.name, frame=number, time=time)
                        taken = True
            if not taken:
                raise ImageError(f"there is no frame from {self.start:g} s on" if self.start else "it has no frames")

    def duration(self) -> float | None:
        """Return how many seconds a file says that it lasts; None where it is live, cannot be read or does not say."""
        if self.live:
            return None
        try:
            with reading(self.name), self.open() as container:
                return (container.duration or 0) / 1e6 or None
        except CarsegError:
            return None

    @property
    def _is_mjpeg(self) -> bool:
        return self.live and web_address(self.name) is not None

    def _decoded(self, max_pixels: int | None) -> Generator[_Frame]:
        with self.open() as container:
            stream = video_stream(container)
            limit = pixel_limit(max_pixels)
            check_pixels((stream.width, stream.height), limit)
            if limit is not None:  # a later frame may be larger than the first
                stream.codec_context.options = {"max_pixels": str(limit)}
            frames = DecodedFrames(container, stream, self.start, live=self.live)
            for number, time, frame in frames:
                yield number, time, functools.partial(upright, frame)
            if frames.broken:
                raise ImageError(frames.broken)

    def _photographed(self, max_pixels: int | None) -> Generator[_Frame]:
        """Yield the frames of a camera that sends JPEG images over http; PyAV would wait for the one after."""
        began = None
        with closing(read_pieces(self.name)) as pieces:
            for number, jpeg in enumerate(split_jpegs(pieces)):
                now = monotonic()
                began = now if began is None else began
                try:
                    image = decode(jpeg, max_pixels=max_pixels)
                    image.rgb  # noqa: B018 - whether it is whole is known when it is decoded
                except ImageError as error:  # of which there are some where a connection is bad
                    _log.warning(f"{excerpt(self.name)}: a frame is left out, {error}")
                    continue
                yield number, now - began, functools.partial(getattr, image, "rgb")

    @contextmanager
    def open(self) -> Iterator[InputContainer]:
        """Open the video with PyAV for the time of a block.

        Raises:
            MissingExtraError: PyAV is not installed.
            ImageNotFoundError: there is no such file.
        """
        require_extra("av", "video", f"{excerpt(self.name)}: reading a video")
        import av

        file, device, options = self.name, None, {"format_whitelist": _FORMATS}
        if isinstance(self.source, int):
            file, device = _camera(self.source)
        elif "://" in file:
            if is_offline():
                raise OfflineError(f"{excerpt(file)} cannot be opened: CARSEG_OFFLINE or HF_HUB_OFFLINE forbids it")
            options |= (_SHORT_LOOK if self.live else {}) | {"protocol_whitelist": _NET}
            if file.lower().startswith("rtsp"):
                options["rtsp_transport"] = "tcp"  # over UDP each lost packet is seen
        else:
            if not os.path.exists(file):
                raise FileNotFoundError(file)
            file, options["protocol_whitelist"] = f"file:{file}", "file"
        timeout = (_OPEN_SECONDS, _SILENT_SECONDS) if "://" in file else None
        container = av.open(file, format=device, options=options, timeout=timeout, metadata_errors="replace")
        with container:
            yield container


def is_video(source: Any) -> bool:
    """Return whether a source of images is a video by its looks: the number of a camera, the ending of its name."""
    if isinstance(source, Video) or (isinstance(source, int) and not isinstance(source, bool)):
        return True
    if not isinstance(source, (str, os.PathLike)) or is_data_uri(source):
        return False
    return bool(_LIVE.match(str(source))) or _suffix(source) in VIDEO_SUFFIXES


def as_video(source: Any) -> Video:
    """Return what ``is_video`` takes for a video as one."""
    return source if isinstance(source, Video) else Video(source)


def is_video_address(source: Any) -> bool:
    """Return whether there is a video at an ``http(s)`` address; where its name says nothing, the server is asked."""
    if not web_address(source) or _suffix(source) in SUFFIXES:
        return False
    return is_video(source) or media_type(source).startswith(("video/", "multipart/x-mixed-replace"))


def _suffix(source: str | os.PathLike[str]) -> str:
    text = os.fspath(source)
    try:
        return Path(urlsplit(text).path if web_address(text) else text).suffix.lower()
    except ValueError:  # an address that is none
        return ""


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise one error that names the video for the many that PyAV raises within a block.

    Raises:
        ImageNotFoundError: there is no such file.
        ImageError: anything else, but for carseg's own errors of other kinds, which stay as they are.
    """
    shown = excerpt(name)
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{shown}: {error}") from None
    except (CarsegError, MemoryError):
        raise
    except FileNotFoundError:
        raise ImageNotFoundError(f"{shown}: no such file or camera") from None
    except Exception as error:  # whatever PyAV makes of a broken file
        reason = excerpt(getattr(error, "strerror", None) or str(error) or type(error).__name__)
        hint = "check that it exists and is on" if "://" in name else "it is broken, cut off, or not a video"
        raise ImageError(f"{shown}: cannot be read ({reason}): {hint}") from None


def _camera(number: int) -> tuple[str, str]:
    """Return what PyAV calls a camera of this machine, and the system's way to it."""
    if sys.platform == "darwin":
        return str(number), "avfoundation"
    if sys.platform == "win32":
        raise ImageError("cameras have no numbers on Windows: give frames of your own, such as OpenCV's")
    if not os.path.exists(f"/dev/video{number}"):
        raise FileNotFoundError(f"/dev/video{number}")
    return f"/dev/video{number}", "v4l2"
