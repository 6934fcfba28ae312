"""Baking is a developer's script: it is there, and asks for its packages only when it runs."""

import sys
from pathlib import Path

import numpy as np
import pytest

from model.synthetic import bake
from model.synthetic.rig import Rig


def test_baking_needs_anny_only_when_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "anny", None)
    with pytest.raises(ModuleNotFoundError, match="anny"):
        bake.bake(tmp_path / "rig.npz")
    assert not list(tmp_path.iterdir())


def test_the_shipped_rig_is_what_baking_makes(rig: Rig) -> None:
    assert rig.action_names == bake.ACTIONS
    assert len(rig.components) == bake.COMPONENTS
    assert np.ptp(rig.rest_vertices[:, 2]) == pytest.approx(bake.HEIGHT_M, rel=0.01)
    assert rig.faces.max() < rig.num_vertices == 13718
    np.testing.assert_allclose(rig.weights.sum(1), 1, atol=1e-3)
    assert (rig.parents[1:] < np.arange(1, rig.num_bones)).all(), "parents come first"
