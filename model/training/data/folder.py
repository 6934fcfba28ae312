"""Reading a folder of pictures with COCO keypoint labels, strictly.

A data set is a folder that holds one JSON file of COCO keypoints (or the file itself). Keypoints
are recognised by their names, in whatever order the file lists them, and handed out in the
skeleton's order. Anything that does not fit is a problem with the picture's name in it; reading
collects them, `aggpose data check` prints them all.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import LabelledKeypoints
from model.spec.errors import DatasetError
from model.spec.geometry import Size
from model.spec.skeleton import SKELETON_IDS, Skeleton, load_skeleton

HEAD_CLASS = "head"
"""Name of the category whose boxes and polygons cover heads."""


@dataclass(frozen=True)
class Picture:
    """One picture of a data set: its COCO id, its file, and its size."""

    id: int
    path: Path
    size_wh: Size


@dataclass(frozen=True, eq=False)
class Instance:
    """One labelled infant or person.

    Attributes:
        id: Of the COCO annotation.
        picture: Where it is.
        box_xyxy: float32 (4,) px, first and last pixel centre.
        labels: One instance of labelled keypoints, in picture px.
        area_px: Of the COCO annotation, px^2, above 0.
        head_polygon: float32 (P, 2) px around its head, or None where the data set has none.
    """

    id: int
    picture: Picture
    box_xyxy: NDArray[np.float32]
    labels: LabelledKeypoints
    area_px: float
    head_polygon: NDArray[np.float32] | None


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where: a picture's name, or the name of the labels' file."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class LabelledFolder:
    """A data set that was read.

    Attributes:
        file: The labels' JSON file.
        skeleton: Of its keypoints.
        pictures: All pictures, also those with nobody in them, in the file's order.
        instances: All labelled infants with at least one keypoint, in the file's order.
        heads: Boxes float32 (4,) of the head category by picture id.
        problems: What does not fit; such pictures and instances are left out.
        head_polygons: float32 (P, 2) px of the head category by picture id.
        unlabelled: Boxes float32 (4,) of infants without a keypoint by picture id.
        crowds: Boxes float32 (4,) of crowds by picture id.
    """

    file: Path
    skeleton: Skeleton
    pictures: tuple[Picture, ...]
    instances: tuple[Instance, ...]
    heads: Mapping[int, tuple[NDArray[np.float32], ...]]
    problems: tuple[Problem, ...]
    head_polygons: Mapping[int, list[NDArray[np.float32]]] = field(default_factory=dict)
    unlabelled: Mapping[int, list[NDArray[np.float32]]] = field(default_factory=dict)
    crowds: Mapping[int, list[NDArray[np.float32]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its folder; in COCO's own layout, of the one above `annotations` and the file."""
        folder = self.file.parent
        if folder.name != "annotations":
            return folder.name
        return f"{folder.parent.name}/{self.file.stem}"


def read_folder(source: Path, *, images: Path | None = None) -> LabelledFolder:
    """Read a data set in which nothing is wrong.

    Args:
        source: A folder with one keypoint file in it (or in its `annotations/`), or that file.
        images: Where the pictures are; looked for beside the file if None.

    Raises:
        DatasetError: There is none, or something is wrong with it; the first problems are named.
    """
    folder = survey_folder(source, images=images)
    if folder.problems:
        shown = "; ".join(str(problem) for problem in folder.problems[:3])
        more = len(folder.problems) - 3
        rest = f"; and {more} more" if more > 0 else ""
        raise DatasetError(
            f"{source}: {len(folder.problems)} problem(s), all of them by `aggpose data check`: "
            f"{shown}{rest}"
        )
    if not folder.instances:
        raise DatasetError(f"{folder.file}: expected labelled keypoints, got none")
    return folder


