"""DICOM files become pictures: the right greys and colours, however they are stored; and nothing that stands beside pixels."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import pydicom
import pytest
from PIL import Image, ImageDraw
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from core.darkroom import Darkroom
from core.errors import InvalidInput, TooLarge
from core.markings import Box
from core.plates import BYTES, PRESETS, Exposure, Order, Printed, Reason, Window
from tests.drawn import opened, photograph
from tests.promises.hostile_dicom import HOSTILE, deflated_bomb
from tests.radiographs import SECRET, dataset, lettered, radiograph, ramp, stored

CT = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "RescaleType": "HU", "WindowCenter": "40", "WindowWidth": "400"}


async def shown(data: bytes, **order: Any) -> tuple[Exposure, Printed, Image.Image]:
    """A file, its negative's print, and that as a picture."""
    room = Darkroom()
    exposure = await room.exposed(data)
    printed = await room.printed(exposure.negative, Order(**order))
    return exposure, printed, opened(printed.whole)


def grey(image: Image.Image, x: int, y: int = 30) -> float:
    """How light a place is."""
    found = image.convert("L").getpixel((x, y))
    assert isinstance(found, int)
    return found


async def test_values_become_grey_by_the_files_own_window_and_by_any_other_without_the_file() -> None:
    room = Darkroom()
    exposure = await room.exposed(radiograph(ramp(64, 960), **CT))
    facts = exposure.facts
    assert (facts.width, facts.height, facts.frames, facts.window, facts.low, facts.high, facts.hounsfield, facts.reasons) == (
        960, 64, 1, Window(40, 400), -1024, 1976, True, ())
    values = ramp(64, 960)[0].astype(float) - 1024
    for window in (None, *(preset.window for preset in PRESETS), Window(-200.5, 33)):
        image = opened((await room.printed(exposure.negative, Order(window=window))).whole)
        chosen = window or Window(40, 400)
        level, width = chosen.level, chosen.width
        for x in range(4, 960, 23):
            expected = min(255.0, max(0.0, ((values[x] - (level - 0.5)) / (width - 1) + 0.5) * 255))  # PS3.3 C.11.2.1.2.1
            assert abs(grey(image, x) - expected) < 6 + 2 * 255 / width, (window, x)  # some 3 units a column, and JPEG
    straight, inverted = [opened((await room.printed(exposure.negative, Order(inverted=one))).whole) for one in (False, True)]
    assert abs(grey(straight, 340) + grey(inverted, 340) - 255) < 6


async def test_what_is_low_is_white_where_the_file_says_so_and_tables_are_followed() -> None:
    _, _, image = await shown(radiograph(PhotometricInterpretation="MONOCHROME1"))
    assert grey(image, 5) > 250 and grey(image, 90) < 5
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.LUTData = numpy.array([value * 257 if value < 128 else 0 for value in range(256)], "<u2").tobytes()
    step = numpy.tile(numpy.repeat(numpy.array([0, 60, 120, 200], numpy.uint8), 24), (64, 1))
    for name in ("VOILUTSequence", "ModalityLUTSequence"):
        _, _, image = await shown(radiograph(step, **{name: Sequence([table])}))
        assert [grey(image, x) > 100 for x in (12, 36, 60, 84)] == [False, True, True, False], name
    _, _, image = await shown(radiograph(VOILUTFunction="SIGMOID"))
    assert 0 < grey(image, 24) < 60 and 195 < grey(image, 44) < 255, "a curve has no ends"


@pytest.mark.parametrize("syntax", [
    uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless, uid.JPEG2000Lossless, uid.JPEG2000])
async def test_every_way_to_store_a_file_shows_the_same_picture(syntax: uid.UID) -> None:
    made = dataset(ramp(signed=syntax != uid.JPEG2000), RescaleSlope="1", RescaleIntercept="-1024", WindowCenter="40",
                   WindowWidth="400")
    if syntax == uid.JPEG2000:
        made.compress(syntax, j2k_psnr=[80], generate_instance_uid=False)
    elif syntax == uid.ExplicitVRBigEndian:
        made.PixelData = ramp().byteswap().tobytes()
    data = stored(made, syntax) if syntax != uid.JPEG2000 else _kept(made)
    _, _, image = await shown(data)
    _, _, plain = await shown(radiograph())
    assert all(abs(grey(image, x) - grey(plain, x)) < 12 for x in range(2, 96, 5))


def _kept(made: Dataset) -> bytes:
    into = BytesIO()
    pydicom.dcmwrite(into, made, enforce_file_format=True)
    return into.getvalue()


@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm"])
async def test_what_other_programs_have_compressed_shows_what_it_showed(name: str) -> None:
    _, _, image = await shown(_testdata(name))
    _, _, plain = await shown(_testdata("MR_small.dcm"))
    assert image.tobytes() == plain.tobytes()


