"""A network learns from another one, and what shaped that one is written down."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from carseg import TrainingConfig, finetune, load
from carseg.errors import DataError, OptionError
from carseg.hub.checkpoint import read_state
from carseg.hub.create import create_model
from carseg.hub.manifest import read_config, write_config
from carseg.hub.model_info import DataSource, InputSpec
from carseg.hub.save import save_model
from carseg.inference.preprocess import normalize_batch
from carseg.labels import label_set
from carseg.training.distillation import Teacher
from carseg.training.splits import open_splits
from carseg.training.start import start_network

from drawn_data import draw_image, draw_mask, index_folder
from entries import info_of
from small_network import SMALL

LABELS = label_set("drawn", ("ground", "door", "wheel"))
SOURCE = DataSource("earlier images", "train", 7, "CC0-1.0", "training")
QUICK = TrainingConfig(epochs=1, batch_size=4, size=(32, 32), augment="none", val_fraction=0.25, precision="float32")


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = create_model(SMALL, len(LABELS)).eval()
    info = replace(
        info_of(name="teacher"),
        architecture=SMALL,
        labels=LABELS,
        storage="float32",
        metrics=(),
        data=(SOURCE,),
        input=InputSpec(size=(64, 64), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7), scale="max"),
    )
    save_model(tmp_path / "teacher", network, info)
    return tmp_path / "teacher"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    index_folder(tmp_path / "data", [f"image{i}" for i in range(12)])
    (tmp_path / "data" / "classes.txt").write_text("\n".join(LABELS.classes))
    return tmp_path / "data"


def test_a_teachers_probabilities_are_those_it_predicts_with(teacher: Path) -> None:
    image = draw_image(draw_mask(1, 64, 64))
    segmenter = load(teacher, device="cpu", runtime="torch", precision="float32")
    expected = torch.from_numpy(segmenter.forward(segmenter.preprocess(image).x[None])).softmax(1)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    torch.testing.assert_close(
        Teacher(str(teacher), LABELS, torch.device("cpu"), torch.float32)(batch), expected, atol=1e-4, rtol=0
    )


def test_a_teacher_sees_small_images_enlarged_up_to_its_own_size(teacher: Path) -> None:
    teacher_probabilities = Teacher(str(teacher), LABELS, torch.device("cpu"), torch.float32)
    large = torch.from_numpy(draw_image(draw_mask(1, 64, 64))).permute(2, 0, 1)[None].float()
    for side, seen in ((20, 40), (40, 64), (96, 96)):
        small = torch.nn.functional.interpolate(large, (side, side), mode="area")
        wanted = torch.nn.functional.interpolate(small, (seen, seen), mode="bilinear", align_corners=False)
        bypassed = teacher_probabilities.network(normalize_batch(wanted, teacher_probabilities.spec)).softmax(1)
        torch.testing.assert_close(teacher_probabilities(small), bypassed, atol=1e-5, rtol=0)


def test_other_classes_cannot_teach(teacher: Path) -> None:
    with pytest.raises(OptionError, match="classes"):
        Teacher(str(teacher), label_set("others", ("ground", "hood", "wheel")), torch.device("cpu"), torch.float32)


def test_a_teacher_may_spell_its_classes_otherwise(teacher: Path) -> None:
    spelled = tuple(name.title() for name in LABELS.classes)
    Teacher(str(teacher), label_set("spelled", spelled), torch.device("cpu"), torch.float32)


def test_a_teacher_changes_what_is_learned_and_its_data_is_named(data: Path, teacher: Path, tmp_path: Path) -> None:
    alone = finetune(SMALL, data, tmp_path / "alone", config=QUICK)
    taught = finetune(SMALL, data, tmp_path / "taught", config=replace(QUICK, teacher=str(teacher)))
    assert (alone / "model.safetensors").read_bytes() != (taught / "model.safetensors").read_bytes()
    assert replace(SOURCE, role="distillation") in read_config(taught / "config.json").data


def test_images_without_labels_teach_what_the_teacher_predicts(data: Path, teacher: Path, tmp_path: Path) -> None:
    more = tmp_path / "more" / "deeper"
    more.mkdir(parents=True)
    for number in range(8):
        Image.fromarray(draw_image(draw_mask(90 + number, 64, 64))).save(more / f"{number}.png")
    taught = replace(QUICK, teacher=str(teacher))
    with_more = replace(taught, unlabeled=str(tmp_path / "more"))
    (alone, _), (both, val) = (open_splits(data, config) for config in (taught, with_more))
    assert len(both) == len(alone) + 8 and val is not None and len(val) == 3
    assert all((sample.load()[1] == 255).all() == sample.name.startswith("more without labels/") for sample in both)
    best = finetune(SMALL, data, tmp_path / "run", config=replace(with_more, epochs=2))
    assert [s.images for s in read_config(best / "config.json").data if s.role == "training"] == [9 + 8]


def test_images_without_labels_need_a_teacher_and_a_folder(data: Path, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="need a teacher"):
        replace(QUICK, unlabeled="more")
    with pytest.raises(OptionError, match="needs labels"):
        replace(QUICK, unlabeled="more", teacher="x", balanced=True)
    config = replace(QUICK, teacher=str(teacher), unlabeled=str(tmp_path / "more"))
    for image in (data / "images").iterdir():  # an error before any is read
        image.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"no folder .*more"):
        finetune(SMALL, data, tmp_path / "run", config=config)
    (tmp_path / "more").mkdir()
    with pytest.raises(DataError, match="no image lies below"):
        finetune(SMALL, data, tmp_path / "again", config=config)


def test_whatever_others_learn_from_may_lie_in_a_hub(data: Path, teacher: Path, tmp_path: Path) -> None:
    config = replace(QUICK, teacher="teacher", encoder="teacher")
    best = finetune("teacher", data, tmp_path / "run", config=config, hub=str(teacher.parent))
    assert {replace(SOURCE, role=role) for role in ("pretraining", "distillation")} < set(load(best).info.data)


@pytest.mark.parametrize(("before", "after"), [("yes", "unclear"), ("unclear", "unclear"), ("no", "no")])
def test_what_is_learned_is_no_freer_than_what_it_is_learned_from(teacher: Path, before: str, after: str) -> None:
    config = read_config(teacher / "config.json")
    write_config(teacher / "config.json", replace(config, commercial_use=before))
    for model, config in ((teacher, QUICK), (SMALL, replace(QUICK, teacher=str(teacher)))):
        assert start_network(model, LABELS, config)[1].commercial_use == after


def test_what_a_teacher_began_with_reaches_its_pupil_through_it(teacher: Path) -> None:
    config = read_config(teacher / "config.json")
    began, chosen = (replace(SOURCE, name=role, role=role) for role in ("pretraining", "validation"))
    write_config(teacher / "config.json", replace(config, data=(SOURCE, began, chosen)))
    pupil = start_network(SMALL, LABELS, replace(QUICK, teacher=str(teacher)))[1]
    assert [(s.name, s.role) for s in pupil.data] == [
        (SOURCE.name, "distillation"),
        ("pretraining", "distillation"),
        ("validation", "validation"),
    ]


def test_an_encoder_replaces_that_of_the_weights_it_starts_from(teacher: Path) -> None:
    info, other = read_config(teacher / "config.json"), teacher.with_name("other")
    save_model(other, create_model(SMALL, len(LABELS)), info)
    encoder, rest = (read_state(folder / "model.safetensors") for folder in (teacher, other))
    state = start_network(other, LABELS, replace(QUICK, encoder=str(teacher)))[0].state_dict()
    for key, value in state.items():
        assert torch.equal(value, (encoder if key.startswith("encoder.") else rest)[key]), key


def test_an_encoder_comes_from_another_network(data: Path, teacher: Path, tmp_path: Path) -> None:
    info, other = replace(read_config(teacher / "config.json"), architecture="lraspp-mobilenetv2"), tmp_path / "other"
    save_model(other, create_model(info.architecture, len(LABELS)), info)
    frozen = replace(QUICK, encoder=str(other), freeze=("encoder", "bn"))
    best = finetune("fpn-mobilenetv2", data, tmp_path / "run", config=frozen)
    assert replace(SOURCE, role="pretraining") in read_config(best / "config.json").data
    given, kept = (read_state(folder / "model.safetensors") for folder in (other, best))
    shared = [key for key in kept if key.startswith("encoder.")]
    assert shared and all(torch.equal(given[key], kept[key]) for key in shared)
