"""Reading the pictures of a data set, strictly: whole, of the labelled size, not turned."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.errors import DatasetError
from model.training.data.folder import Picture

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")


def read_rgb(picture: Picture, *, halved: bool = False) -> NDArray[np.uint8]:
    """The pixels of a picture, uint8 (H, W, 3) RGB.

    Args:
        picture: Of a data set.
        halved: Decode a JPEG at half its size, rounded up, which is quicker and aliases less; its
            pixel centre i then lies at 2 i + 0.5 of the picture.

    Raises:
        DatasetError: It cannot be read, is cut short, has another size than the labels say, or
            would be turned by its EXIF orientation.
    """
    return np.ascontiguousarray(read_picture(picture, halved=halved)[..., ::-1])


def read_picture(picture: Picture, *, halved: bool = False) -> NDArray[np.uint8]:
    """The same, BGR as OpenCV has it."""
    return decode_picture(read_bytes(picture.path), picture, halved=halved)


def read_bytes(path: Path) -> bytes:
    """A picture's file.

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path.name}: cannot be read: {error.strerror or error}") from error


def find_pictures(folder: Path) -> list[Path]:
    """All pictures in a folder and in the folders inside it, by path.

    Raises:
        DatasetError: There is none, or one of them cannot be decoded.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_ENDINGS)
    if not found:
        endings = ", ".join(PICTURE_ENDINGS)
        raise DatasetError(f"{folder}: expected pictures ({endings}), got none")
    for path in found:
        data = read_bytes(path)
        if _cut_short(data) or _decode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8) is None:
            raise DatasetError(f"{path}: expected a whole picture, got one that cannot be decoded")
    return found


def read_unlabelled(number: int, path: Path) -> tuple[Picture, NDArray[np.uint8]]:
    """A picture that no labels speak of, of the size that it has; its pixels as by `read_rgb`.

    Raises:
        DatasetError: It cannot be read, is cut short, or would be turned by its EXIF orientation.
    """
    stored = _decode_upright(read_bytes(path), path.name, cv2.IMREAD_COLOR)
    picture = Picture(number, path, (stored.shape[1], stored.shape[0]))
    return picture, np.ascontiguousarray(stored[..., ::-1])


def decode_picture(data: bytes, picture: Picture, *, halved: bool = False) -> NDArray[np.uint8]:
    """As `read_picture`, from the file's bytes."""
    name = picture.path.name
    stored = _decode_upright(data, name, cv2.IMREAD_REDUCED_COLOR_2 if halved else cv2.IMREAD_COLOR)
    height, width = stored.shape[:2]
    expected = tuple(-(-side // 2) for side in picture.size_wh) if halved else picture.size_wh
    if (width, height) != expected:
        raise DatasetError(
            f"{name}: expected {expected[0]}x{expected[1]} as the labels say"
            f"{' (halved)' if halved else ''}, got {width}x{height}"
        )
    return stored


def _decode_upright(data: bytes, name: str, colour: int) -> NDArray[np.uint8]:
    """A whole picture as OpenCV has it, which no mark would turn."""
    if _cut_short(data):
        raise DatasetError(f"{name}: expected a whole picture, got one that is cut short")
    stored = _decode(data, colour | cv2.IMREAD_IGNORE_ORIENTATION)
    if stored is None:
        raise DatasetError(f"{name}: expected a picture, got a file that cannot be decoded")
    if b"Exif" in data or b"eXIf" in data:
        turned = _decode(data, colour)
        if turned is None or turned.shape != stored.shape or (turned != stored).any():
            raise DatasetError(
                f"{name}: expected a picture stored upright, got one that its EXIF orientation "
                f"turns: labels may mean either; turn the pixels and drop the mark"
            )
    return stored


def _decode(data: bytes, flags: int) -> NDArray[np.uint8] | None:
    if not data:
        return None
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None  # what cannot be decoded, such as a header of impossible size
    return None if found is None else np.asarray(found, np.uint8)


def _cut_short(data: bytes) -> bool:
    """Whether a JPEG or PNG ends before its end mark: decoders fill the rest in silently."""
    if data.startswith(b"\xff\xd8"):
        # A thumbnail in the header has its own end mark, before the last scan begins.
        return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
    return data.startswith(b"\x89PNG") and b"IEND" not in data[-64:]
