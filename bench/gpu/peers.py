"""What PyTorch does for the same operands."""


class Peers:
    def __init__(self, torch):
        self.torch = torch
        self.functional = torch.nn.functional
        from torch.nn.attention import SDPBackend

        names = {"flash": "FLASH_ATTENTION", "cuDNN": "CUDNN_ATTENTION", "efficient": "EFFICIENT_ATTENTION"}
        self.backends = {
            f"torch {name}": getattr(SDPBackend, member) for name, member in names.items() if hasattr(SDPBackend, member)
        }

    def versions(self):
        cudnn = self.torch.backends.cudnn.version() if self.torch.backends.cudnn.is_available() else None
        return {"torch": self.torch.__version__, "torch CUDA": self.torch.version.cuda, "cuDNN": cudnn}

    def attention(self, operands, causal=False):
        """name → function of the number of a call; operands are lists of (query, key, value) tensors."""
        return {name: self._attention_by(backend, operands, causal) for name, backend in self.backends.items()}

    def _attention_by(self, backend, operands, causal):
        from torch.nn.attention import sdpa_kernel

        def call(number):
            query, key, value = operands[number % len(operands)]
            grouped = {"enable_gqa": True} if query.shape[1] != key.shape[1] else {}
            with sdpa_kernel(backend):
                return self.functional.scaled_dot_product_attention(query, key, value, is_causal=causal, **grouped)

        return call

    def step(self, operands, length):
        """A step of generating text: the new key and value into the cache, attention over all of it."""
        contenders = {}
        for name, backend in self.backends.items():
            views = [
                (query, keys[:, :, : length + 1], values[:, :, : length + 1])
                for query, _, _, keys, values in operands
            ]
            attention = self._attention_by(backend, views, False)

            def call(number, attention=attention):
                _, key, value, keys, values = operands[number % len(operands)]
                keys[:, :, length : length + 1].copy_(key)
                values[:, :, length : length + 1].copy_(value)
                return attention(number)

            contenders[name] = call
        return contenders

    def linear(self, operands):
        def call(number):
            return self.functional.linear(*operands[number % len(operands)])

        return {"torch F.linear": call}

    def layer(self, inputs, weights, embed, heads):
        """nn.MultiheadAttention with the same weights: input [3E, E] and [3E], output [E, E] and [E]."""
        input_weight, input_bias, output_weight, output_bias = weights
        module = self.torch.nn.MultiheadAttention(
            embed, heads, batch_first=True, device="cuda", dtype=input_weight.dtype
        ).eval()
        with self.torch.no_grad():
            module.in_proj_weight.copy_(input_weight)
            module.in_proj_bias.copy_(input_bias)
            module.out_proj.weight.copy_(output_weight)
            module.out_proj.bias.copy_(output_bias)

        def call(number):
            given = inputs[number % len(inputs)]
            return module(given, given, given, need_weights=False)[0]

        return {"torch nn.MultiheadAttention": call}
