"""Names files that are no image AI Studio reads, by their first bytes: what they are, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

HEAD_BYTES = 512


class ForeignKind(NamedTuple):
    """A kind of file that is not read, and what to do with such a file."""

    message: str
    fix: str

    @property
    def what(self) -> str:
        """What such a file is, as the end of a sentence, without its full stop: "a HEIC photo"."""
        return self.message.removeprefix("This is ").rstrip(".")


_RAW = "Develop it in a photo program and save it as JPEG, TIFF or PNG."
HEIC = ForeignKind(
    "This is a HEIC photo, as iPhones take them.",
    "Save it as JPEG. On an iPhone choose Settings > Camera > Formats > Most Compatible for new photos.",
)
AVIF = ForeignKind("This is an AVIF image.", "Save it as JPEG or PNG.")
RAW = ForeignKind("This is a camera RAW photo.", _RAW)
VIDEO = ForeignKind("This is a video.", "Save its frames as JPEG or PNG, or remove the file.")
GIT_LFS = ForeignKind(
    "This is a placeholder of Git LFS, and the image itself was not downloaded.", "Run 'git lfs pull'."
)
ICLOUD = ForeignKind(
    "This is a placeholder of iCloud, and the image itself was not downloaded.",
    "Download it in Finder (Download Now), or copy the folder from a place where all files are.",
)
NUMPY = ForeignKind("This is a NumPy array.", "Save it as PNG or TIFF.")
FITS = ForeignKind("This is a FITS image.", "Save it as TIFF with floating-point values.")
HDF5 = ForeignKind("This is an HDF5 file.", "Save each image in it as TIFF or PNG.")
PDF = ForeignKind("This is a PDF document.", "Save each of its pages as JPEG or PNG.")
DICOM = ForeignKind("This is a DICOM image.", "Save it as TIFF or PNG with 16 bits, one file for each slice.")
NIFTI = ForeignKind("This is a NIfTI volume.", "Save each of its slices as TIFF or PNG with 16 bits.")
NETPBM = ForeignKind("This is a Netpbm image (PPM, PGM or PBM).", "Save it as PNG.")
WEB_PAGE = ForeignKind("This is a web page, as servers send it when a download fails.", "Download the image again.")
EMPTY = ForeignKind("The file is empty.", "Copy or download it again, or remove it.")
TEXT = ForeignKind("This is a text file.", "Replace it with an image file, or remove it.")

_ISO_BRANDS: dict[bytes, ForeignKind] = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"), HEIC),
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    b"crx ": RAW,
    b"jxl ": ForeignKind("This is a JPEG XL image.", "Save it as JPEG or PNG."),
}
_STARTS: tuple[tuple[bytes, ForeignKind], ...] = (
    (b"\xff\x0a", _ISO_BRANDS[b"jxl "]),
    (b"\0\0\0\x0cJXL ", _ISO_BRANDS[b"jxl "]),
    (b"\0\0\0\x0cjP  ", ForeignKind("This is a JPEG 2000 image.", "Save it as JPEG or PNG.")),
    (b"\xff\x4f\xff\x51", ForeignKind("This is a JPEG 2000 image.", "Save it as JPEG or PNG.")),
    (b"8BPS", ForeignKind("This is a Photoshop document.", "Save it as JPEG, PNG or TIFF.")),
    (b"gimp xcf", ForeignKind("This is a GIMP document.", "Export it as JPEG or PNG.")),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"IIU\0", RAW),
    (b"FOVb", RAW),
    (b"v/1\x01", ForeignKind("This is an OpenEXR image.", "Save it as TIFF with floating-point values.")),
    (b"#?RADIANCE", ForeignKind("This is a Radiance HDR image.", "Save it as TIFF with floating-point values.")),
    (b"bplist00", ICLOUD),
    (b"\0\0\x01\0", ForeignKind("This is a Windows icon.", "Save it as PNG.")),
    (b"DDS ", ForeignKind("This is a DirectDraw texture.", "Save it as PNG.")),
    (b"SIMPLE  =", FITS),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"\x93NUMPY", NUMPY),
    (b"%PDF", PDF),
    (b"PK\x03\x04", ForeignKind("This is a zip archive or an office document.", "Unpack it first.")),
    (b"Rar!\x1a\x07", ForeignKind("This is a RAR archive.", "Unpack it first.")),
    (b"7z\xbc\xaf\x27\x1c", ForeignKind("This is a 7z archive.", "Unpack it first.")),
    (b"\x1f\x8b", ForeignKind("This is a gzip archive.", "Unpack it first.")),
    (b"\0\x05\x16\x07", ForeignKind("This is a companion file of macOS without an image in it.", "Remove it.")),
    (b"version https://git-lfs", GIT_LFS),
    (b"\x1aE\xdf\xa3", VIDEO),
    (b"\0\0\x01\xba", VIDEO),
)
_SVG = ForeignKind("This is an SVG drawing, which has no pixels.", "Save it as PNG in the size that you need.")
_RAW_TIFF = (b"II*\0", b"MM\0*")
_IMAGE_STARTS = (b"GIF8", b"BM")  # formats that are read and begin with letters


def name_content(head: bytes) -> ForeignKind | None:
    """Return what a file is by its first HEAD_BYTES bytes; None when that is not known."""
    if not head:
        return EMPTY
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[4:8] == b"ftyp":
        return _name_iso_media(head)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return VIDEO
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return NETPBM
    if head[128:132] == b"DICM":
        return DICOM
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return NIFTI
    if head[:4] in _RAW_TIFF and head[8:10] == b"CR":
        return RAW
    return _name_text(head)


def _name_iso_media(head: bytes) -> ForeignKind:
    """Name a file of the ISO base media format: photos and videos of phones, by their brands."""
    size = max(16, min(int.from_bytes(head[:4], "big"), len(head)))
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, size, 4))]
    # AVIF names mif1 as well, and comes first: what is specific goes before what is general.
    known = [_ISO_BRANDS[brand] for brand in brands if brand in _ISO_BRANDS]
    if AVIF in known:
        return AVIF
    return known[0] if known else VIDEO


def _name_text(head: bytes) -> ForeignKind | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return WEB_PAGE
    if text.startswith((b"<svg", b"<!doctype svg")) or (text.startswith((b"<?xml", b"<!--")) and b"<svg" in text):
        return _SVG
    try:
        characters = head.decode("utf-8")
    except UnicodeDecodeError as error:
        is_cut = len(head) >= HEAD_BYTES and error.start > len(head) - 4  # the last character, in its middle
        characters = head[: error.start].decode("utf-8") if is_cut else "\0"
    is_text = all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in characters)
    return TEXT if is_text and not head.startswith(_IMAGE_STARTS) else None
