"""Operands in the GPU's memory: PyTorch's tensors where it is there, so that both compute with the very same bytes; else
memory of our own, filled by a kernel."""

import math
import random

from library import BYTES


class Array:
    def __init__(self, pointer, shape, kind, tensor=None, release=None):
        self.pointer = pointer
        self.shape = tuple(shape)
        self.kind = kind
        self.tensor = tensor
        self._release = release

    @property
    def bytes(self):
        return math.prod(self.shape) * BYTES[self.kind]

    def __del__(self):
        if self._release is not None:
            self._release(self.pointer)


class TorchData:
    def __init__(self, torch, seed):
        self.torch = torch
        self.generator = torch.Generator(device="cuda")
        self.generator.manual_seed(seed)

    def normal(self, shape, kind):
        return self._wrapped(
            self.torch.randn(shape, dtype=getattr(self.torch, kind), device="cuda", generator=self.generator), kind
        )

    def nan(self, shape, kind):
        """What is to be written: nothing that is left out goes unseen."""
        full = self.torch.full(shape, math.nan, dtype=getattr(self.torch, kind), device="cuda")
        return self._wrapped(full, kind)

    def free_bytes(self):
        self.torch.cuda.empty_cache()
        return self.torch.cuda.mem_get_info()[0]

    def _wrapped(self, tensor, kind):
        return Array(tensor.data_ptr(), tensor.shape, kind, tensor)


class OwnData:
    def __init__(self, gpu, seed):
        self.gpu = gpu
        self.random = random.Random(seed)
        self.used = 0

    def normal(self, shape, kind):
        made = self.nan(shape, kind)
        self.gpu.fill_normal(made.pointer, kind, math.prod(shape), self.random.getrandbits(63))
        return made

    def nan(self, shape, kind):
        size = math.prod(shape) * BYTES[kind]
        self.used += size

        def release(pointer):
            self.used -= size
            self.gpu.free(pointer)

        return Array(self.gpu.allocate(size), shape, kind, release=release)

    def free_bytes(self):
        return self.gpu.device.memory * 0.8 - self.used
