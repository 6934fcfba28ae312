"""How many infants the pipeline takes up, by the detector's score and with the head's beside it.

Run: python -m benchmarks.sureness DATA... --detector DETECTOR

DATA are folders of `aggpose synth images`, with infants or (`--empty-share 1`) without. For several
thresholds: infants of which no detection that overlaps the label by an IoU of 0.5 is so sure, and
pictures of nobody with a detection that is.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import CLASSES, Detector
from model.runtime.engines import EngineOptions
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.following.detecting import Look
from workers.pipeline.following.memory import Sight, iou

SETTINGS = ExtractionSettings()
THRESHOLDS = (0.1, SETTINGS.keep_score, SETTINGS.start_score, 0.5)


def surest(folder: Path, detector: Detector) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The best score and sureness of each infant (N, 2), and of each picture of nobody (M, 2)."""
    file = folder if folder.is_file() else folder / "annotations.json"
    folder, labels = file.parent, json.loads(file.read_bytes())
    infant = next(c["id"] for c in labels["categories"] if c.get("keypoints"))
    boxes = {a["image_id"]: a["bbox"] for a in labels["annotations"] if a["category_id"] == infant}
    of_infants: list[list[float]] = []
    of_nobody: list[list[float]] = []
    for image in labels["images"]:
        path = next(folder.rglob(image["file_name"]))
        bgr = cv2.imread(str(path))
        if bgr is None:
            raise SystemExit(f"{path}: expected a picture")
        (seen,) = detector.detect([np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)])
        parts = [seen.of(name, min_score=SETTINGS.sighting_score) for name in CLASSES]
        look = Look(0, 0.0, parts[0], parts[1])
        near = np.ones(len(look.infants), bool)
        if image["id"] in boxes:
            x, y, width, height = boxes[image["id"]]
            label = Sight(0, 0.0, (x, y, x + width - 1, y + height - 1), 1.0)
            near = iou([label], look.infants)[0] >= 0.5
        both = (look.infants.scores, look.sureness)
        found = [float(each[near].max(initial=0.0)) for each in both]
        (of_infants if image["id"] in boxes else of_nobody).append(found)
    shape = (-1, 2)
    return np.array(of_infants).reshape(shape), np.array(of_nobody).reshape(shape)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--detector", type=Path, required=True)
    given = parser.parse_args()
    detector = Detector.open(given.detector, EngineOptions(batch_size=1))
    each = [surest(folder, detector) for folder in given.data]
    infants, nobody = (np.concatenate(part) for part in zip(*each, strict=True))
    print(f"{len(infants)} infants, {len(nobody)} pictures of nobody; by score, with the head\n")
    print("| from | infants missed, % | taken for one, % |")
    print("|---|---|---|")
    for least in THRESHOLDS:
        print(f"| {least} | {_shares(infants < least)} | {_shares(nobody >= least)} |")


def _shares(which: NDArray[np.bool_]) -> str:
    """By score and with the head, percent; a dash where there is no such picture."""
    return " ".join(f"{100 * share:.1f}" for share in which.mean(axis=0)) if len(which) else "-"


if __name__ == "__main__":
    main()