def survey_folder(source: Path, *, images: Path | None = None) -> LabelledFolder:
    """Read a data set, with everything that is wrong collected in `problems`.

    Raises:
        DatasetError: There is no keypoint file, several, or no known skeleton in it.
    """
    file = find_labels(source)
    content = _read_json(file)
    skeleton, category, order = _skeleton_of(content, file)
    head_category = _category_id(content, HEAD_CLASS)
    problems: list[Problem] = []
    pictures = {
        picture.id: picture for picture in _pictures(content, file, images, problems=problems)
    }
    known = {row.get("id") for row in content["images"] if _has_id(row)}
    heads: dict[int, tuple[NDArray[np.float32], ...]] = {}
    polygons: dict[int, list[NDArray[np.float32]]] = {}
    unlabelled: dict[int, list[NDArray[np.float32]]] = {}
    crowds: dict[int, list[NDArray[np.float32]]] = {}
    instances = []
    for row in _annotations(content, known, file, problems=problems):
        picture = pictures.get(row["image_id"])
        if picture is None:
            continue  # its file is a problem already
        try:
            if head_category is not None and row.get("category_id") == head_category:
                heads[picture.id] = (*heads.get(picture.id, ()), _box(row))
                polygons.setdefault(picture.id, []).extend(_polygons(row))
            elif row.get("category_id") != category:
                problems.append(
                    _of(row, picture, f"expected a known category, got {row.get('category_id')}")
                )
            elif row.get("iscrowd"):
                crowds.setdefault(picture.id, []).append(_box(row))
            elif not _any_keypoint(row, len(order)):
                unlabelled.setdefault(picture.id, []).append(_box(row))
            else:
                instances.append(_instance(row, picture, order))
        except DatasetError as error:
            problems.append(_of(row, picture, str(error)))
    return LabelledFolder(
        file,
        skeleton,
        tuple(pictures.values()),
        tuple(_with_heads(instances, polygons, skeleton)),
        heads,
        tuple(problems),
        polygons,
        unlabelled,
        crowds,
    )


def _has_id(row: object) -> bool:
    return isinstance(row, dict) and type(row.get("id")) is int


def _of(row: dict[str, Any], picture: Picture, what: str) -> Problem:
    return Problem(picture.path.name, f"annotation {row['id']}: {what}")


def _annotations(
    content: dict[str, Any], known: set[int], file: Path, *, problems: list[Problem]
) -> Iterator[dict[str, Any]]:
    """The annotations with an id of their own, of pictures that the file lists."""
    seen: set[int] = set()
    for row in content["annotations"]:
        if not _has_id(row) or type(row.get("image_id")) is not int:
            what = "expected annotations with whole numbers as id and image_id"
            problems.append(Problem(file.name, f"{what}, got {str(row)[:60]}"))
        elif row["id"] in seen:
            problems.append(Problem(file.name, f"annotation id {row['id']} is used more than once"))
        elif row["image_id"] not in known:
            what = f"annotation {row['id']} names picture {row['image_id']}, which is not listed"
            problems.append(Problem(file.name, what))
        else:
            yield row
        if _has_id(row):
            seen.add(row["id"])


def find_labels(source: Path) -> Path:
    """The keypoint file of a data set.

    Raises:
        DatasetError: No such folder, no keypoint file in it, or more than one.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise DatasetError(f"{source}: expected a folder or a JSON file, found nothing there")
    found = sorted(
        path
        for path in (*source.glob("*.json"), *source.glob("annotations/*.json"))
        if _looks_like_coco(path)
    )
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DatasetError(f"{source}: expected one file of COCO keypoints, got {names}")
    return found[0]


def _looks_like_coco(path: Path) -> bool:
    """Whether a JSON file could be a data set; one that is damaged is left for the reader."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return True
    return isinstance(content, dict) and "annotations" in content


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DatasetError(f"{file}: expected JSON, got a file that is damaged: {error}") from error
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), list) for name in lists
    ):
        raise DatasetError(f"{file}: expected COCO's lists images, annotations and categories")
    return content


