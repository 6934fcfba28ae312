"""One process, or several that torchrun started: who I am, and what must be done together."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self, cast

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

PATIENCE: Final = timedelta(hours=2)
"""How long the others wait for the first, which judges alone."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run: this one's number, its number on its machine, and how many."""

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1

    @classmethod
    def joined(cls, device_type: str) -> Self:
        """Join the others if torchrun started this process, else be alone."""
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return cls()
        if device_type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "nccl" if device_type == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE)
        return cls(
            distributed.get_rank(), int(os.environ["LOCAL_RANK"]), distributed.get_world_size()
        )

    @property
    def is_first(self) -> bool:
        """Whether this one judges, writes and reports."""
        return self.rank == 0

    def wrapped(self, network: nn.Module, device: torch.device, *, freezes: bool) -> nn.Module:
        """The network, with gradients averaged over all processes.

        Where levels are frozen in some phase, not every weight has a gradient at every step.
        """
        if self.world_size == 1:
            return network
        ids = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=ids, find_unused_parameters=freezes)

    def synchronised(self, model: nn.Module, *, now: bool) -> AbstractContextManager[object]:
        """Average gradients in this backward pass, or let them add up."""
        if now or not isinstance(model, DistributedDataParallel):
            return nullcontext()
        return cast("AbstractContextManager[object]", model.no_sync())

    def any(self, flag: bool) -> bool:  # noqa: FBT001 - one answer for all from one of each
        """Whether the flag is set in any of the processes."""
        if self.world_size == 1:
            return flag
        value = torch.tensor(float(flag))
        if distributed.get_backend() == "nccl":
            value = value.cuda(self.local_rank)
        distributed.all_reduce(value, op=distributed.ReduceOp.MAX)
        return bool(value.item())

    def leave(self) -> None:
        """Leave the others at the end."""
        if self.world_size > 1:
            distributed.destroy_process_group()
