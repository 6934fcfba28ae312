"""Where the heads are in a labelled picture: as labelled, or judged from the keypoints."""

import numpy as np
from numpy.typing import NDArray

from model.spec.head_mask import head_region, region_mask
from model.training.data.folder import Instance, LabelledFolder, Picture


def head_regions(
    folder: LabelledFolder, picture: Picture, instances: list[Instance]
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """What to cover in a picture.

    Returns:
        Polygons float32 (P, 2) px of all heads, labelled or judged from keypoints; and the box of
        each infant whose head cannot be placed, as it may be anywhere in it.
    """
    labelled = list(folder.head_polygons.get(picture.id, ()))
    found, missing = list(labelled), []
    for one in instances:
        points = one.labels.keypoints_xy[0]
        own = points[list(folder.skeleton.head)]
        if _held(own[np.isfinite(own).all(1)], labelled, picture):
            continue
        region = head_region(points, folder.skeleton, one.box_xyxy)
        if region is None:
            missing.append(corners(one.box_xyxy))
        else:
            found.append(region)
    return found, missing


def hiding_everybody(folder: LabelledFolder, picture: Picture) -> list[NDArray[np.float32]]:
    """Polygons float32 (P, 2) px that leave nobody in a picture of the data set recognisable.

    Heads, the whole box of an infant whose head cannot be placed, and those of crowds and of people
    without keypoints.
    """
    present = [one for one in folder.instances if one.picture == picture]
    heads, unplaced = head_regions(folder, picture, present)
    return [*heads, *unplaced, *(corners(box) for box in whole_boxes(folder, picture))]


def whole_boxes(folder: LabelledFolder, picture: Picture) -> list[NDArray[np.float32]]:
    """Boxes float32 (4,) of crowds and of people without keypoints, whose heads may be anywhere."""
    return [
        box
        for boxes_of in (folder.unlabelled, folder.crowds)
        for box in boxes_of.get(picture.id, ())
    ]


def _held(
    points: NDArray[np.float32], polygons: list[NDArray[np.float32]], picture: Picture
) -> bool:
    """Whether one of the polygons holds all the points, of which there is one at least."""
    if not len(points):
        return False
    width, height = picture.size_wh
    xs, ys = np.rint(points).astype(int).clip(0, (width - 1, height - 1)).T
    return any(region_mask(polygon, picture.size_wh)[ys, xs].all() for polygon in polygons)


def corners(box_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """The corners float32 (4, 2) px of a box (4,)."""
    x1, y1, x2, y2 = box_xyxy.tolist()
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)
