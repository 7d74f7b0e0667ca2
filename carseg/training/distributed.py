"""Several processes training one network, as ``torchrun`` starts them. A process that runs alone is a group of one."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from carseg._env import local_rank, rank, world_size

PATIENCE = timedelta(hours=2)  # the others wait while the main process reads the images or validates


class Group:
    """The processes that train together, found through torchrun's environment variables.

    Args:
        device: where they train; of several graphics cards each process takes its own.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank = rank()
        self.size = world_size()
        self.device = device
        if self.size > 1:
            if device.type == "cuda":
                self.device = torch.device("cuda", local_rank())
                torch.cuda.set_device(self.device)
            if not dist.is_initialized():
                dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
                atexit.register(dist.destroy_process_group)  # its threads would abort a process that ends before them

    @property
    def is_main_process(self) -> bool:
        """True in the process that validates, logs and writes."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network, its gradients averaged over the group."""
        return nn.parallel.DistributedDataParallel(network) if self.size > 1 else network

    def mean(self, value: float) -> float:
        """Return the mean of every process's value."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return tensor.item() / self.size

    def agree(self, value: float) -> float:
        """Return the main process's value, in every process."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.broadcast(tensor, 0)
        return tensor.item()

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Run the block in the main process, then in the others."""
        if self.size > 1 and not self.is_main_process:
            dist.barrier()
        yield
        if self.size > 1 and self.is_main_process:
            dist.barrier()
