"""The process that opens files of strangers: bounded, alone, and ended whatever happens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from core.darkroom import Darkroom
from core.errors import InvalidInput, KonsilError, Unavailable
from core.papers import Trouble
from tests.drawn import drawn, opened, pdf, photograph, written
from tests.promises.hostile_papers import many_scans, raw_pdf, stream

ROOT = Path(__file__).parent.parent


async def test_pages_are_jpegs_with_nothing_but_their_pixels_and_none_is_larger_than_can_be_read() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x8825] = "Maker's secret", {1: "N", 2: (52.0, 31.0, 12.0)}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    told = PngImagePlugin.PngInfo()
    told.add_text("Author", "Maker's secret")
    for file in (photograph(exif=exif, icc_profile=profile, comment=b"Maker's secret"),
                 photograph("PNG", exif=exif, icc_profile=profile, pnginfo=told), photograph("HEIF", exif=exif)):
        [page] = await Darkroom().pages(file)
        image = opened(page)
        assert (image.format, image.mode) == ("JPEG", "RGB") and image.info.keys() <= {"jfif", "jfif_version", "jfif_unit",
                                                                                       "jfif_density"}
        assert b"secret" not in page and b"Exif" not in page and b"ICC" not in page
    [large] = await Darkroom().pages(written(drawn((6_000, 4_000))))
    assert opened(large).size == (2_000, 1_333)


@pytest.mark.parametrize("turn", range(1, 9))
async def test_a_page_stands_upright_however_the_telephone_was_held(turn: int) -> None:
    upright = Image.new("RGB", (300, 200), "white")
    upright.paste("red", (0, 0, 150, 100))  # in the upper left corner, when it is seen
    back = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}.get(turn)
    exif = Image.Exif()
    exif[0x0112] = turn
    [page] = await Darkroom().pages(written(upright.transpose(back) if back is not None else upright, quality=95, exif=exif))
    image = opened(page)
    assert image.size == (300, 200)
    red, green, _ = image.getpixel((40, 40))  # type: ignore[misc]
    assert red > 200 > green and min(image.getpixel((260, 160))) > 200  # type: ignore[type-var]


@pytest.mark.parametrize(("mode", "form"), [
    ("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG"), ("L", "JPEG"), ("CMYK", "JPEG"),
    ("RGB", "MPO"), ("RGBA", "HEIF")])
async def test_every_way_to_store_a_picture_can_be_read(mode: str, form: str) -> None:
    image = Image.new("I;16", (900, 600), 40_000) if mode == "I;16" else drawn((900, 600)).convert(mode)
    [page] = await Darkroom().pages(written(image, form))
    assert opened(page).size == (900, 600) and sum(opened(page).resize((1, 1)).getpixel((0, 0))) > 300  # type: ignore[arg-type]


async def test_transparent_is_white_and_what_was_filled_in_a_form_is_on_the_page() -> None:
    [page] = await Darkroom().pages(written(Image.new("RGBA", (200, 200), (0, 0, 0, 0)), "PNG"))
    assert min(opened(page).getpixel((100, 100))) > 250  # type: ignore[type-var]
    look = stream(b"1 0 0 rg 0 0 400 400 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 400 400]")
    field = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Anna) /F 4 /Rect [100 100 500 500] /AP << /N 5 0 R >> >>"
    filled = raw_pdf(stream(b""), look, field, root=b"/AcroForm << /Fields [6 0 R] >>").replace(
        b"/Type /Page /Parent", b"/Annots [6 0 R] /Type /Page /Parent")
    [page] = await Darkroom().pages(filled)
    red, green, _ = opened(page).getpixel((700, 1_300))  # type: ignore[misc]
    assert red > 200 > green


async def test_a_portrait_is_the_middle_of_a_picture_in_two_sizes_and_never_a_pdf() -> None:
    wide = Image.new("RGB", (900, 300), "white")
    wide.paste("red", (350, 0, 550, 300))
    large, small = [opened(one) for one in await Darkroom().portrait(written(wide))]
    assert (large.size, small.size) == ((400, 400), (120, 120)) and large.getpixel((200, 200))[1] < 60  # type: ignore[index]
    with pytest.raises(InvalidInput) as error:
        await Darkroom().portrait(pdf())
    assert error.value.reason == Trouble.KIND


async def test_a_mark_is_on_every_part_of_a_page_whatever_its_ground_and_the_page_can_still_be_read() -> None:
    for colour in ("white", "black", "gray"):
        [plain] = await Darkroom().pages(written(drawn((1_240, 1_754), colour=colour)))
        before, after = opened(plain), opened(await Darkroom().marked(plain, "olga · 2026-11-26 05:12 CET · AB12-CD34"))
        assert before.size == after.size
        for left in range(0, 1_240 - 310, 310):
            for top in range(0, 1_754 - 350, 350):
                box = (left, top, left + 310, top + 350)
                pairs = list(zip(before.crop(box).convert("L").tobytes(), after.crop(box).convert("L").tobytes(), strict=True))
                changed = sum(abs(one - other) > 25 for one, other in pairs) / len(pairs)
                assert 0.002 < changed < 0.25, (colour, box, changed)


def test_the_process_opens_no_file_no_connection_and_no_other_process_once_it_is_bound() -> None:
    """What it could do is tried in a process that has bound itself in the same way."""
    tried = """
