"""The bundle, used as a stranger would: unpacked elsewhere and run by its own script."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import app.export.run
from app.datasets.images import read_rgb, resize_image
from app.datasets.placement import Placement
from app.evaluation.predict import predict_image
from app.export.bundle_script import write_script
from app.schemas.export import ModelMetadata, ResizeRecipe
from app.schemas.payloads import PredictPayload
from app.schemas.pixels import CURRENT, LEGACY, PixelReading, PixelScale
from app.tasks.registry import list_specs, load_export
from app.tasks.trained import load_trained
from tests.datasets.pictures import write_png, write_tiff
from tests.evaluation.factory import make_world
from tests.export.conftest import Export, export

SCRIPT = Path(app.export.run.__file__).with_name("bundle") / "predict.py"
FIRST_TASK = next(iter(list_specs()))


def unpack(exported: Export, folder: Path) -> Path:
    """Return the folder that the bundle was unpacked into."""
    with zipfile.ZipFile(exported.folder / "bundle.zip") as archive:
        archive.extractall(folder)
    return folder


def run_script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the bundle's script in an interpreter that does not see this repository."""
    command = [sys.executable, "-I", "predict.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def save_difficult_images(folder: Path) -> list[Path]:
    """Write images of the modes that are easily read wrongly."""
    random = np.random.default_rng(5)
    colour = random.integers(0, 256, (50, 90, 3), dtype=np.uint8)
    ramp = np.linspace(0, 65535, 60 * 80).reshape(60, 80).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colour).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(ramp).save(folder / "deep.png")
    Image.fromarray(colour).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(colour).convert("P").save(folder / "palette.png", transparency=3)
    Image.fromarray(colour).convert("RGBA").save(folder / "alpha.webp", lossless=True)
    Image.fromarray(colour[..., 0]).save(folder / "grey.bmp")
    return sorted(folder.iterdir())


def test_the_script_answers_as_pytorch_does(exported: Export, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    paths = save_difficult_images(tmp_path / "images")
    done = run_script(unpack(exported, tmp_path / "bundle"), "--json", *[str(path) for path in paths])
    assert (done.returncode, done.stderr) == (0, "")
    answers = json.loads(done.stdout)
    assert len(answers) == len(paths) == 6
    trained = load_trained(exported.world.checkpoint)
    for path in paths:
        image = read_rgb(path)
        place = Placement(trained.recipe, (image.shape[0], image.shape[1]), trained.context.image_size)
        pixels = resize_image(image, trained.recipe, trained.context.image_size)
        with torch.inference_mode():
            outputs = trained.model(torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()))
        arrays = {name: output.numpy() for name, output in outputs.items()}
        decoded = load_export(exported.world.task).decode(arrays, [place], trained.context)[0]
        assert flatten(answers[str(path)]) == pytest.approx(flatten(decoded), abs=1e-3)


def flatten(value: Any) -> list[float]:
    """Return the numbers in a prediction in order."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in flatten(value[key])]
    if isinstance(value, list):
        return [number for item in value for number in flatten(item)]
    return [float(value)] if isinstance(value, int | float) else []


def test_the_golden_set_agrees_and_notices_a_change(exported: Export, tmp_path: Path) -> None:
    folder = unpack(exported, tmp_path)
    done = run_script(folder, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8 golden images agree." in done.stdout
    picture = np.array(Image.open(folder / "golden" / "image_2.png"))
    Image.fromarray(picture[..., ::-1].copy()).save(folder / "golden" / "image_2.png")
    done = run_script(folder, "--check")
    assert done.returncode == 1
    assert "image_2.png  FAILED" in done.stdout
    assert "7 of 8 golden images agree." in done.stdout


def test_the_check_notices_one_changed_byte_of_any_file(label_export: Export, tmp_path: Path) -> None:
    """Also one that changes no answer: the last bit of a weight, a name that only other programs read."""
    folder = unpack(label_export, tmp_path)
    names = [name for name in label_export.result["contents"] if name != "SHA256SUMS"]
    assert len(names) == 16
    for name in names:
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        done = check_files(folder)
        assert f"{name}  " in done[1]
        assert "has changed since the bundle was written" in done[1]
        assert done[0] == (name in {"README.md", "predict.py"}), done
        path.write_bytes(content)
    assert check_files(folder) == (True, "")
    (folder / "labels.txt").unlink()
    assert check_files(folder) == (False, "labels.txt  FAILED  it is missing\n")


def check_files(folder: Path) -> tuple[bool, str]:
    """Return what the script's comparison with the checksums comes to, and what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        is_whole = bool(load_script().check_files(folder))
    return is_whole, printed.getvalue()


