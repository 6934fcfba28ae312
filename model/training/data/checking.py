"""What is wrong with a data set, and what is legal but odd."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import DatasetError
from model.spec.progress import Progress
from model.spec.skeleton import Skeleton
from model.training.data.folder import Instance, LabelledFolder, Problem
from model.training.data.pictures import decode_picture, read_bytes


@dataclass(frozen=True)
class Report:
    """A data set's state.

    Attributes:
        pictures: How many can be used by their labels.
        instances: How many infants have a labelled keypoint.
        keypoints: How many keypoints of theirs are unlabelled, occluded, visible (0, 1, 2).
        problems: What must be mended before training.
        warnings: What is legal, and seldom meant.
    """

    pictures: int
    instances: int
    keypoints: tuple[int, int, int]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    def lines(self) -> Iterator[str]:
        """Problems and warnings picture by picture, then the summary."""
        marked = [("problem", one) for one in self.problems]
        marked += [("warning", one) for one in self.warnings]
        for kind, one in sorted(marked, key=lambda pair: pair[1].where):
            yield f"{kind}: {one}"
        unlabelled, occluded, visible = self.keypoints
        yield (
            f"{self.pictures} pictures, {self.instances} instances, keypoints: {visible} visible, "
            f"{occluded} occluded, {unlabelled} unlabelled; {len(self.problems)} problems, "
            f"{len(self.warnings)} warnings"
        )

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        unlabelled, occluded, visible = self.keypoints
        counts = {"visible": visible, "occluded": occluded, "unlabelled": unlabelled}
        return asdict(self) | {"keypoints": counts}


def check_folder(folder: LabelledFolder) -> Report:
    """Open every picture of a data set that was surveyed, and look at every label."""
    problems = list(folder.problems)
    warnings: list[Problem] = []
    first_of: dict[bytes, str] = {}
    with Progress(len(folder.pictures), "pictures") as progress:
        for picture in folder.pictures:
            name = picture.path.name
            try:
                data = read_bytes(picture.path)
                decode_picture(data, picture)
            except DatasetError as error:
                problems.append(Problem(name, str(error).removeprefix(f"{name}: ")))
            else:
                first = first_of.setdefault(hashlib.sha256(data).digest(), name)
                if first != name:
                    warnings.append(Problem(name, f"the same picture as {first}"))
            progress.step()
    for one in folder.instances:
        oddities = odd_labels(one, folder.skeleton)
        warnings += [Problem(one.picture.path.name, f"annotation {one.id}: {w}") for w in oddities]
    names = {picture.id: picture.path.name for picture in folder.pictures}
    for boxes_of, what in (
        (folder.unlabelled, "without a labelled keypoint, for the detector alone"),
        (folder.crowds, "of crowds, left out of training"),
    ):
        for picture_id, boxes in boxes_of.items():
            warnings.append(Problem(names[picture_id], f"{len(boxes)} annotation(s) {what}"))
    count = Counter(
        value for one in folder.instances for value in one.labels.visibility[0].tolist()
    )
    return Report(
        len(folder.pictures), len(folder.instances), (count[0], count[1], count[2]),
        tuple(problems), tuple(warnings),
    )  # fmt: skip


def odd_labels(one: Instance, skeleton: Skeleton) -> Iterator[str]:
    """What is legal about an infant's labels, and seldom meant."""
    width, height = (one.box_xyxy[2:] - one.box_xyxy[:2] + 1).tolist()
    if one.area_px > width * height * 1.001:
        yield f"its area, {one.area_px:g} px, is larger than its box, {width:g} x {height:g} px"
    points = one.labels.keypoints_xy[0]
    visible = points[one.labels.visibility[0] == 2]
    room = 0.05 * max(width, height) + 1
    outside = (visible < one.box_xyxy[:2] - room) | (visible > one.box_xyxy[2:] + room)
    if outside.any():
        yield f"{int(outside.any(1).sum())} visible keypoint(s) lie outside its box"
    if skeleton.id == "infant21" and looks_mirrored(points, skeleton):
        yield "left and right look swapped: the infant would lie on its front"


def looks_mirrored(keypoints_xy: NDArray[np.float32], skeleton: Skeleton) -> bool:
    """Whether a supine infant's left and right look swapped, as in a mirrored picture.

    Seen from above, the left side of an infant on its back lies to the right of the way from
    navel to head. Eyes, shoulders and hips vote where both are labelled and well apart.

    Args:
        keypoints_xy: float32 (K, 2) px, NaN where unlabelled.
        skeleton: One with chest and navel.

    Returns:
        True where at least two pairs, or the only two that count, all say so.
    """

    def at(name: str) -> NDArray[np.float64]:
        return np.asarray(keypoints_xy[skeleton.index(name)], np.float64)

    up = at("chest") - at("navel")
    length = float(np.linalg.norm(up))
    if not length > 0:
        return False
    across = np.array([-up[1], up[0]]) / length  # the viewer's right of "up", y pointing down
    sides = [
        float((at(f"left_{part}") - at(f"right_{part}")) @ across)
        for part in ("eye", "shoulder", "hip")
    ]
    votes = [side for side in sides if abs(side) > 0.15 * length]
    return len(votes) >= 2 and all(side < 0 for side in votes)
