"""The baked body: shape space, bones, skinning weights and marks, read from the package's data.

Units are metres; the body frame has z towards the head, -y to the front, +x to the infant's left.
V vertices, F faces, J bones, C shape components, A facial actions.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from model.spec.errors import SyntheticError

Floats = NDArray[np.float64]

RIG_FILE = "data/rig.npz"
CROWN_VERTEX = 881
"""Top of the head, for measuring only."""


@dataclass(frozen=True, eq=False)
class Rig:
    """What every infant is made from.

    Attributes:
        mean: float32 (3V + 3J,), vertices then bone heads of the mean infant at rest, 0.6 m tall.
        components: float32 (C, 3V + 3J), one standard deviation each.
        faces: int32 (F, 3) vertex indices.
        weight_bones: int32 (V, 9) bones that move each vertex.
        weights: float32 (V, 9) their shares.
        parents: int64 (J,) parent of each bone, -1 at the root; parents come first.
        bone_names: J names, as `upperleg01.L`.
        actions: float32 (A, V, 3) displacement of a full facial action.
        action_names: A names.
        lips: float32 (V,) 0..1.
        brows: float32 (V,) 0..1.
        face_parts: int8 (F,) 1, 2 left and right eyeball, 3 mouth, 4 tongue, 5 eye sockets, 0 else.
        adult_arm: float32 (4, N, 3) an adult's right forearm and hand in four grips.
        adult_arm_faces: int32 (M, 3).
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    faces: NDArray[np.int32]
    weight_bones: NDArray[np.int32]
    weights: NDArray[np.float32]
    parents: NDArray[np.int64]
    bone_names: tuple[str, ...]
    actions: NDArray[np.float32]
    action_names: tuple[str, ...]
    lips: NDArray[np.float32]
    brows: NDArray[np.float32]
    face_parts: NDArray[np.int8]
    adult_arm: NDArray[np.float32]
    adult_arm_faces: NDArray[np.int32]

    @property
    def num_vertices(self) -> int:
        """V."""
        return len(self.weights)

    @property
    def num_bones(self) -> int:
        """J."""
        return len(self.bone_names)

    @cached_property
    def bone(self) -> dict[str, int]:
        """Index of each bone by name."""
        return {name: i for i, name in enumerate(self.bone_names)}

    @cached_property
    def rest_vertices(self) -> Floats:
        """float64 (V, 3), the mean infant at rest."""
        return self.mean[: 3 * self.num_vertices].reshape(-1, 3).astype(np.float64)

    @cached_property
    def rest_joints(self) -> Floats:
        """float64 (J, 3), its bone heads."""
        return self.mean[3 * self.num_vertices :].reshape(-1, 3).astype(np.float64)

    @cached_property
    def dominant_bone(self) -> NDArray[np.int32]:
        """int32 (V,), the bone that moves each vertex most."""
        strongest = self.weights.argmax(1)
        return np.asarray(self.weight_bones[np.arange(self.num_vertices), strongest])

    def below(self, *roots: str) -> list[int]:
        """Indices of the named bones and of everything that hangs on them."""
        found = {self.bone[root] for root in roots}
        for i, parent in enumerate(self.parents):
            if int(parent) in found:
                found.add(i)
        return sorted(found)

    def vertices_of(self, *roots: str) -> NDArray[np.bool_]:
        """Boolean (V,), the vertices that the named bones and those below them move most."""
        return np.isin(self.dominant_bone, self.below(*roots))

    @cached_property
    def eyeball(self) -> dict[str, NDArray[np.int64]]:
        """Vertices of the eyeballs by side, `L` and `R`."""
        return {
            side: np.unique(self.faces[self.face_parts == part]).astype(np.int64)
            for side, part in (("L", 1), ("R", 2))
        }

    @cached_property
    def neighbour_mean(self) -> scipy.sparse.csr_array:
        """Sparse (V, V): each row averages a vertex's neighbours."""
        edges = np.concatenate(
            [self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]]
        )
        rows = np.concatenate([edges[:, 0], edges[:, 1]])
        columns = np.concatenate([edges[:, 1], edges[:, 0]])
        size = self.num_vertices
        touching = scipy.sparse.coo_array(
            (np.ones(len(rows)), (rows, columns)), shape=(size, size)
        ).tocsr()
        touching.data[:] = 1
        count = np.maximum(np.asarray(touching.sum(1)).ravel(), 1)
        return scipy.sparse.csr_array(scipy.sparse.diags_array(1 / count) @ touching)


@cache
def load_rig() -> Rig:
    """Read the rig that ships with the package.

    Raises:
        SyntheticError: The package's data are missing or cut short.
    """
    path = resources.files("model.synthetic").joinpath(RIG_FILE)
    try:
        with path.open("rb") as file, np.load(file) as data:
            return Rig(
                mean=data["mu"].astype(np.float32),
                components=data["comp"].astype(np.float32),
                faces=np.ascontiguousarray(data["F"], np.int32),
                weight_bones=np.ascontiguousarray(data["ix"], np.int32),
                weights=np.ascontiguousarray(data["w"], np.float32),
                parents=data["parents"].astype(np.int64),
                bone_names=tuple(str(name) for name in data["labels"]),
                actions=data["fad"].astype(np.float32),
                action_names=tuple(str(name) for name in data["fa_labels"]),
                lips=data["lips"],
                brows=data["brow"],
                face_parts=data["face_lab"],
                adult_arm=data["hand_v"],
                adult_arm_faces=np.ascontiguousarray(data["hand_f"], np.int32),
            )
    except (OSError, KeyError, ValueError) as error:
        raise SyntheticError(f"expected the body rig at {RIG_FILE}, got: {error}") from error
