"""Videos in, videos out: ``overlay_video``, and ``carseg predict`` of videos, alone and among images."""

from __future__ import annotations

import itertools
import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import carseg
from carseg.errors import OptionError, OutputError
from carseg.inference import Result, Segmenter
from carseg.workflows import is_overlay_video, overlay_video

from color_hub import photo
from drawn_video import av, clip, write_clip
from predicting import predict, written


@pytest.fixture(autouse=True)
def here(shared_hub: Path, own_cache: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARSEG_HUB", str(shared_hub))


def times_of(path: str | Path) -> list[float]:
    return [round(frame.time, 3) for frame in carseg.Video(path)]


def sound_of(path: str | Path) -> tuple[str, float, np.ndarray]:
    """Return how the sound is coded, when it begins, and how loud it is in each tenth of a second."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        samples = np.concatenate([frame.to_ndarray().reshape(len(frame.layout.channels), -1)[0] for frame in frames])
        samples = samples.astype(float) / (32768 if samples.dtype.kind == "i" else 1)
        tenth = frames[0].sample_rate // 10
        loud = np.abs(samples[: len(samples) // tenth * tenth]).reshape(-1, tenth).mean(1)
        return stream.codec_context.codec.canonical_name, float(frames[0].time), loud


def made(model: Segmenter, video: carseg.Video, path: str, **options: object) -> int:
    return sum(1 for _ in overlay_video(model.stream(video), path, video, **options))


@pytest.mark.parametrize("name", ["seen.mp4", "seen.mkv", "seen.webm", "deep/er/SEEN.MP4"])
def test_each_frame_is_tinted_at_its_time(model, name):
    times = [0, 0.04, 0.1, 0.5, 1.25, 3.0]
    video = carseg.Video(write_clip(Path("drive.mkv"), clip(6, (63, 97)), times=times))
    expected = [np.asarray(result.overlay(legend=False)).astype(int) for result in model.stream(video)]
    assert made(model, video, name) == 6
    frames = list(carseg.Video(name))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.002)
    assert all(np.abs(frame.rgb - wanted).mean() < 12 for frame, wanted in zip(frames, expected, strict=True))
    with av.open(name) as written_file:
        assert written_file.streams.video[0].codec_context.name in ("vp9", "h264", "mpeg4")
    assert is_overlay_video(name) and not is_overlay_video("drive.mkv")


@pytest.mark.parametrize(
    "given, sound, out, kept",
    [
        ("a.mp4", "aac", "seen.mp4", "aac"),
        ("a.mkv", "libopus", "seen.webm", "opus"),
        ("a.mkv", "libopus", "seen.mp4", "opus"),
        ("a.mp4", "aac", "seen.webm", "opus"),
        ("a.avi", "pcm_s16le", "seen.mp4", "aac"),
        ("a.mkv", "pcm_s16le", "seen.mkv", "pcm_s16le"),
    ],
)
def test_the_sound_is_kept(model, given, sound, out, kept):
    video = carseg.Video(write_clip(Path(given), sound=sound, seconds_of_sound=2.5))
    made(model, video, out)
    _, begun, loud = sound_of(given)
    codec, begins, louder = sound_of(out)
    assert codec == kept and begins == pytest.approx(begun, abs=0.03)
    assert len(louder) == pytest.approx(len(loud), abs=1)
    assert np.abs(louder[: len(loud)] - loud[: len(louder)]).max() < 0.03


def test_a_piece_of_a_video_has_the_sound_of_that_piece(model):
    video = carseg.Video(write_clip(Path("a.mp4"), sound="aac"), start=1.0, end=1.6, every=2)
    made(model, video, "seen.mp4")
    assert times_of("seen.mp4") == pytest.approx([0, 0.2, 0.4], abs=0.002)
    _, begun, loud = sound_of("seen.mp4")
    assert begun == pytest.approx(0, abs=0.03) and len(loud) == pytest.approx(6, abs=1)
    assert loud[1] == pytest.approx(sound_of("a.mp4")[2][11], abs=0.02)


def test_a_turned_video_is_written_upright_with_its_shape_of_pixels(model):
    path = write_clip(Path("a.mp4"), clip(3, (48, 80)), rotation=90, options={"aspect": "1"})
    made(model, carseg.Video(path), "seen.mp4")
    [frame, *_] = carseg.Video("seen.mp4")
    assert frame.rgb.shape == (80, 48, 3)


def broken_off(results: Iterator[Result], error: BaseException) -> Iterator[Result]:
    yield from itertools.islice(results, 7)
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("unplugged"), None], ids=repr)
def test_a_file_is_whole_or_not_there(model, error):
    video = carseg.Video(write_clip(Path("a.mp4"), sound="aac"))
    Path("seen.mp4").write_bytes(b"older")
    if error is None:
        results = overlay_video(model.stream(video), "seen.mp4", video)
        next(results)
        results.close()
    else:
        with pytest.raises(type(error)) as raised:
            list(overlay_video(broken_off(model.stream(video), error), "seen.mp4", video))
        assert raised.value is error
    assert Path("seen.mp4").read_bytes() == b"older"
    assert sorted(path.name for path in Path().iterdir()) == ["a.mp4", "seen.mp4"]


def test_what_was_watched_live_is_written_as_far_as_it_was_watched(model):
    camera = carseg.Video("rtsp://camera/1")
    frames = carseg.Video(write_clip(Path("a.mp4")))
    with pytest.raises(KeyboardInterrupt):
        list(overlay_video(broken_off(model.stream(frames), KeyboardInterrupt()), "seen.mp4", camera))
    assert len(times_of("seen.mp4")) == 7


def test_errors_among_the_results_are_passed_on_and_no_frames_make_no_file(model):
    path = write_clip(
        Path("a.mkv"), [np.random.default_rng(n).integers(0, 256, (64, 96, 3), np.uint8) for n in range(20)]
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = carseg.Video(path)
    *results, error = overlay_video(model.stream(video, on_error="yield"), "seen.mp4", video)
    assert isinstance(error, carseg.ImageError) and len(times_of("seen.mp4")) == len(results)
    Path("none.mkv").write_bytes(b"nothing")
    video = carseg.Video("none.mkv")
    [error] = overlay_video(model.stream(video, on_error="yield"), "none.mp4", video)
    assert not Path("none.mp4").exists()


def test_what_cannot_be_written_is_named(model):
    video = carseg.Video(write_clip(Path("a.mp4"), clip(3)))
    for path, options, error, words in (
        ("seen.gif", {}, OptionError, r"seen\.gif: a video is written as \.mp4, \.mkv, \.webm"),
        ("a.mp4", {}, OptionError, r"a\.mp4 is the video itself"),
        ("seen.mp4", {"encoder": "none-such"}, OptionError, "no encoder none-such"),
        ("seen.mp4", {"ffmpeg": "none-such"}, OptionError, "no program none-such"),
        ("a.mp4/seen.mp4", {}, OutputError, r"cannot write a\.mp4/seen\.mp4"),
        ("seen.webm", {"encoder": "mpeg4"}, OutputError, r"cannot write seen\.webm"),
    ):
        with pytest.raises(error, match=words):
            made(model, video, path, **options)
        assert not Path("seen.mp4").exists() and not Path("seen.webm").exists()


FFMPEG = """#!{python}
import sys
import av
arguments = sys.argv[1:]
if "broken" in arguments:
    sys.exit("Unknown encoder 'broken'\\nError opening output files")
with av.open(sys.stdin.buffer) as given, av.open(arguments[-1], "w", format=arguments[-2]) as output:
    video = output.add_stream("mpeg4", rate=10)
    frames = iter(given.decode(video=0))
    first = next(frames)
    video.width, video.height, video.pix_fmt = first.width, first.height, "yuv420p"
    for frame in [first, *frames]:
        output.mux(video.encode(frame))
    output.mux(video.encode())
    output.metadata["title"] = arguments[arguments.index("-c:v") + 1]
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
def test_a_program_can_encode_in_pyavs_place(model):
    program = Path("my-ffmpeg")
    program.write_text(FFMPEG.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    video = carseg.Video(write_clip(Path("a.mp4"), clip(5)))
    made(model, video, "seen.mp4", ffmpeg=program.absolute(), encoder="libx264")
    assert times_of("seen.mp4") == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=0.002)
    with pytest.raises(OutputError, match=r"cannot write more\.mp4: .*my-ffmpeg ended with status 1 \(Unknown encoder"):
        made(model, video, "more.mp4", ffmpeg=program.absolute(), encoder="broken")
    assert not Path("more.mp4").exists()


def test_one_video_becomes_one_video(capsys):
    write_clip(Path("drive.mp4"), sound="aac")
    assert predict("drive.mp4", "--out", "seen.mp4") == 0
    out, err = capsys.readouterr()
    assert out.startswith("drive.mp4  96 x 64  20 frames, to 1.90 s\n") and "wheel" in out
    assert "1 of 1 done" in err and "results are in seen.mp4" in err
    assert len(times_of("seen.mp4")) == 20 and sound_of("seen.mp4")[0] == "aac"
    assert not Path("seen").exists() and not Path("carseg-out").exists()
    assert predict("drive.mp4", "--out", "seen.mp4", "--every", "5", "--start", "0.5", "--end", "1.5") == 0
    assert "results of earlier runs in seen.mp4 are replaced" in capsys.readouterr().err
    assert times_of("seen.mp4") == pytest.approx([0, 0.5], abs=0.002)


def test_files_of_every_frame(capsys):
    write_clip(Path("drive.mp4"), clip(6))
    assert predict("drive.mp4", "--save", "mask,json", "--every", "5", "--format", "json") == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(document["frame"], document["time"]) for document in documents] == [(0, 0.0), (5, 0.5)]
    assert written() == [f"drive/drive-00000{n}.{kind}" for n in (0, 5) for kind in ("json", "mask.png")]
    assert all(Path(path).is_file() for document in documents for path in document["files"].values())
    assert predict("drive.mp4", "--save", "mask", "--out", "seen.mp4", "--end", "0.15") == 0
    assert written("seen") == ["drive-000000.mask.png", "drive-000001.mask.png"] and Path("seen.mp4").is_file()


