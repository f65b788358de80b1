"""Modules that recorders trip over: reuse, writing in place, weights made as it runs, several inputs."""

# ruff: noqa: ARG001, PLW0108 - every forward here is given its module

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from networks.torch_transformers import Text


class Body(nn.Module):
    """A module whose forward is a function, with the parts it uses as attributes."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args, **kwargs):
        return self.function(self, *args, **kwargs)


def reused(m, x):
    for _ in range(3):
        x = m.relu(m.conv(x))
    return x


def functional_calls(m, x):
    x = functional.conv2d(x, m.weight, stride=2)
    x = functional.relu(functional.batch_norm(x, m.mean, m.var))
    return functional.linear(functional.adaptive_avg_pool2d(x, 1).flatten(1), m.weight.flatten(1)[:, :6])


def written_to(m, x):
    buffer = torch.zeros(1, 6, *x.shape[2:])
    buffer[:, :3] = m.conv(x)
    buffer[:, 3:] = x
    half = buffer[:, ::2]
    half += 1
    x = buffer.clone()
    x[0, 0] = 0
    return m.last(x)


def several_outputs(m, x):
    values, indices = functional.max_pool2d(x, 2, return_indices=True)
    a, b = m.conv(values).chunk(2, 1)
    top, where = a.max(1)
    return {"restored": functional.max_unpool2d(values, indices, 2), "parts": [b, (top, where)]}


def products(m, x):
    x = x.flatten(2)
    y = torch.einsum("bct,bdt->bcd", x, x) @ x
    y = torch.einsum("...t,ts->...s", y, m.weight) + torch.einsum("bct,dc,st->bds", y, m.other, m.weight)
    y = y @ m.weight + torch.matmul(m.other, y) @ m.weight
    y = torch.baddbmm(y[:, :1, :1], y, y.transpose(1, 2))
    return torch.bmm(torch.addmm(m.bias, y[0], m.square)[None], y).sum((1, 2))


def counted(m, x):
    """Control flow on shapes, on numbers of its own and on small buffers."""
    for n in torch.arange(3).tolist():
        if n % 2 or bool(m.flag):
            x = m.conv(x)
    scale = torch.tensor([1.0, 2.0]).max().item()
    return x * scale if x.shape[-1] > 3 else x


def attended(m, query, memory, mask=None):
    q, k, v = m.q(query), m.k(memory), m.v(memory)
    q, k, v = (t.unflatten(-1, (4, -1)).transpose(1, 2) for t in (q, k, v))
    out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.transpose(1, 2).flatten(2)


def resized(m, x):
    x = functional.interpolate(x, scale_factor=1.5, mode="nearest")
    x = functional.interpolate(x, size=(7, 9), mode="bilinear", align_corners=True)
    x = functional.interpolate(x, size=(8, 8), mode="bicubic")
    x = functional.pad(x, (1, 2, 0, 1)) + functional.pad(x, (2, 1, 1, 0), mode="reflect")
    x = functional.pixel_unshuffle(x[..., :8, :8], 2)
    return functional.grid_sample(x, torch.zeros(1, 5, 5, 2), align_corners=False)


def generated(m, x):
    """Weights that depend on the input."""
    weight = m.make(x.mean((2, 3))).view(4, 3, 3, 3)
    return functional.conv2d(x, weight, padding=1)


def mixed(m, x, y):
    return torch.cat([m.a(x), m.b(y)], -1), torch.stack([x.sum(), y.sum()])


def complexes(m, x):
    spectrum = torch.fft.rfft2(x)
    return torch.fft.irfft2(spectrum * torch.view_as_complex(m.filter), s=x.shape[-2:])


def packed(m, x):
    """Sequences told by their length."""
    sequences = nn.utils.rnn.pack_padded_sequence(x, [4], batch_first=True)
    sequences, (state, _cell) = m.lstm(sequences)
    sequences, _state = m.gru(sequences)
    padded, lengths = nn.utils.rnn.pad_packed_sequence(sequences, batch_first=True)
    return padded[:, : int(lengths.max())], state


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.embedding(tokens))


class Volumes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(2, 4, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.pool = nn.AvgPool3d(2, ceil_mode=True)
        self.up = nn.ConvTranspose3d(4, 2, 3, 2, output_padding=1, groups=2, dilation=1)

    def forward(self, x):
        return self.up(self.pool(self.conv(x)))


class Sequences(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 5, padding="same", dilation=2, padding_mode="circular")
        self.norm, self.act, self.pool = nn.GroupNorm(2, 6), nn.PReLU(6), nn.LPPool1d(2, 3)
        self.up = nn.ConvTranspose1d(6, 4, 4, 3, 1)
        self.instance, self.soft = nn.InstanceNorm1d(4, affine=True), nn.Softsign()

    def forward(self, x):
        return self.soft(self.instance(self.up(self.pool(self.act(self.norm(self.conv(x)))))))


def activations():
    kinds = (
        nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.1), nn.ELU(0.5), nn.SELU(), nn.CELU(), nn.GELU(),
        nn.GELU("tanh"),
        nn.SiLU(inplace=True), nn.Mish(), nn.Softplus(), nn.Hardtanh(-2, 3), nn.Hardswish(), nn.Hardsigmoid(),
        nn.LogSigmoid(), nn.Tanhshrink(), nn.Softshrink(), nn.Threshold(0.1, 20), nn.Softmax(1),
        nn.LogSoftmax(-1),
        nn.Softmin(1), nn.Dropout2d(0.1), nn.AlphaDropout(0.2), nn.LocalResponseNorm(3), nn.RMSNorm(6),
        nn.GLU(1), nn.Identity(), nn.Unflatten(1, (1, 2)), nn.Flatten(),
    )  # fmt: skip
    return nn.Sequential(*kinds)


def weight_norms():
    first = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    second = nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 3))
    return nn.Sequential(first, second, nn.utils.parametrizations.orthogonal(nn.Linear(4, 4)))


def parameter(*shape):
    return nn.Parameter(torch.rand(*shape))


def functional_body():
    body = Body(functional_calls, weight=parameter(6, 3, 3, 3))
    body.register_buffer("mean", torch.zeros(6))
    body.register_buffer("var", torch.ones(6))
    return body


def counted_body():
    body = Body(counted, conv=nn.Conv2d(3, 3, 3, padding=1))
    body.register_buffer("flag", torch.tensor(True))
    return body


TOKENS = torch.tensor([[1, 2, 3, 4, 5]])

# Builder, and the shape of one item (or several, or examples).
ODD = {
    "reused": (lambda: Body(reused, conv=nn.Conv2d(3, 3, 3), relu=nn.ReLU(inplace=True)), (3, 9, 9)),
    "functional calls": (functional_body, (3, 9, 9)),
    "written to": (
        lambda: Body(written_to, conv=nn.Conv2d(3, 3, 3, padding=1), last=nn.Conv2d(6, 2, 1)), (3, 5, 5)
    ),
    "several outputs": (lambda: Body(several_outputs, conv=nn.Conv2d(4, 6, 1)), (4, 8, 8)),
    "products": (
        lambda: Body(
            products,
            weight=parameter(16, 16),
            other=parameter(3, 3),
            bias=parameter(3),
            square=parameter(3, 3),
        ),
        (3, 4, 4),
    ),
    "counted": (counted_body, (3, 6, 6)),
    "attended": (
        lambda: Body(attended, q=nn.Linear(8, 8), k=nn.Linear(6, 8), v=nn.Linear(6, 12)), ((5, 8), (7, 6))
    ),
    "attended by name": (
        lambda: Body(attended, q=nn.Linear(8, 8), k=nn.Linear(6, 8), v=nn.Linear(6, 12)),
        {"query": (5, 8), "memory": (7, 6), "mask": (4, 5, 7)},
    ),
    "resized": (lambda: Body(resized), (3, 8, 8)),
    "generated": (lambda: Body(generated, make=nn.Linear(3, 108)), (3, 7, 7)),
    "mixed": (lambda: Body(mixed, a=nn.Linear(4, 2), b=nn.Linear(3, 5)), ((4,), (3,))),
    "tied": (Tied, TOKENS),
    "volumes": (Volumes, (2, 5, 9, 9)),
    "sequences": (Sequences, (4, 31)),
    "activations": (activations, (4, 6, 6)),
    "weight norms": (weight_norms, (3, 8, 8)),
    "text": (Text, TOKENS),
    "complexes": (lambda: Body(complexes, filter=parameter(3, 8, 5, 2)), (3, 8, 8)),
    "windows": (
        lambda: Body(
            lambda m, x: m.conv(x.unfold(2, 4, 4).permute(0, 2, 1, 3).reshape(-1, 2, 4)),
            conv=nn.Conv1d(2, 3, 3),
        ),
        (2, 16),
    ),
    "positions first": (lambda: nn.TransformerEncoderLayer(8, 2, 16), (6, 8)),
    "transformer": (
        lambda: nn.Transformer(8, 2, 1, 1, 16, batch_first=True), ((4, 8), (3, 8))
    ),
    "cells": (
        lambda: Body(lambda m, x: m.gru(x, m.lstm(x)[0]), lstm=nn.LSTMCell(4, 5), gru=nn.GRUCell(4, 5)), (4,)
    ),
    "projected": (lambda: nn.LSTM(4, 6, proj_size=2, batch_first=True), (3, 4)),
    "packed": (
        lambda: Body(packed, lstm=nn.LSTM(3, 5, 2, bidirectional=True), gru=nn.GRU(10, 4)),
        (6, 3),
    ),
    "bilinear": (lambda: Body(lambda m, x, y: m.b(x, y), b=nn.Bilinear(4, 3, 5)), ((4,), (3,))),
}  # fmt: skip

BAG = torch.tensor([[1, 2, 3]])

# Layers one by one, with the options whose sizes are easily wrong.
SINGLE = (
    (lambda: nn.Conv2d(4, 8, (3, 5), (2, 1), (1, 0), (1, 2), 2, padding_mode="reflect"), (4, 11, 13)),
    (lambda: nn.Conv2d(4, 8, 3, padding="same", dilation=3), (4, 11, 13)),
    (lambda: nn.Conv2d(4, 8, 4, padding="same"), (4, 11, 13)),
    (lambda: nn.Conv2d(4, 4, 3, padding="valid", groups=4), (4, 11, 13)),
    (lambda: nn.Conv2d(3, 4, 3).to(torch.complex64), (3, 5, 5)),
    (lambda: nn.Conv2d(3, 4, 3).double().to(memory_format=torch.channels_last), (3, 5, 5)),
    (lambda: nn.ConvTranspose2d(4, 6, (3, 4), (2, 3), (1, 0), (1, 2), 2, dilation=(2, 1)), (4, 7, 8)),
    (lambda: nn.MaxPool1d(3, 2, 1, dilation=2, ceil_mode=True), (3, 17)),
    (lambda: nn.MaxPool3d((1, 2, 2)), (3, 4, 5, 6)),
    (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False, divisor_override=2), (3, 17, 18)),
    (lambda: nn.LPPool2d(3, 2, ceil_mode=True), (3, 5, 5)),
    (lambda: nn.LPPool2d(1.5, 2), (3, 5, 5)),
    (lambda: nn.FractionalMaxPool2d(3, output_size=4), (3, 12, 12)),
    (lambda: nn.AdaptiveMaxPool2d((2, None)), (3, 5, 6)),
    (lambda: nn.AdaptiveAvgPool3d((1, 2, None)), (3, 5, 6, 7)),
    (lambda: nn.AdaptiveMaxPool1d(1), (3, 5)),
    (lambda: nn.BatchNorm1d(3), (3,)),
    (lambda: nn.BatchNorm3d(3, affine=False), (3, 4, 4, 4)),
    (lambda: nn.BatchNorm2d(3, track_running_stats=False), (3, 4, 4)),
    (lambda: nn.GroupNorm(1, 4, affine=False), (4, 3)),
    (lambda: nn.LayerNorm((3, 4)), (2, 3, 4)),
    (lambda: nn.LocalResponseNorm(5), (7, 4, 4)),
    (lambda: nn.PReLU(), (3, 4)),
    (lambda: nn.GLU(), (4,)),
    (lambda: nn.RReLU(), (3, 4)),
    (lambda: nn.Softmax2d(), (3, 4, 4)),
    (lambda: nn.Identity(), (3,)),
    (lambda: nn.Linear(3, 4), (2, 5, 6, 3)),
    (lambda: nn.Bilinear(3, 4, 5, bias=False), ((3,), (4,))),
    (lambda: nn.CosineSimilarity(), ((8, 3), (8, 3))),
    (lambda: nn.ZeroPad2d((1, 2, 0, -1)), (3, 5, 5)),
    (lambda: nn.ConstantPad1d(2, 3.5), (3, 5)),
    (lambda: nn.ReflectionPad3d(1), (2, 3, 3, 3)),
    (lambda: nn.CircularPad2d(1), (3, 5, 5)),
    (lambda: nn.Upsample(scale_factor=(2, 3)), (3, 4, 4)),
    (lambda: nn.Upsample((3, 4, 5), mode="trilinear"), (2, 3, 3, 3)),
    (lambda: nn.Upsample(scale_factor=1.7, mode="linear"), (2, 13)),
    (lambda: nn.Upsample(scale_factor=0.3, mode="nearest-exact"), (2, 13)),
    (lambda: nn.Fold((4, 5), (2, 2)), (12, 12)),
    (lambda: nn.Unfold(2), (3, 4, 4)),
    (lambda: nn.PixelShuffle(2), (8, 3, 3)),
    (lambda: nn.ChannelShuffle(2), (4, 3, 3)),
    (lambda: nn.RNN(4, 5, 2, nonlinearity="relu", bidirectional=True, bias=False), (3, 4)),
    (lambda: nn.GRU(4, 5, batch_first=True), (3, 4)),
    (lambda: nn.EmbeddingBag(9, 4), BAG),
    (lambda: nn.Embedding(9, 4), BAG),
    (lambda: nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), ((3, 8), (4, 8))),
)
