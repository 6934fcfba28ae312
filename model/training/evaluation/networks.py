"""Judging a network as it is in torch: a checkpoint, or one that is being trained."""

from pathlib import Path

import torch
from torch import Tensor, nn

from model.export.pose_graph import PoseGraph
from model.network.aggpose import AggPose
from model.network.checkpoints import load_checkpoint
from model.spec.arrays import CropBatch, Keypoints
from model.spec.codec import HeatmapCodec
from model.spec.errors import ConfigurationError, EngineError, SkeletonError
from model.spec.geometry import Size
from model.spec.skeleton import Skeleton
from model.training.evaluation.predictors import PredictorFacts, PredictorOptions

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class NetworkPredictor:
    """A network with the decoding that its export will carry.

    Args:
        network: On the device that is to run it; it is put into evaluation mode.
        skeleton: Of its keypoints.
        options: How to run it, on the network's own device. In another precision than float32
            the network runs under autocast; decoding never does.
        name: What to call it.
        trained: False for random weights.

    Raises:
        SkeletonError: The network has another number of keypoints.
    """

    def __init__(
        self,
        network: AggPose,
        skeleton: Skeleton,
        options: PredictorOptions,
        *,
        name: str,
        trained: bool = True,
    ) -> None:
        config = network.config
        if config.num_keypoints != skeleton.num_keypoints:
            raise SkeletonError(
                f"{name}: expected the {skeleton.num_keypoints} keypoints of {skeleton.id}, got a "
                f"network of {config.num_keypoints}"
            )
        height, width = config.input_size_hw
        codec = HeatmapCodec.for_input((width, height))
        self._device = next(network.parameters()).device
        inner = _Cast(network, self._device.type, _DTYPES[options.precision])
        graph = PoseGraph(inner, skeleton, codec, flip_test=options.flip_test)
        self._graph = graph.to(self._device).eval()
        self.skeleton = skeleton
        self._batch_size = options.batch_size
        self.input_wh: Size = codec.input_wh
        self.facts = PredictorFacts(
            name,
            None,
            None,
            trained,
            f"torch-{self._device.type}",
            options.precision,
            options.flip_test,
        )

    def predict(self, crops: CropBatch) -> Keypoints:
        """Find the keypoints of any number of crops, in crop px."""
        with torch.inference_mode(), self._device:
            rgb, step = torch.from_numpy(crops.rgb), self._batch_size
            batches = (rgb[i : i + step] for i in range(0, len(rgb), step))
            parts = [self._graph(batch.to(self._device))[0] for batch in batches]
            found = torch.cat(parts).cpu().numpy()
        return Keypoints(found[..., :2].copy(), found[..., 2].copy())


class _Cast(nn.Module):
    """A network under autocast, its heatmaps float32 again."""

    def __init__(self, network: nn.Module, device_type: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.device_type = device_type
        self.dtype = dtype

    def forward(self, pictures: Tensor) -> Tensor:
        lowered = self.dtype != torch.float32
        with torch.autocast(self.device_type, self.dtype, enabled=lowered):
            heatmaps: Tensor = self.network(pictures)
        return heatmaps.float()


def open_checkpoint(path: Path, skeleton: Skeleton, options: PredictorOptions) -> NetworkPredictor:
    """Open one of our checkpoints on torch's CPU or CUDA.

    Raises:
        CheckpointError: Not one of ours.
        SkeletonError: Its network has another number of keypoints.
        ConfigurationError: Another engine, or float16 on the CPU.
        EngineError: CUDA was asked for and is not there.
    """
    engine = options.engine or "cpu"
    if engine not in ("cpu", "cuda"):
        raise ConfigurationError(
            f"expected cpu or cuda for a checkpoint, got {engine}, which runs exported models: "
            "make one with `aggpose model export`"
        )
    if options.precision == "float16" and engine == "cpu":
        raise ConfigurationError("expected float32 or bfloat16 for a checkpoint on cpu")
    if engine == "cuda" and not torch.cuda.is_available():
        raise EngineError("expected a GPU that torch can use, found none")
    network, provenance, _ = load_checkpoint(path)
    return NetworkPredictor(
        network.to(engine),
        skeleton,
        options,
        name=path.name,
        trained=provenance.trained,
    )