def test_videos_among_images_are_done_and_named(capsys):
    photo(Path("in/a.png"))
    write_clip(Path("in/a.mp4"), clip(3))
    write_clip(Path("in/deep/b.MOV"), clip(3))
    Path("in/broken.mkv").write_bytes(b"broken")
    assert predict("in") == 1
    out, err = capsys.readouterr()
    assert "in/broken.mkv: cannot be read" in err and "3 of 4 done" in err
    assert [line.split()[0] for line in out.splitlines() if "96 x 64" in line] == [
        "in/a.png",
        "in/a.mp4",
        "in/deep/b.MOV",
    ]
    files = ["a.mp4.overlay.mp4", "a.png.mask.png", "a.png.overlay.png", "deep/b.overlay.mp4"]
    assert written() == files
    assert predict("in", "--out", "in/results") == 1 and predict("in", "--out", "in/results") == 1
    assert written("in/results") == files


def test_without_pyav_images_are_done_and_videos_named(capsys, monkeypatch):
    photo(Path("in/a.png"))
    write_clip(Path("in/b.mp4"), clip(3))
    write_clip(Path("in/c.mp4"), clip(3))
    real = carseg.errors.importlib.util.find_spec
    monkeypatch.setattr(carseg.errors.importlib.util, "find_spec", lambda name: None if name == "av" else real(name))
    assert predict("in") == 1
    err = capsys.readouterr().err
    assert err.count("needs av: pip install 'carseg[video]'") == 2 and "b.overlay.mp4" in err and "c.overlay.mp4" in err
    assert "1 of 3 done" in err and written() == ["a.mask.png", "a.overlay.png"]