def _skeleton_of(content: dict[str, Any], file: Path) -> tuple[Skeleton, int, NDArray[np.intp]]:
    """The skeleton, its category's id, and the place of each of its keypoints in the file."""
    with_points = [
        category
        for category in content["categories"]
        if _has_id(category) and category.get("keypoints")
    ]
    if len(with_points) != 1:
        names = ", ".join(str(category.get("name")) for category in with_points) or "none"
        raise DatasetError(f"{file}: expected one category with keypoints, got {names}")
    names = with_points[0]["keypoints"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"{file}: expected a list of keypoint names, got {str(names)[:60]}")
    ids = [category["id"] for category in content["categories"] if _has_id(category)]
    if len({*ids}) < len(ids):
        raise DatasetError(f"{file}: expected categories with an id each, got {ids}")
    skeletons = [load_skeleton(skeleton_id) for skeleton_id in SKELETON_IDS]
    for skeleton in skeletons:
        if sorted(names) == sorted(skeleton.keypoints):
            order = np.array([names.index(name) for name in skeleton.keypoints], np.intp)
            return skeleton, with_points[0]["id"], order
    nearest = max(skeletons, key=lambda skeleton: len({*names} & {*skeleton.keypoints}))
    missing = ", ".join(sorted({*nearest.keypoints} - {*names})) or "nothing"
    unknown = ", ".join(sorted({*names} - {*nearest.keypoints})) or "nothing"
    raise DatasetError(
        f"{file}: expected the keypoints of {' or '.join(SKELETON_IDS)}; nearest is {nearest.id}: "
        f"missing {missing}; unknown {unknown}"
    )


def _category_id(content: dict[str, Any], name: str) -> int | None:
    for category in content["categories"]:
        if _has_id(category) and category.get("name") == name:
            return int(category["id"])
    return None


def _pictures(
    content: dict[str, Any], file: Path, images: Path | None, *, problems: list[Problem]
) -> Iterator[Picture]:
    """The pictures whose files are there; a problem for each that is not."""
    seen: set[int] = set()
    paths: set[Path] = set()
    places = _places(file) if images is None else [images]
    for row in content["images"]:
        name = row.get("file_name") if isinstance(row, dict) else None
        if not isinstance(name, str) or not name:
            problems.append(Problem(file.name, f"expected a file_name, got {str(row)[:60]}"))
            continue
        size_wh = (row.get("width"), row.get("height"))
        if not _has_id(row) or any(type(side) is not int or side < 1 for side in size_wh):
            what = f"expected whole numbers as id, width and height, got {row.get('id')}, {size_wh}"
            problems.append(Problem(name, what))
            continue
        if row["id"] in seen:
            problems.append(Problem(name, f"the id {row['id']} belongs to another picture already"))
            continue
        seen.add(row["id"])
        try:
            path = _find_picture(name, places)
        except DatasetError as error:
            problems.append(Problem(name, str(error)))
            continue
        if path in paths:
            problems.append(Problem(name, "the file is listed more than once"))
            continue
        paths.add(path)
        yield Picture(row["id"], path, (row["width"], row["height"]))


def _find_picture(name: str, places: list[Path]) -> Path:
    """The first file of this name.

    Raises:
        DatasetError: There is none, or the name leads out of the data set.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or parts[0] == "/" or ":" in parts[0] or "\0" in name:
        raise DatasetError("expected a file_name inside the data set, got one that leads elsewhere")
    for place in places:
        try:
            if (place / name).is_file():
                return place / name
        except OSError as error:
            raise DatasetError(f"the file cannot be read: {error.strerror or error}") from error
    raise DatasetError(f"the file is missing (looked in {', '.join(map(str, places))})")


def _places(file: Path) -> list[Path]:
    """Folders that may hold the pictures: beside the labels, in images/, or COCO's own layout."""
    places = [file.parent, file.parent / "images"]
    if file.parent.name == "annotations":
        root, split = file.parent.parent, file.stem.rsplit("_", 1)[-1]
        places += [root / split, root / "images" / split, root, root / "images"]
    return places