async def test_jpegs_of_twelve_bits_and_colours_can_be_read() -> None:
    exposure, _, image = await shown(_testdata("JPGExtended.dcm"))
    assert exposure.facts.high > 255 and image.mode == "L"
    for name in ("SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_rle.dcm", "SC_ybr_full_422_uncompressed.dcm", "examples_palette.dcm"):
        exposure, _, image = await shown(_testdata(name))
        assert exposure.facts.window is None and image.mode == "RGB"
        if name.startswith("SC_"):
            red, green, blue = image.getpixel((50, 5))  # type: ignore[misc]
            assert red > 200 > 90 > max(green, blue), name


def _testdata(name: str) -> bytes:
    """A file that comes with pydicom itself."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return Path(path).read_bytes()


async def test_frames_become_one_sheet_whose_cells_hold_nothing_of_each_other() -> None:
    frames = numpy.stack([numpy.full((50, 70), value, numpy.uint8) for value in range(10, 250, 24)])
    exposure, printed, sheet = await shown(radiograph(frames, FrameTime="40"), marks=(Box(0, 0, 10, 10),),
                                           window=Window(128, 256))
    seen = printed.seen
    assert (exposure.facts.frames, exposure.facts.milliseconds) == (10, 40)
    assert (seen.width, seen.height, seen.frames) == (70, 50, 10)
    across, down = sheet.width // seen.columns, sheet.height // -(-10 // seen.columns)
    assert (across % 16, down % 16) == (0, 0) and across >= 70 and down >= 50
    for number in range(10):
        left, top = number % seen.columns * across, number // seen.columns * down
        assert abs(grey(sheet, left + 35, top + 30) - (10 + 24 * number)) < 4
        assert grey(sheet, left + 5, top + 5) < 4, "a mark is in every frame"
    room = Darkroom()
    one = opened((await room.printed(exposure.negative, Order(only=4, window=Window(128, 256)))).whole)
    assert one.size == (70, 50) and abs(grey(one, 35) - 106) < 4
    small = opened(printed.small)
    assert small.size == (80, 64) and abs(grey(small, 35) - 130) < 4, "the cell of the middle one"


async def test_large_and_oblong_pixels_are_made_square_and_fit() -> None:
    exposure, printed, _ = await shown(radiograph(ramp(3_000, 2_500)))
    assert max(exposure.facts.width, exposure.facts.height) == 2_000 and len(printed.whole) < 4 << 20
    exposure, _, image = await shown(radiograph(ramp(60, 60), PixelSpacing=["2", "0.5"]))
    assert image.size == (60, 240) and exposure.facts.height == 240
    exposure, printed, sheet = await shown(radiograph(numpy.tile(ramp(256, 256), (120, 1, 1))))
    assert exposure.facts.frames == 120 and max(sheet.size) <= 5_600


async def test_an_enhanced_file_says_it_for_each_frame() -> None:
    items = []
    for slope in (1, 2):
        transformed, voi, item = Dataset(), Dataset(), Dataset()
        transformed.RescaleSlope, transformed.RescaleIntercept, transformed.RescaleType = str(slope), "-1024", "HU"
        voi.WindowCenter, voi.WindowWidth = "0", "2000"
        item.PixelValueTransformationSequence, item.FrameVOILUTSequence = Sequence([transformed]), Sequence([voi])
        items.append(item)
    values = numpy.full((2, 40, 40), 1_000, numpy.uint16)
    exposure, printed, sheet = await shown(radiograph(values, PerFrameFunctionalGroupsSequence=Sequence(items)))
    assert exposure.facts.window == Window(0, 2000) and (exposure.facts.low, exposure.facts.high) == (-24, 976)
    assert grey(sheet, 20, 20) < 130
    left = sheet.width // printed.seen.columns * (1 if printed.seen.columns > 1 else 0)
    assert grey(sheet, left + 20, 20 if left else 60) > 245


@pytest.mark.parametrize(("elements", "values", "reasons"), [
    ({"BurnedInAnnotation": "YES"}, None, (Reason.SAID,)),
    ({"BurnedInAnnotation": ""}, None, ()),
    ({"BurnedInAnnotation": "", "Modality": "US"}, None, (Reason.UNSAID,)),
    ({"BurnedInAnnotation": "NO", "Modality": "SC"}, None, ()),
    ({"RecognizableVisualFeatures": "YES"}, None, (Reason.FACE,)),
    ({"BurnedInAnnotation": "NO", "Modality": "US"}, lettered(("GRÜNSPAN, WALPURGA", "*12.03.1951  ID 4471193")), (Reason.SEEN,)),
])
async def test_what_may_have_writing_in_it_is_said(elements: dict[str, str], values: Any, reasons: tuple[Reason, ...]) -> None:
    exposure = await Darkroom().exposed(radiograph(values, **elements))
    assert exposure.facts.reasons == reasons


async def test_nothing_of_the_data_set_is_in_what_is_kept() -> None:
    """The same words wherever a file has room for some: what is kept is that of a file without them, to the byte."""
    made = dataset(ramp(), RescaleSlope="1", RescaleIntercept="-1024", RescaleType="HU", WindowCenter="40", WindowWidth="400")
    plain = await Darkroom().exposed(stored(made))
    made.PatientName, made.PatientID, made.PatientComments = SECRET, SECRET, SECRET
    made.PatientBirthDate, made.StudyDate, made.InstitutionName = "19510312", "20261101", SECRET
    made.ImageComments, made.WindowCenterWidthExplanation, made.DerivationDescription = SECRET, SECRET, SECRET
    made.ReferringPhysicianName, made.OperatorsName = SECRET, SECRET
    private = made.private_block(0x0011, SECRET, create=True)
    private.add_new(0x01, "LT", SECRET)
    overlay = Image.new("1", (96, 64))
    ImageDraw.Draw(overlay).text((2, 2), "GRÜNSPAN", 1)
    for group in (0x6000, 0x6002):
        made.add_new((group, 0x0010), "US", 64)
        made.add_new((group, 0x0011), "US", 96)
        made.add_new((group, 0x0022), "LO", SECRET)
        made.add_new((group, 0x3000), "OW", overlay.tobytes())
    icon = dataset(lettered((SECRET,), (128, 64))[..., None].repeat(3, 2))
    icon.ImageComments = SECRET
    made.IconImageSequence = Sequence([icon])
    spectacles = Dataset()
    spectacles.ContentCreatorName = SECRET
    made.add_new((0x0070, 0x0001), "SQ", Sequence([spectacles]))
    made.add_new((0xFFFC, 0xFFFC), "OB", SECRET.encode() * 10)
    data = stored(made)
    data = SECRET.encode().ljust(128, b"x") + data[128:] + SECRET.encode() * 30
    exposure = await Darkroom().exposed(data)
    assert exposure == plain
    printed = await Darkroom().printed(exposure.negative, Order())
    for kept in (exposure.negative, printed.whole, printed.small):
        for word in (b"Walpurga", b"Gr\xfcnspan", "Grünspan".encode(), b"19510312", b"20261101", b"1.2.826", b"DICM",
                     b"MONOCHROME"):
            assert word not in kept
    assert opened(printed.whole).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


async def test_what_is_drawn_in_bits_that_no_pixel_uses_is_not_kept() -> None:
    """Older overlays stand in the upper bits of the pixels themselves (PS3.5 8.1.2, retired)."""
    drawn = Image.new("L", (96, 64))
    ImageDraw.Draw(drawn).text((4, 20), "GRÜNSPAN", 255)
    values = (ramp(signed=False) // 2 | (numpy.asarray(drawn) > 0).astype(numpy.uint16) << 15).astype(numpy.uint16)
    elements: dict[str, Any] = {"BitsStored": 12, "HighBit": 11, "RescaleSlope": "1", "RescaleIntercept": "0"}
    planted = await Darkroom().exposed(radiograph(values, **elements))
    assert planted == await Darkroom().exposed(radiograph((values & 0xFFF).astype(numpy.uint16), **elements))


@pytest.mark.parametrize("name", HOSTILE)
async def test_files_that_mean_no_good_are_refused_with_a_sentence_and_quote_nothing(name: str) -> None:
    room = Darkroom(5)
    with pytest.raises(InvalidInput) as error:
        await room.exposed(HOSTILE[name].make())
    assert error.value.reason == HOSTILE[name].refused and error.value.field == "file"
    assert "DICOM" in error.value.message or "No file" in error.value.message
    assert room.running == ()


async def test_what_a_file_says_is_not_in_the_log_when_it_cannot_be_read() -> None:
    made = dataset(ramp())
    made.add_new("RescaleSlope", "LO", SECRET)
    made.add_new("NumberOfFrames", "LO", SECRET)
    with pytest.raises(InvalidInput) as error:
        await Darkroom().exposed(stored(made))
    assert error.value.cause and "Walpurga" not in error.value.cause


async def test_a_bomb_ends_in_bounded_time_and_memory() -> None:
    bomb = deflated_bomb()
    started = time.monotonic()
    with pytest.raises(InvalidInput):
        await Darkroom(5).exposed(bomb)
    assert time.monotonic() - started < 30
    with pytest.raises(TooLarge):
        await Darkroom().exposed(bytes(128) + b"DICM" + bytes(BYTES))
    with pytest.raises(InvalidInput):
        await Darkroom().printed(photograph()[:-4_000], Order())
