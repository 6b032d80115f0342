"""heed's kernels from Python: libheed_kernels.so by ctypes, on device pointers and a stream that are plain numbers."""

import ctypes
from ctypes import POINTER, c_char, c_char_p, c_float, c_int, c_int32, c_int64, c_uint64, c_void_p

TYPES = {"float32": 0, "float16": 1, "bfloat16": 2}
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


class Attention(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("query", "key", "value", "output")),
        *(
            (name, c_int64)
            for name in ("batch", "query_heads", "key_heads", "query_steps", "key_steps", "key_capacity", "width")
        ),
        ("page_steps", c_int64),
        *((name, c_int32) for name in ("type", "causal", "steps_before_heads")),
    ]


class Projection(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("input", "weight", "bias", "output")),
        *((name, c_int64) for name in ("batch", "steps", "inner", "columns", "parts", "heads")),
        ("type", c_int32),
    ]


class Append(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("key", "value", "cached_key", "cached_value")),
        *((name, c_int64) for name in ("batch", "heads", "capacity", "position", "width")),
        ("type", c_int32),
    ]


class MatrixLoop(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("left", "right", "output")),
        *((name, c_int64) for name in ("blocks", "rounds")),
        ("type", c_int32),
    ]


class Device(ctypes.Structure):
    _fields_ = [
        ("name", c_char * 256),
        *((name, c_int64) for name in ("memory", "l2_bytes", "multiprocessors")),
        *((name, c_int32) for name in ("major", "minor", "runtime", "driver")),
    ]


STRUCTS = (Attention, Projection, Append, MatrixLoop, Device)


class KernelError(Exception):
    pass


def load(path):
    library = ctypes.CDLL(str(path))
    _declare(library)
    for number, struct in enumerate(STRUCTS):
        expected = library.heed_struct_bytes(number)
        if ctypes.sizeof(struct) != expected:
            raise KernelError(f"Expected {struct.__name__} to have {expected} bytes, it has {ctypes.sizeof(struct)}")
    return library


def _declare(library):
    pointers = {
        "heed_attention_forward": [POINTER(Attention), c_void_p],
        "heed_attention_decode": [POINTER(Attention), c_void_p],
        "heed_projection": [POINTER(Projection), c_void_p],
        "heed_append": [POINTER(Append), c_void_p],
        "heed_matrix_loop": [POINTER(MatrixLoop), c_void_p],
        "heed_copy": [c_void_p, c_void_p, c_int64, c_void_p],
        "heed_allocate": [c_int64],
        "heed_event": [],
    }
    statuses = {
        "heed_device": [POINTER(Device)],
        "heed_run": [c_void_p],
        "heed_free": [c_void_p],
        "heed_fill_normal": [c_void_p, c_int32, c_int64, c_uint64, c_void_p],
        "heed_occupy": [c_int64, c_void_p],
        "heed_record": [c_void_p, c_void_p],
        "heed_elapsed": [c_void_p, c_void_p, POINTER(c_float)],
        "heed_synchronize": [c_void_p],
    }
    for names, result in ((pointers, c_void_p), (statuses, c_int)):
        for name, arguments in names.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, result
    library.heed_error.argtypes, library.heed_error.restype = [], c_char_p
    library.heed_struct_bytes.argtypes, library.heed_struct_bytes.restype = [c_int32], c_int64
    library.heed_drop.argtypes, library.heed_drop.restype = [c_void_p], None


class Gpu:
    """The library on one stream."""

    def __init__(self, library, stream=0):
        self.library = library
        self.stream = stream
        found = Device()
        self._check(library.heed_device(ctypes.byref(found)))
        self.device = found

    def _check(self, status):
        if status != 0:
            raise KernelError(self.library.heed_error().decode())

    def _made(self, pointer):
        if not pointer:
            raise KernelError(self.library.heed_error().decode())
        return pointer

    def allocate(self, size):
        return self._made(self.library.heed_allocate(size))

    def free(self, pointer):
        self._check(self.library.heed_free(pointer))

    def fill_normal(self, pointer, kind, count, seed):
        self._check(self.library.heed_fill_normal(pointer, TYPES[kind], count, seed, self.stream))

    def occupy(self, seconds):
        self._check(self.library.heed_occupy(int(seconds * 1e9), self.stream))

    def event(self):
        return self._made(self.library.heed_event())

    def record(self, event):
        self._check(self.library.heed_record(event, self.stream))

    def elapsed(self, begin, end):
        """Seconds between two events."""
        milliseconds = c_float()
        self._check(self.library.heed_elapsed(begin, end, ctypes.byref(milliseconds)))
        return milliseconds.value / 1e3

    def synchronize(self):
        self._check(self.library.heed_synchronize(self.stream))

    def forward(self, asked):
        return self._operation(self.library.heed_attention_forward(ctypes.byref(asked), self.stream))

    def decode(self, asked):
        return self._operation(self.library.heed_attention_decode(ctypes.byref(asked), self.stream))

    def projection(self, asked):
        return self._operation(self.library.heed_projection(ctypes.byref(asked), self.stream))

    def append(self, asked):
        return self._operation(self.library.heed_append(ctypes.byref(asked), self.stream))

    def matrix_loop(self, asked):
        return self._operation(self.library.heed_matrix_loop(ctypes.byref(asked), self.stream))

    def copy(self, to, source, size):
        return self._operation(self.library.heed_copy(to, source, size, self.stream))

    def _operation(self, pointer):
        return Operation(self, self._made(pointer))


class Operation:
    """What is enqueued by calling it."""

    def __init__(self, gpu, pointer):
        self.gpu = gpu
        self.pointer = pointer

    def __call__(self):
        self.gpu._check(self.gpu.library.heed_run(self.pointer))

    def __del__(self):
        self.gpu.library.heed_drop(self.pointer)