def _any_keypoint(row: dict[str, Any], count: int) -> bool:
    """Whether an annotation has a labelled keypoint; those without a list of them have none."""
    flat = row.get("keypoints")
    if flat is None or flat == []:
        return False
    if not isinstance(flat, list) or len(flat) != 3 * count:
        got = len(flat) if isinstance(flat, list) else type(flat).__name__
        raise DatasetError(f"expected {3 * count} numbers of keypoints, got {got}")
    return bool((_numbers(flat, "keypoints")[2::3] != 0).any())


def _instance(row: dict[str, Any], picture: Picture, order: NDArray[np.intp]) -> Instance:
    points = _numbers(row["keypoints"], "keypoints").reshape(-1, 3)[order]
    visibility = points[:, 2]
    if not np.isin(visibility, (0, 1, 2)).all():
        raise DatasetError("expected visibilities of 0, 1 or 2")
    keypoints_xy = np.where(visibility[:, None] > 0, points[:, :2], np.nan).astype(np.float32)
    width, height = picture.size_wh
    outside = ((keypoints_xy < -1).any(-1) | (keypoints_xy > (width, height)).any(-1)) & (
        visibility > 0
    )
    if outside.any():
        raise DatasetError(f"{int(outside.sum())} labelled keypoint(s) outside the picture")
    area = float(_numbers([row.get("area")], "area")[0])
    if area <= 0:
        raise DatasetError(f"expected an area above 0, got {area:g}")
    labels = LabelledKeypoints(keypoints_xy[None], visibility.astype(np.uint8)[None])
    return Instance(row["id"], picture, _box(row), labels, area, None)


def _box(row: dict[str, Any]) -> NDArray[np.float32]:
    box = row.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise DatasetError(f"expected a bbox of x, y, width, height, got {box}")
    x, y, width, height = _numbers(box, "bbox").tolist()
    if width < 1 or height < 1:
        raise DatasetError(f"expected a bbox of at least one pixel, got {width:g} x {height:g}")
    return np.array([x, y, x + width - 1, y + height - 1], np.float32)


def _numbers(values: list[Any], what: str) -> NDArray[np.float64]:
    for value in values:
        if type(value) not in (int, float):
            raise DatasetError(f"expected numbers in {what}, got {str(value)[:20]!r}")
    if not all(abs(value) < 1e9 for value in values):
        raise DatasetError(f"expected finite numbers below 1e9 in {what}")
    return np.array(values, np.float64)


def _polygons(row: dict[str, Any]) -> list[NDArray[np.float32]]:
    """Polygons of a segmentation; the corners of the box where it is none (run lengths)."""
    segmentation = row.get("segmentation")
    if isinstance(segmentation, list) and segmentation:
        if any(
            not isinstance(part, list) or len(part) < 6 or len(part) % 2 for part in segmentation
        ):
            raise DatasetError("expected polygons of at least 3 corners in segmentation")
        return [
            _numbers(part, "segmentation").reshape(-1, 2).astype(np.float32)
            for part in segmentation
        ]
    x1, y1, x2, y2 = _box(row).tolist()
    return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)]


def _with_heads(
    instances: list[Instance], polygons: Mapping[int, list[NDArray[np.float32]]], skeleton: Skeleton
) -> Iterator[Instance]:
    """Give each infant the head of its picture that lies nearest.

    Nearest to its labelled keypoints of the head; where there is none, to its box's middle.
    """
    for one in instances:
        theirs = polygons.get(one.picture.id)
        if not theirs:
            yield one
            continue
        points = one.labels.keypoints_xy[0][list(skeleton.head)]
        points = points[np.isfinite(points).all(1)]
        near = points.mean(0) if len(points) else (one.box_xyxy[:2] + one.box_xyxy[2:]) / 2
        distances = [float(np.linalg.norm(polygon.mean(0) - near)) for polygon in theirs]
        yield replace(one, head_polygon=theirs[int(np.argmin(distances))])
