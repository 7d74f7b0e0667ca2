"""Frames of video files, cameras and streams of the net, with their results."""

from __future__ import annotations

import io
import os
import re
import threading
import weakref
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg
from carseg.errors import HubError, ImageError, ImageNotFoundError, MissingExtraError, OfflineError, OptionError
from carseg.inference import find_images, is_video

from color_hub import COLORS, photo
from drawn_video import av, clip, write_clip, write_sound

PATIENCE = 20


def like(image: np.ndarray, drawn: np.ndarray) -> bool:
    """Return whether a frame shows what was drawn, but for what codecs do to its edges."""
    return image.shape == drawn.shape and np.abs(image.astype(int) - drawn).mean() < 12


def noise(count: int) -> list[np.ndarray]:
    """Return frames that take many bytes."""
    return [np.random.default_rng(number).integers(0, 256, (64, 96, 3), np.uint8) for number in range(count)]


def frames_of(video: object) -> list[carseg.images.LoadedImage]:
    return list(video if isinstance(video, carseg.Video) else carseg.Video(video))


@pytest.mark.parametrize(
    "name, options",
    [
        ("a.mp4", {}),
        ("a.MOV", {}),
        ("a.mkv", {"codec": "libvpx-vp9"}),
        ("a.webm", {"codec": "libvpx"}),
        ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("a.ts", {"codec": "mpeg2video", "sound": "mp2"}),
        ("a.mpg", {"codec": "mpeg2video"}),
        ("a.flv", {"codec": "flv"}),
        ("a.wmv", {"codec": "wmv2"}),
        ("sound.mp4", {"sound": "aac"}),
        ("b-frames.mp4", {"options": {"bf": "2"}}),
        ("ten bits.mkv", {"codec": "ffv1", "pix_fmt": "yuv420p10le"}),
        ("rgb.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
        ("grey.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p"}),
        ("#1 100%: a|b.mp4", {}),
    ],
)
def test_results_have_frame_and_time(model, tmp_path, name, options):
    if os.name == "nt" and ":" in name:
        pytest.skip("no such names on Windows")
    path = write_clip(tmp_path / name, **options)
    results = list(model.stream(path))
    assert [result.frame for result in results] == list(range(20))
    assert [result.time for result in results] == pytest.approx([n / 10 for n in range(20)], abs=0.03)
    assert all(like(result.image, drawn) for result, drawn in zip(results, clip(), strict=True))
    assert {result.source for result in results} == {str(path)}
    areas = [result.parts["wheel"].area_px for result in results]
    assert areas == sorted(areas) and areas[0] < areas[-1]
    assert results[3].to_dict()["frame"] == 3 and results[3].to_dict()["time"] == results[3].time


@pytest.mark.parametrize("size", [(63, 97), (17, 33), (64, 31)])
@pytest.mark.parametrize("codec", ["mpeg4", "libvpx-vp9", "ffv1"])
def test_odd_sizes(tmp_path, size, codec):
    drawn = clip(3, size)
    found = frames_of(write_clip(tmp_path / "a.mkv", drawn, codec=codec))
    assert all(like(frame.rgb, wanted) for frame, wanted in zip(found, drawn, strict=True))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270, -90])
def test_frames_are_upright(tmp_path, rotation, mirrored):
    drawn = clip(2, (48, 80))
    path = write_clip(tmp_path / "a.mp4", drawn, rotation=rotation, mirrored=mirrored)
    for frame, stored in zip(frames_of(path), drawn, strict=True):
        shown = np.rot90(stored, rotation // 90)
        assert like(frame.rgb, shown[:, ::-1] if mirrored else shown)


def test_a_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0, 0.04, 0.08, 0.5, 0.51, 2.0, 7.25]
    path = write_clip(tmp_path / "a.mkv", clip(7), times=times)
    assert [frame.time for frame in frames_of(path)] == pytest.approx(times, abs=0.002)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
