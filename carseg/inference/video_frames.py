"""Frames out of a video that PyAV has opened: from a time on, with number and time, upright, and what is broken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from carseg._arrays import Uint8Array
from carseg.errors import ImageError, excerpt

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_TAIL = 0.5  # seconds by which a file may end before it says


def video_stream(container: InputContainer) -> VideoStream:
    """Return the stream of frames of an open video, prepared for being decoded.

    Raises:
        ImageError: it has none, or only the cover of a song.
    """
    import av

    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    if container.streams.audio:
        raise ImageError("it has only sound, and no frames")
    raise ImageError("it has no frames: it may be broken, or cut off")


class DecodedFrames:
    """The decoded frames of a stream from a time on, with number and time, and what was found to be broken.

    Attributes:
        broken: a sentence, "" as long as nothing is.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, start: float, *, live: bool) -> None:
        self._container, self._stream, self._start, self._live = container, stream, start, live
        # Threads that decode whole frames hold them back, as many as there are threads.
        stream.thread_type = "SLICE" if live else "AUTO"
        self._origin = (container.start_time or 0) / 1e6
        self._step = float(1 / (stream.average_rate or 25))
        self._skipped = 0  # frames before the first that is decoded
        self._latest = 0.0  # time up to which there was anything, sound too
        self.broken = ""

    def __iter__(self) -> Iterator[tuple[int, float, VideoFrame]]:
        time, first = -self._step, None
        for number, frame in enumerate(self._decoded()):
            if self._live and first is None:  # its clock may show anything
                self._origin += (first := self._time(frame.pts) or 0.0)
            known = self._time(frame.pts)
            time = time + self._step if known is None else known
            if time >= self._start - 1e-6:
                yield self._skipped + number, max(time, 0.0), frame
        length = (self._container.duration or 0) / 1e6
        if not self.broken and not self._live and length - self._latest > max(_TAIL, 2 * self._step):
            self.broken = f"it is cut off: of {length:.1f} s only {self._latest:.1f} s are there"

    def _time(self, pts: int | None) -> float | None:
        base = self._stream.time_base
        return None if pts is None or base is None else float(pts * base) - self._origin

    def _decoded(self) -> Iterator[VideoFrame]:
        import av

        for packet in self._from_start():
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._damaged(packet.pts)
                continue
            for frame in frames:
                if frame.is_corrupt:  # the decoder made up what it lacks
                    self._damaged(frame.pts)
                yield frame

    def _damaged(self, pts: int | None) -> None:
        if not self._live:  # of what is live the beginning was not seen, and it goes on
            time = self._time(pts)
            place = "somewhere" if time is None else f"{time:.1f} s after its beginning"
            self.broken = self.broken or f"a piece of it is broken, {place}"

    def _from_start(self) -> Iterator[Packet[Any]]:
        """Yield the packets from the last frame before ``start`` that can be decoded by itself."""
        since: list[Packet[Any]] | None = []
        for packet in self._packets():
            if since is None:
                yield packet
                continue
            time = self._time(packet.pts)
            begun = packet.dts is None or (time is not None and time + self._step > self._start)
            if packet.is_keyframe and not begun:
                self._skipped += len(since)
                since.clear()
            since.append(packet)
            if begun:
                yield from since
                since = None

    def _packets(self) -> Iterator[Packet[Any]]:
        """Yield the packets of the frames, and at last one that has the decoder give what it holds back."""
        import av

        stream = self._stream
        try:
            for packet in self._container.demux(stream, *self._container.streams.audio):
                end = None if packet.pts is None else float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self._latest = max(self._latest, (end or 0.0) - self._origin)
                if packet.stream is stream:
                    yield packet
        except av.error.FFmpegError as error:
            if self._live:
                raise
            self.broken = f"it is broken {self._latest:.1f} s after its beginning ({excerpt(str(error.strerror))})"
            yield av.packet.Packet()


def upright(frame: VideoFrame) -> Uint8Array:
    """Return a frame, RGB uint8 (H, W, 3), turned and mirrored as the video says, in steps of 90 degrees."""
    rgb = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    facts = cast("Mapping[str, bytes]", frame.side_data)  # of which PyAV's types know two keys only
    if "DISPLAYMATRIX" not in facts:
        return rgb
    return np.ascontiguousarray(_turned(rgb, np.frombuffer(facts["DISPLAYMATRIX"], np.int32)))


def _turned(rgb: Uint8Array, matrix: npt.NDArray[np.int32]) -> Uint8Array:
    """Return an image after a display matrix: nine int32, of which a, b / c, d map (x, y) to (ax + cy, bx + dy)."""
    a, b, _, c, d = matrix[:5].astype(float)
    if a * d - b * c < 0:  # mirrored across, and then turned
        rgb, a, b = rgb[:, ::-1], -a, -b
    return np.rot90(rgb, -round(math.degrees(math.atan2(b, a)) / 90))