def test_a_check_with_a_changed_model_ends_without_a_traceback(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path)
    (folder / "model.onnx").write_bytes(b"nonsense")
    done = run_script(folder, "--check")
    assert done.returncode == 1
    assert "model.onnx  FAILED  it has changed" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_bad_file_is_named_and_the_others_go_on(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path)
    (folder / "text.png").write_text("hello")
    (folder / "photo.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    whole = (folder / "golden" / "image_1.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    names = ["text.png", "golden/image_0.png", "photo.jpg", "missing.png", "half.png", "golden/image_1.png"]
    done = run_script(folder, *names)
    assert done.returncode == 1
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == ["golden/image_0.png", "golden/image_1.png"]
    errors = done.stderr.splitlines()
    assert [line.split(":")[0] for line in errors[:-1]] == ["text.png", "photo.jpg", "missing.png", "half.png"]
    assert "none of JPEG, PNG" in errors[0]
    assert "HEIC photo" in errors[1]
    assert errors[-1] == "4 of 6 files could not be read."
    assert "Traceback" not in done.stderr


def test_folders_are_read_with_everything_below_them_into_a_table(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path / "bundle")
    photos = tmp_path / "Übersicht"
    for place in ("Äpfel", "Äpfel/日本", ".hidden"):
        (photos / place).mkdir(parents=True)
    picture = Image.open(folder / "golden" / "image_0.png")
    names = ["=1+1.png", "Äpfel/größe.jpg", "Äpfel/日本/no ending"]
    for name in names:
        picture.save(photos / name, "JPEG" if name.endswith("jpg") else "PNG")
    picture.save(photos / ".hidden" / "x.png")
    (photos / "notes.txt").write_text("no image")
    done = run_script(folder, str(photos), str(photos / "=1+1.png"), "--output", str(tmp_path / "found.csv"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with (tmp_path / "found.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "class_name", "confidence", "bolt", "nut", "washer"]
    assert [row["file"] for row in rows] == [str(photos / name) for name in names]
    for row in rows:
        shares = {name: float(row[name]) for name in ("bolt", "nut", "washer")}
        assert (row["class_name"], float(row["confidence"])) == max(shares.items(), key=lambda item: item[1])
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-5)
    command = [sys.executable, "-I", str(folder / "predict.py"), "--csv", "=1+1.png"]
    relative = subprocess.run(command, cwd=photos, capture_output=True, text=True, timeout=120)
    assert relative.stdout.splitlines()[1].startswith("'=1+1.png,")


def test_values_are_a_table_too_and_json_goes_into_a_file(values_export: Export, tmp_path: Path) -> None:
    folder = unpack(values_export, tmp_path)
    done = run_script(folder, "--csv", "golden")
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert (rows[0], len(rows)) == (["file", "value_0", "value_1"], 9)
    assert run_script(folder, "golden", "--output", "found.json").stdout == ""
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    assert [[name, *map(str, answer["prediction"])] for name, answer in found.items()] == rows[1:]


def test_progress_is_told_when_it_takes_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = load_script()
    script.PROGRESS_S = 0.0

    class Constant:
        metadata: dict[str, Any] = {"classes": ["a"], "annotation_kind": "label"}

        def predict(self, path: Path) -> dict[str, Any]:
            if path.name == "1":
                raise MemoryError
            return {"prediction": {"class_name": "a", "confidence": 1.0}, "probabilities": {"a": 1.0}}

    target = io.StringIO()
    model, paths = Constant(), [Path(str(number)) for number in range(3)]
    assert script.predict_all(model, paths, script.Report("text", target, model.metadata)) == 1
    assert target.getvalue() == "0  a 1.0000\n2  a 1.0000\n"
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "0 of 3 images",
        "1 of 3 images",
        "1: MemoryError",
        "2 of 3 images",
        "1 of 3 files could not be read.",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_that_has_seen_enough_is_no_failure_with_a_traceback(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path)
    command = [sys.executable, "-I", "predict.py", *["golden"] * 3]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(timeout=120) == 1


def test_without_images_it_says_so(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path)
    (folder / "empty").mkdir()
    done = run_script(folder, "empty")
    assert (done.returncode, done.stderr) == (1, "There are no images in empty.\n")
    assert run_script(folder).returncode == 2


def write_special_images(folder: Path) -> list[Path]:
    """Write images whose reading depends on the scale and the background of a dataset, and on the first frame."""
    folder.mkdir()
    ramp = np.linspace(0, 1, 60 * 80).reshape(60, 80)
    cloud = np.random.default_rng(1).integers(0, 256, (60, 80, 4), dtype=np.uint8)
    holes = (ramp * 40 + 280).astype(np.float32)
    holes[:5], holes[5:8] = np.nan, np.inf
    Image.fromarray(holes).save(folder / "kelvin.tif")
    Image.fromarray(ramp.astype(np.float32)).save(folder / "unit.tif")
    Image.fromarray((ramp * 1.0000002).astype(np.float32)).save(folder / "unit_rounded.tif")
    Image.fromarray((ramp * 4095).astype(np.uint16)).save(folder / "deep.png")
    Image.fromarray((ramp * 4095).astype("<u2")).save(folder / "inverted.tif", tiffinfo={262: 0})
    Image.fromarray((ramp * 90_000 - 1000).astype(np.int32)).save(folder / "int32.tif")
    Image.fromarray(np.full((9, 9), 300.0, np.float32)).save(folder / "constant.tif")
    Image.fromarray(cloud).save(folder / "cloud.png")
    Image.fromarray(cloud[..., [0, 3]], "LA").save(folder / "grey_cloud.png")
    cloud[..., 3] = 0
    Image.fromarray(cloud).save(folder / "no_opacity.png")
    colours = Image.fromarray(cloud[..., :3])
    colours.quantize(20).save(folder / "palette.png", transparency=bytes(range(0, 240, 12)))
    colours.quantize(20).save(folder / "frames.gif", save_all=True, append_images=[Image.new("P", (80, 60))])
    colours.quantize(20).save(folder / "clear.gif", transparency=3)
    Image.fromarray(cloud[..., 0]).save(folder / "one_colour.png", transparency=7)
    wide = np.random.default_rng(2).integers(0, 4096, (60, 80, 4), dtype=np.uint16)
    write_png(folder / "wide.png", wide[..., :3])
    write_png(folder / "wide_clear.png", wide * 16)
    write_png(folder / "wide_grey.png", wide[..., 2:] * np.array([1, 16], np.uint16))
    write_png(folder / "one_grey_of_few.png", (wide[..., :1] // 256).astype(np.uint8), clear=[9], bits=4)
    write_png(folder / "one_wide_colour.png", wide[..., :3] // 512, clear=[3, 4, 5])
    write_png(folder / "one_wide_grey.png", wide[..., :1] // 8, clear=[77])
    write_tiff(folder / "wide.tif", wide[..., :3], 1)
    write_tiff(folder / "planes.tif", wide[..., :3], 1, order=">", has_planes=True)
    write_tiff(folder / "white_zero.tif", wide[..., 0], 1, order=">", photometric=0)
    colours.save(folder / "pages.tif", save_all=True, append_images=[Image.new("RGB", (80, 60))])
    write_numbers(folder)
    return sorted(folder.iterdir())


def write_numbers(folder: Path) -> list[Path]:
    """Write TIFF files whose samples Pillow does not open by itself, or reads wrongly."""
    ramp = np.linspace(0.0, 1.0, 60).reshape(6, 10)
    samples: dict[str, np.ndarray[Any, Any]] = {
        "half.tif": (ramp * 30 + 290).astype(np.float16),
        "double.tif": ramp * 30 + 290,
        "unsigned.tif": (ramp * (2**32 - 1)).astype(np.uint32),
        "signed_byte.tif": (ramp * 255 - 128).astype(np.int8),
        "int32_of_another_machine.tif": (ramp * 90_000 - 1000).astype(np.int32),
        "float_of_another_machine.tif": (ramp * 30 + 290).astype(np.float32),
        "white_zero_of_another_machine.tif": (ramp * 4095).astype(np.uint16),
    }
    for number, (name, values) in enumerate(samples.items()):
        is_foreign = "another" in name or number % 2 == 0
        photometric = 0 if "white_zero" in name else 1
        order = ">" if is_foreign else "<"
        write_tiff(folder / name, values, order=order, is_deflated=is_foreign, photometric=photometric)
    return [folder / name for name in samples]


READINGS = [
    LEGACY,
    CURRENT,
    PixelReading(scale=PixelScale(min=290.0, max=320.0, has_unit_images=True)),
    PixelReading(scale=PixelScale(min=0.0, max=4095.0), background=[0, 0, 0]),
    PixelReading(scale=PixelScale(min=-1000.0, max=90_000.0), background=[20, 120, 220]),
]


@pytest.mark.parametrize("number", range(len(READINGS)))
def test_the_script_reads_pixels_as_training_does(number: int, tmp_path: Path) -> None:
    script, pixels = load_script(), READINGS[number]
    metadata = {"pixel_scale": pixels.scale and pixels.scale.model_dump(), "background": pixels.background}
    paths = write_special_images(tmp_path / "images")
    assert len(paths) == 31
    for path in paths:
        np.testing.assert_array_equal(script.read_rgb(path, metadata), read_rgb(path, pixels), err_msg=path.name)


def test_the_script_refuses_compressed_planes_of_16_bits(tmp_path: Path) -> None:
    samples = np.random.default_rng(2).integers(0, 4096, (6, 8, 3), dtype=np.uint16)
    path = write_tiff(tmp_path / "a.tif", samples, has_planes=True, is_deflated=True)
    with pytest.raises(ValueError, match="compressed plane of 16 bits"):
        load_script().read_rgb(path, {})


def test_the_script_reads_numbers_of_every_kind_in_an_interpreter_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    paths = write_numbers(tmp_path / "images")
    code = (
        "import json, runpy, sys; from pathlib import Path; script = runpy.run_path(sys.argv[1]); "
        "print(json.dumps([script['read_rgb'](Path(name), {}).tolist() for name in sys.argv[2:]]))"
    )
    script = tmp_path / "predict.py"
    script.write_text(write_script(SCRIPT, FIRST_TASK), encoding="utf-8")
    command = [sys.executable, "-I", "-c", code, str(script), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == len(paths) == 7
    for path, pixels in zip(paths, found, strict=True):
        np.testing.assert_array_equal(np.array(pixels), read_rgb(path), err_msg=path.name)
        assert len(np.unique(pixels)) > (10 if "white" in path.name else 40), path.name


def test_an_export_answers_as_the_product_on_images_that_depend_on_the_dataset(tmp_path: Path) -> None:
    """The scale and the background go from the checkpoint into the metadata, the golden set and the script."""
    pixels = PixelReading(scale=PixelScale(min=290.0, max=320.0, has_unit_images=True), background=[0, 0, 0])
    world = make_world(tmp_path / "world", "label", "resnet18")
    content = torch.load(world.checkpoint, weights_only=True)
    content["ai_studio"]["pixels"] = pixels.model_dump(mode="json")
    torch.save(content, world.checkpoint)
    images = Path(world.location.images_dir)
    for path, name in zip(write_special_images(tmp_path / "special"), sorted(images.iterdir()), strict=False):
        path.rename(name)
    done = export(world, tmp_path / "export")
    folder = unpack(done, tmp_path / "bundle")
    metadata = ModelMetadata.model_validate_json((folder / "metadata.json").read_bytes())
    assert (metadata.pixel_scale, metadata.background) == (pixels.scale, [0, 0, 0])
    assert run_script(folder, "--check").returncode == 0
    answers = json.loads(run_script(folder, "--json", str(images)).stdout)
    assert len(answers) == 20
    trained = load_trained(world.checkpoint)
    payload = PredictPayload(task=world.task, experiment_id="exp-00000001", checkpoint_path=str(world.checkpoint))
    for name, answer in answers.items():
        expected = predict_image(payload, trained, Path(name))["predictions"]
        assert flatten(answer) == pytest.approx(flatten(expected), abs=1e-3), name


def test_the_check_notices_another_model(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path)
    golden = dict(np.load(folder / "golden" / "golden.npz"))
    golden["probabilities"][3] = golden["probabilities"][3][::-1]
    np.savez(folder / "golden" / "golden.npz", **golden)
    done = run_script(folder, "--check")
    assert done.returncode == 1
    assert "image_3.png  FAILED" in done.stdout


def test_the_check_notices_classes_that_changed_places(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path)
    model = onnx.load(folder / "model.onnx")
    prop = next(item for item in model.metadata_props if item.key == "ai_studio")
    prop.value = prop.value.replace('"nut"', '"bolt?"', 1)
    onnx.save(model, folder / "model.onnx")
    done = run_script(folder, "--check")
    assert done.returncode == 1
    assert "0 of 8 golden images agree." in done.stdout
    assert "bolt, bolt?, washer instead of bolt, nut, washer" in done.stdout


def test_the_bundle_has_what_it_says(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == sorted(label_export.result["contents"])
    assert (folder / "labels.txt").read_text() == "bolt\nnut\nwasher\n"
    assert (folder / "model.onnx").read_bytes() == (label_export.folder / "model.onnx").read_bytes()
    assert json.loads((folder / "parity.json").read_text())["passed"]
    assert ModelMetadata.model_validate_json((folder / "metadata.json").read_text()).classes[1] == "nut"


def test_plain_output_names_the_class(label_export: Export, tmp_path: Path) -> None:
    folder = unpack(label_export, tmp_path)
    done = run_script(folder, "golden/image_0.png")
    expected = json.loads((folder / "golden" / "expected.json").read_text())["images"][0]["predictions"]["prediction"]
    name, label, confidence = done.stdout.split()
    assert (name, label) == ("golden/image_0.png", expected["class_name"])
    assert float(confidence) == pytest.approx(expected["confidence"], abs=1e-3)


@pytest.mark.parametrize("mode", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_the_script_resizes_as_training_does(mode: Any, interpolation: Any, tmp_path: Path) -> None:
    script = load_script()
    recipe = ResizeRecipe(mode=mode, size=[40] if mode == "crop" else [32, 36], interpolation=interpolation)
    for width, height in ((90, 50), (31, 77), (64, 64)):
        pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = resize_image(pixels, recipe, (32, 36))
        np.testing.assert_array_equal(script.resize_image(pixels, recipe.model_dump(), [32, 36]), expected)


@settings(deadline=None, max_examples=60)
@given(width=st.integers(1, 70), height=st.integers(1, 70), mode=st.sampled_from(["stretch", "crop", "letterbox"]))
def test_the_script_places_images_of_every_shape_as_training_does(width: int, height: int, mode: Any) -> None:
    script = load_script()
    recipe = ResizeRecipe(mode=mode, size=[23] if mode == "crop" else [17, 22])
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = resize_image(pixels, recipe, (17, 22))
    np.testing.assert_array_equal(script.resize_image(pixels, recipe.model_dump(), [17, 22]), expected)


@pytest.mark.parametrize("task", list(list_specs()))
def test_the_script_needs_three_packages_only(task: str) -> None:
    tree = ast.parse(write_script(SCRIPT, task))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    needed = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert needed == {"numpy", "PIL", "onnxruntime"}


def load_script() -> Any:
    """Return the bundle's script of the first task as a module."""
    module = ModuleType("bundled_predict")
    module.__file__ = str(SCRIPT)
    exec(compile(write_script(SCRIPT, FIRST_TASK), str(SCRIPT), "exec"), module.__dict__)
    return module