@pytest.mark.parametrize(
    "options, wanted",
    [
        ({"every": 5}, [0, 5, 10, 15]),
        ({"every": 100}, [0]),
        ({"start": 0.7}, list(range(7, 20))),
        ({"start": 0.75}, list(range(8, 20))),
        ({"end": 0.5}, list(range(5))),
        ({"start": 0.5, "end": 1.3, "every": 3}, [5, 8, 11]),
        ({"start": 1.9}, [19]),
    ],
    ids=str,
)
def test_some_of_the_frames(tmp_path, name, options, wanted):
    """Numbers stay those of the whole video, though only what is needed is decoded; every fifth can be alone."""
    path = write_clip(tmp_path / name, codec="mpeg2video" if name == "a.ts" else "mpeg4")
    found = frames_of(carseg.Video(path, **options))
    assert [frame.frame for frame in found] == wanted
    assert [frame.time for frame in found] == pytest.approx([n / 10 for n in wanted], abs=0.03)
    assert all(like(frame.rgb, clip()[frame.frame]) for frame in found)


def test_numbers_are_those_of_the_whole_video_however_far_in_the_start_is(tmp_path):
    path = write_clip(tmp_path / "a.mkv", clip(300, (32, 32)), times=[n / 100 for n in range(300)])
    assert [frame.frame for frame in carseg.Video(path, start=2.98)] == [298, 299]


@pytest.mark.parametrize(
    "options", [{"every": 0}, {"start": -1}, {"start": 3, "end": 3}, {"end": 0}, {"start": float("nan")}]
)
def test_options_out_of_range(options):
    with pytest.raises(OptionError, match="must be"):
        carseg.Video("drive.mp4", **options)


def test_what_is_live_has_no_start():
    with pytest.raises(OptionError, match="is live"):
        carseg.Video("rtsp://camera/1", start=2)


