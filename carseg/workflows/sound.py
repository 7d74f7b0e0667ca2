"""The sound of a video on its way into another one: copied, or encoded anew where that cannot hold it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

# What each kind of container holds, and else what it gets; Matroska holds everything.
_HELD = {"mp4": {"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"}, "webm": {"opus", "vorbis"}}
_ENCODERS = {"mp4": "aac", "webm": "libopus"}


class Sound:
    """All sound of a video, between two moments.

    Args:
        original: the video, open; None where there is no sound to be kept.
        output: where it goes; the sound's streams are added to it.
        kind: the kind of container that it is for.
        start: seconds from the video's beginning; the output begins there.
        end: seconds from the video's beginning; None for its end.
    """

    def __init__(
        self, original: InputContainer | None, output: OutputContainer, kind: str, start: float, end: float | None
    ) -> None:
        self._output, self._end = output, end
        streams = [] if original is None else list(original.streams.audio)
        self._copies: dict[int, AudioStream] = {}
        self._encoded: dict[int, AudioStream] = {}
        for stream in streams:
            if kind in _HELD and stream.codec_context.codec.canonical_name not in _HELD[kind]:
                self._encoded[stream.index] = cast("AudioStream", output.add_stream(_ENCODERS[kind], rate=48_000))
            else:
                self._copies[stream.index] = output.add_stream_from_template(stream)
        self._start, self._shift = start, 0.0
        self._packets: Iterator[Packet[Any]] = iter(())
        if original is not None and streams:
            origin = (original.start_time or 0) / 1e6
            self._shift = start + origin
            if start:
                original.seek(int(self._shift * 1e6))
            self._packets = original.demux(*streams)
        self._waiting: Packet[Any] | None = None

    def write(self, until: float | None) -> None:
        """Write what is heard before a moment, in seconds from the beginning of the output; None: all that is left."""
        while (packet := self._next()) is not None:
            time = self._time(packet)
            if until is not None and time > until:
                return
            self._waiting = None
            if time >= 0 or not self._start:
                self._write(packet)
        if until is None:
            for stream in self._encoded.values():
                self._output.mux(stream.encode())

    def _time(self, packet: Packet[Any]) -> float:
        assert packet.pts is not None
        return float(packet.pts * packet.time_base) - self._shift

    def _next(self) -> Packet[Any] | None:
        """Return the first packet that is not written; None where there is none before the end, or it is broken off."""
        import av

        while self._waiting is None:
            try:
                packet = next(self._packets, None)
            except av.error.FFmpegError:  # whoever reads the frames says so
                packet = None
            if packet is None:
                self._packets = iter(())
                return None
            if packet.pts is not None and packet.dts is not None:
                self._waiting = packet
        if self._end is not None and self._time(self._waiting) >= self._end - self._start:
            return None
        return self._waiting

    def _write(self, packet: Packet[Any]) -> None:
        import av

        if packet.stream.index in self._copies:
            ticks = round(self._shift / packet.time_base)
            assert packet.pts is not None and packet.dts is not None
            packet.pts -= ticks
            packet.dts -= ticks
            packet.stream = self._copies[packet.stream.index]
            self._output.mux(packet)
            return
        try:
            frames = cast("list[AudioFrame]", packet.decode())
        except av.error.FFmpegError:  # a moment of silence
            return
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self._shift / frame.time_base)
            self._output.mux(self._encoded[packet.stream.index].encode(frame))