def test_a_video_that_carseg_did_not_write_is_not_replaced(capsys):
    write_clip(Path("drive.mp4"), clip(3))
    write_clip(Path("carseg-out/drive.overlay.mp4"), clip(3))
    before = Path("carseg-out/drive.overlay.mp4").read_bytes()
    assert predict("drive.mp4") == 2
    assert "is not an overlay of carseg" in capsys.readouterr().err
    assert predict("drive.mp4", "--out", "drive.mp4") == 2
    assert Path("carseg-out/drive.overlay.mp4").read_bytes() == before


def test_a_table_has_the_rows_of_frames_and_of_images(capsys):
    write_clip(Path("drive.mp4"), clip(6))
    photo(Path("a.png"))
    assert predict("drive.mp4", "a.png", "--save", "gray", "--every", "3", "--table", "t.jsonl") == 0
    rows = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    places = {(row["source"], row["frame"], row["time"] and round(row["time"], 3)) for row in rows}
    assert places == {("a.png", None, None), ("drive.mp4", 0, 0.0), ("drive.mp4", 3, 0.3)}
    assert written() == ["a.gray.png", "drive/drive-000000.gray.png", "drive/drive-000003.gray.png"]
    capsys.readouterr()
    assert predict("drive.mp4", "--save", "coco") == 2
    assert "a video has none" in capsys.readouterr().err
    assert predict("drive.mp4", "--save", "cutout", "--out", "cut.png") == 2
    assert "cut.png is one file: give one image" in capsys.readouterr().err


def test_wrong_usage_of_a_video_as_out(capsys):
    write_clip(Path("drive.mp4"), clip(3))
    photo(Path("a.png"))
    assert predict("a.png", "--out", "seen.mp4") == predict("drive.mp4", "a.png", "--out", "seen.mp4") == 2
    assert capsys.readouterr().err.count("seen.mp4 can hold only one video") == 2
    Path("text").write_text("a file")
    assert predict("a.png", "--out", "text") == 2
    assert "text is a file" in capsys.readouterr().err
    assert predict("drive.mp4", "--start", "2", "--end", "1") == 2


def test_a_camera_that_is_not_there_is_named(capsys):
    assert predict("97", "--out", "seen.mp4") == 1
    assert "camera-97: no such file or camera" in capsys.readouterr().err
    assert predict("rtsp://me:secret@127.0.0.1:1/front") == 1
    err = capsys.readouterr().err
    assert "rtsp://***@127.0.0.1:1/front" in err and "secret" not in err