import os, resource, socket, sys
from core import darkroom, egress
egress.arm(); darkroom._bound(5)
def fails(what):
    try: what()
    except (OSError, RuntimeError): return "refused"
    return "done"
sys.stdout.write(" ".join((
    fails(lambda: open("/etc/passwd")), fails(lambda: open("/tmp/konsil-was-here", "w")), fails(socket.socket),
    fails(lambda: socket.socketpair()), fails(os.pipe), fails(lambda: os.open("/", os.O_RDONLY)),
    fails(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))) if os.getuid() else "refused")))
try: bytearray(1 << 30)
except MemoryError: sys.stdout.write(" bounded")
"""
    done = subprocess.run([sys.executable, "-c", tried], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.stdout.split() == ["refused"] * 7 + ["bounded"], done.stderr


async def test_a_process_has_no_secret_in_its_environment_and_no_file_of_the_instance_open() -> None:
    darkroom = Darkroom()
    working = asyncio.create_task(darkroom.pages(many_scans(20_000)))
    while not darkroom.running:
        await asyncio.sleep(0.01)
    [pid] = darkroom.running
    while b"core.darkroom" not in (command := Path(f"/proc/{pid}/cmdline").read_bytes()):
        await asyncio.sleep(0.01)
    names = {pair.partition(b"=")[0] for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if pair}
    assert names <= {b"PYTHONPATH", b"PYTHONUTF8", b"MALLOC_ARENA_MAX", b"LC_CTYPE"} and command.count(b"\0") == 6
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert darkroom.running == () and not Path(f"/proc/{pid}").exists()


async def test_files_wait_in_line_and_pages_that_are_shown_do_not_wait_behind_them() -> None:
    darkroom = Darkroom(6)
    [plain] = await darkroom.pages(photograph())
    slow = asyncio.create_task(darkroom.pages(many_scans()))
    while not darkroom.running:
        await asyncio.sleep(0.01)
    waiting = [asyncio.create_task(darkroom.pages(photograph())) for _ in range(20)]
    await asyncio.sleep(0)
    full = [task for task in waiting if task.done()]
    assert len(full) == 5 and all(isinstance(task.exception(), Unavailable) for task in full)
    assert opened(await darkroom.marked(plain, "olga")).format == "JPEG" and not slow.done()
    with pytest.raises(KonsilError):
        await slow
    for task in waiting[1:]:
        task.cancel()
    assert len(await waiting[0]) == 1, "the next one's turn comes"
    await asyncio.gather(*waiting, return_exceptions=True)
    await darkroom.close()


async def test_what_the_process_says_is_believed_within_bounds_only(tmp_path: Path) -> None:
    """A library that a file has taken over may say anything: a process that lies stands in the place of ours."""
    for said in ("struct.pack('>BI', 0, 1 << 31)", "struct.pack('>BI', 2, 0)", "struct.pack('>BI', 9, 2) + b'ok'", "b''",
                 "b'x' * 3", "struct.pack('>BI', 1, 60) + b'active ' + b'<script>alert(1)</script>' * 2 + b'...'",
                 "(struct.pack('>BI', 0, 10) + b'0123456789') * 1000"):
        liar = tmp_path / "liar"
        liar.write_text(f"#!{sys.executable}\nimport struct, sys\nsys.stdin.buffer.read()\nsys.stdout.buffer.write({said})\n")
        liar.chmod(0o700)
        darkroom = Darkroom(5)
        real, sys.executable = sys.executable, str(liar)
        try:
            with pytest.raises(InvalidInput) as error:
                await darkroom.pages(photograph())
        finally:
            sys.executable = real
        assert error.value.reason in tuple(Trouble) and "<script" not in error.value.message and darkroom.running == ()


async def test_where_the_process_cannot_work_it_is_said_that_this_is_our_fault(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o700)
    real, sys.executable = sys.executable, str(broken)
    try:
        with pytest.raises(Unavailable) as error:
            await Darkroom().pages(photograph())
    finally:
        sys.executable = real
    assert "nothing was kept" in error.value.message


def test_nothing_that_reads_files_of_strangers_is_loaded_into_the_server() -> None:
    asked = ("import sys, instance.app;"
             " print([name for name in sys.modules if name.split('.')[0] in ('PIL', 'pypdfium2', 'pillow_heif', 'numpy',"
             " 'pydicom', 'pylibjpeg', 'libjpeg', 'openjpeg', 'rle')])")
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr


async def test_no_picture_is_lost_in_the_way_it_is_handed_over() -> None:
    """Every size around those of the pieces in which a file is handed over."""
    whole = photograph("PNG")
    for size in ((256 << 10) - len(whole) - 12, (256 << 10) - len(whole), 1 << 20):
        into = BytesIO(whole + bytes(max(size, 0)))
        assert len(await Darkroom().pages(into.getvalue())) == 1