@pytest.mark.parametrize("name, codec", [("a.mkv", "libvpx-vp9"), ("a.mp4", "mpeg4"), ("a.webm", "libvpx")])
@pytest.mark.parametrize("on_error", ["yield", "raise"])
def test_a_tail_that_is_cut_off_is_said_after_the_frames_that_are_there(model, tmp_path, name, codec, on_error):
    path = write_clip(tmp_path / name, noise(20), codec=codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen: list[object] = []
    if on_error == "yield":
        *seen, error = model.stream(path, on_error="yield")
        assert isinstance(error, ImageError) and error.source == path
    else:
        with pytest.raises(ImageError) as raised:
            for result in model.stream(path):
                seen.append(result)
        error = raised.value
    assert 3 < len(seen) < 17
    assert re.match(rf"{re.escape(str(path))}: (it is cut off|a piece of it is broken)", str(error))


def test_a_broken_piece_costs_itself_at_most_and_is_said(tmp_path):
    path = write_clip(tmp_path / "a.mkv", noise(20))
    with av.open(str(path)) as container:
        place, size = [(packet.pos, packet.size) for packet in container.demux() if packet.size][7]
    content = bytearray(path.read_bytes())
    content[place + 16 : place + 16 + size // 2] = bytes(size // 2)
    path.write_bytes(content)
    found = []
    with pytest.raises(ImageError, match=r"a\.mkv: a piece of it is broken, 0\.7 s after its beginning"):
        for frame in carseg.Video(path):
            found.append(frame)
    assert len(found) == 20 and found[-1].time == pytest.approx(1.9)


def write_empty(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 96, 64
        output.start_encoding()
    return path


def test_what_has_no_frames(model, tmp_path):
    for path in (tmp_path / "text.mp4", tmp_path / "nothing.mp4"):
        path.write_bytes(b"no video" * 100 if path.stem == "text" else b"")
    head = write_clip(tmp_path / "head.mkv")
    head.write_bytes(head.read_bytes()[:200])
    for path in (tmp_path / "text.mp4", tmp_path / "nothing.mp4", head, write_empty(tmp_path / "empty.avi")):
        with pytest.raises(ImageError, match=path.name):
            list(model.stream(path))
    with pytest.raises(ImageError, match=r"sound\.m4v: it has only sound, and no frames"):
        write_sound(tmp_path / "sound.mp4").rename(tmp_path / "sound.m4v")
        list(model.stream(tmp_path / "sound.m4v"))
    with pytest.raises(ImageError, match="there is no frame from 9 s on"):
        list(model.stream(carseg.Video(write_clip(tmp_path / "a.mp4"), start=9)))
    for missing in (tmp_path / "none.mp4", "none.mkv"):
        with pytest.raises(ImageNotFoundError):
            model.stream(missing)


def test_a_playlist_under_the_name_of_a_video_reaches_no_other_file(tmp_path):
    other = write_clip(tmp_path / "private.ts", codec="mpeg2video")
    for name, text in (
        ("hls.mp4", f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{other}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", f"ffconcat version 1.0\nfile {other.name}\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ImageError, match=name):
            frames_of(tmp_path / name)


def test_frames_that_are_too_large_are_refused(model, tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    with pytest.raises(ImageError, match=r"96 x 64 are more than 6000 pixels"):
        list(model.stream(path, max_pixels=6000))


def test_frames_that_grow_too_large_are_refused_too(tmp_path):
    path, large = (
        write_clip(tmp_path / name, clip(5, size), codec="mpeg2video")
        for name, size in (("a.ts", (64, 96)), ("large.ts", (320, 480)))
    )
    path.write_bytes(path.read_bytes() + large.read_bytes())
    assert {frame.rgb.shape for frame in carseg.Video(path)} == {(64, 96, 3), (320, 480, 3)}
    seen = []
    with pytest.raises(ImageError, match=r"a\.ts: a piece of it is broken"):
        for frame in carseg.Video(path).frames(max_pixels=10_000):
            seen.append(frame.rgb.shape)
    assert set(seen) == {(64, 96, 3)}


def test_videos_among_images_are_done_in_their_place(model, tmp_path):
    photo(tmp_path / "in" / "a.png")
    write_clip(tmp_path / "in" / "b.mp4", clip(3))
    photo(tmp_path / "in" / "c.png")
    for source in (tmp_path / "in", str(tmp_path / "in" / "*.*"), sorted((tmp_path / "in").iterdir())):
        seen = [(Path(result.source).name, result.frame) for result in model.stream(source)]
        assert seen == [("a.png", None), ("b.mp4", 0), ("b.mp4", 1), ("b.mp4", 2), ("c.png", None)]
    assert {result.root for result in model.stream(tmp_path / "in")} == {str(tmp_path / "in")}
    assert [path.name for path in find_images(tmp_path / "in")] == ["a.png", "b.mp4", "c.png"]


def test_frames_are_saved_under_names_of_their_own(model, tmp_path):
    path = write_clip(tmp_path / "drive.mp4", clip(3))
    for result in model.stream(path):
        result.save(tmp_path / "out", ("mask", "json"))
        result.save(tmp_path / "out", "mask")
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == [f"drive-00000{n}.{kind}" for n in range(3) for kind in ("json", "mask.png")]


def test_without_pyav_the_video_is_named_with_what_to_install(model, tmp_path, monkeypatch):
    photo(tmp_path / "in" / "a.png")
    write_clip(tmp_path / "in" / "b.mp4", clip(3))
    real = carseg.errors.importlib.util.find_spec
    monkeypatch.setattr(carseg.errors.importlib.util, "find_spec", lambda name: None if name == "av" else real(name))
    _, error = model.stream(tmp_path / "in", on_error="yield")
    assert isinstance(error, MissingExtraError) and error.source == tmp_path / "in" / "b.mp4"
    assert "b.mp4: reading a video needs av: pip install 'carseg[video]'" in str(error)


def test_what_is_a_video_by_its_looks():
    for source in ("a.mp4", Path("b.MKV"), 0, "rtsp://user:word@camera/1", "http://camera/live.mjpg?size=2"):
        assert is_video(source), source
    for source in ("a.png", "mp4", "data:image/png;base64,aaaa", True, b"a.mp4", None, "http://host/image?id=a.mp4"):
        assert not is_video(source), source


def test_a_long_video_holds_no_more_frames_than_a_short_one(model, tmp_path):
    alive: weakref.WeakSet[carseg.Result] = weakref.WeakSet()
    most = 0
    for result in model.stream(write_clip(tmp_path / "a.mkv", clip(20, (16, 48)) * 20)):
        alive.add(result)
        most = max(most, len(alive))
    assert most <= 3


def test_a_file_is_not_live(model, tmp_path):
    path = write_clip(tmp_path / "a.mp4", clip(3))
    with pytest.raises(OptionError, match="latest=True is for live sources"):
        model.stream(path, latest=True)


def test_a_camera_that_is_not_there_is_named(model):
    with pytest.raises(ImageError, match="camera-97"):
        list(model.stream(97))


class Camera(ThreadingHTTPServer):
    """Sends JPEG images one by one, each when it is told to, as cameras do; with or without saying their lengths."""

    daemon_threads = True

    def __init__(self, lengths: bool, head: str = "multipart/x-mixed-replace; boundary=shot") -> None:
        super().__init__(("127.0.0.1", 0), _Shots)
        self.lengths, self.head = lengths, head
        self.shots = threading.Semaphore(0)
        self.count = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/view"


class _Shots(BaseHTTPRequestHandler):
    server: Camera

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", self.server.head)
        self.end_headers()
        if "peek" in self.path:
            return
        try:
            while self.server.shots.acquire(timeout=PATIENCE):
                self._shoot(jpeg(1 + self.server.count % 3))
                self.server.count += 1
        except OSError:
            pass

    def _shoot(self, image: bytes) -> None:
        length = f"Content-Length: {len(image)}\r\n" if self.server.lengths else ""
        self.wfile.write(f"--shot\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + image[:100])
        self.wfile.flush()
        self.wfile.write(image[100:] + b"\r\n")


def jpeg(label: int) -> bytes:
    """Return an image with a thumbnail in it, which ends as a JPEG does."""
    image = Image.new("RGB", (40, 30), COLORS[label])
    thumbnail = io.BytesIO()
    image.resize((4, 3)).save(thumbnail, "JPEG")
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, comment=thumbnail.getvalue())
    return file.getvalue()


@pytest.fixture(params=[True, False], ids=["lengths", "no lengths"])
def camera(request: pytest.FixtureRequest) -> Iterator[Camera]:
    server = Camera(request.param)
    yield server
    server.shutdown()
    server.server_close()


def test_each_frame_of_an_http_camera_is_answered_before_the_next_one(model, camera):
    results = model.stream(carseg.Video(camera.address))
    for number in range(5):
        camera.shots.release()  # the camera stalls until its last frame was answered
        result = next(results)
        assert result.mask[0, 0] == 1 + number % 3
        assert result.frame == number and result.image.shape == (30, 40, 3)
        assert result.source == camera.address
    results.close()


def test_a_server_is_asked_where_the_address_does_not_say_that_it_is_a_video(model):
    for head, kind in (("multipart/x-mixed-replace; boundary=x", carseg.Video), ("image/jpeg", str)):
        server = Camera(True, head)
        [found] = find_images(f"{server.address}?peek")
        assert isinstance(found, kind)
        server.shutdown()
        server.server_close()


def test_the_frames_of_a_bad_connection_are_left_out_one_by_one(model, camera, monkeypatch):
    monkeypatch.setattr("test_video.jpeg", lambda label: b"\xff\xd8\xff\xff\xd9" if label == 2 else jpeg_of(label))
    for _ in range(4):
        camera.shots.release()
    results = model.stream(carseg.Video(camera.address))
    assert [(next(results).frame, int(next(results).frame)) for _ in range(1)] == [(0, 2)]
    results.close()


jpeg_of = jpeg


def test_no_camera_is_asked_where_sockets_are_forbidden(model, camera, monkeypatch):
    monkeypatch.setenv("CARSEG_OFFLINE", "1")
    for address in (camera.address + ".mjpg", "rtsp://127.0.0.1:1/1", "http://127.0.0.1:1/drive.mp4"):
        with pytest.raises(OfflineError, match="cannot be opened: CARSEG_OFFLINE"):
            list(model.stream(address))


def test_a_camera_that_is_off_is_named_without_its_password(model):
    with pytest.raises(HubError, match=r"http://\*\*\*@127\.0\.0\.1:1/live\.mjpg") as raised:
        list(model.stream("http://me:secret@127.0.0.1:1/live.mjpg"))
    assert "secret" not in str(raised.value)
    with pytest.raises(ImageError, match=r"rtsp://\*\*\*@127\.0\.0\.1:1/1: cannot be read") as off:
        list(model.stream("rtsp://me:secret@127.0.0.1:1/1"))
    assert "secret" not in str(off.value)
