"""Published transformers and their like built from torch.nn, layer for layer as torchvision builds them."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from networks.torch_models import StochasticDepth


class EncoderBlock(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.0), nn.Linear(hidden, width), nn.Dropout(0.0)
        )

    def forward(self, x):
        y = self.ln_1(x)
        y, _ = self.self_attention(y, y, y, need_weights=False)
        x = y + x
        return x + self.mlp(self.ln_2(x))


class ViT(nn.Module):
    def __init__(self, size=224, patch=16, width=768, heads=12, layers=12, hidden=3072, classes=1000):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding = nn.Parameter(torch.zeros(1, (size // patch) ** 2 + 1, width))
        self.layers = nn.Sequential(*(EncoderBlock(width, heads, hidden) for _ in range(layers)))
        self.ln = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)
        self.width = width

    def forward(self, x):
        n = x.shape[0]
        x = self.conv_proj(x).reshape(n, self.width, -1).permute(0, 2, 1)
        x = torch.cat([self.class_token.expand(n, -1, -1), x], dim=1)
        return self.head(self.ln(self.layers(x + self.pos_embedding))[:, 0])


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        x = functional.layer_norm(
            x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps
        )
        return x.permute(0, 3, 1, 2)


class Permute(nn.Module):
    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return torch.permute(x, self.dims)


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim, p=0.0):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim), Permute(0, 2, 3, 1), nn.LayerNorm(dim, eps=1e-6),
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), Permute(0, 3, 1, 2),
        )  # fmt: skip
        self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1) * 1e-6)
        self.stochastic_depth = StochasticDepth(p)

    def forward(self, x):
        return self.stochastic_depth(self.layer_scale * self.block(x)) + x


class ConvNeXtT(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Sequential(nn.Conv2d(3, 96, 4, 4), LayerNorm2d(96, eps=1e-6))]
        for dim, out, count in ((96, 192, 3), (192, 384, 3), (384, 768, 9), (768, None, 3)):
            layers.append(nn.Sequential(*(ConvNeXtBlock(dim) for _ in range(count))))
            if out:
                layers.append(nn.Sequential(LayerNorm2d(dim, eps=1e-6), nn.Conv2d(dim, out, 2, 2)))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(LayerNorm2d(768, eps=1e-6), nn.Flatten(1), nn.Linear(768, 1000))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)))


class WindowAttention(nn.Module):
    """Attention in shifted windows, with the mask made as it runs."""

    def __init__(self, dim, window, shift, heads):
        super().__init__()
        self.window, self.shift, self.heads = window, shift, heads
        self.qkv, self.proj = nn.Linear(dim, dim * 3), nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        ys, xs = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        flat = torch.stack([ys.flatten(), xs.flatten()])
        relative = (flat[:, :, None] - flat[:, None, :]).permute(1, 2, 0) + window - 1
        self.register_buffer(
            "relative_position_index", (relative[..., 0] * (2 * window - 1) + relative[..., 1]).flatten()
        )

    def forward(self, x):
        n, height, width, dim = x.shape
        w, shift = self.window, self.shift
        x = functional.pad(x, (0, 0, 0, -width % w, 0, -height % w))
        _, high, wide, _ = x.shape
        shift = 0 if w >= high else shift
        if shift:
            x = torch.roll(x, shifts=(-shift, -shift), dims=(1, 2))
        count = (high // w) * (wide // w)
        x = (
            x.view(n, high // w, w, wide // w, w, dim)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(n * count, w * w, dim)
        )
        qkv = self.qkv(x).reshape(n * count, w * w, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0] * (dim // self.heads) ** -0.5, qkv[1], qkv[2]
        attention = q.matmul(k.transpose(-2, -1))
        bias = self.relative_position_bias_table[self.relative_position_index].view(w * w, w * w, -1)
        attention = attention + bias.permute(2, 0, 1).contiguous().unsqueeze(0)
        if shift:
            mask, region = x.new_zeros((high, wide)), 0
            slices = ((0, -w), (-w, -shift), (-shift, None))
            for top in slices:
                for left in slices:
                    mask[top[0] : top[1], left[0] : left[1]] = region
                    region += 1
            mask = mask.view(high // w, w, wide // w, w).permute(0, 2, 1, 3).reshape(count, w * w)
            mask = mask.unsqueeze(1) - mask.unsqueeze(2)
            mask = mask.masked_fill(mask != 0, (-100.0)).masked_fill(mask == 0, 0.0)
            attention = attention.view(n, count, self.heads, w * w, w * w) + mask.unsqueeze(1).unsqueeze(0)
            attention = attention.view(-1, self.heads, w * w, w * w)
        attention = functional.softmax(attention, dim=-1)
        x = self.proj(attention.matmul(v).transpose(1, 2).reshape(n * count, w * w, dim))
        x = x.view(n, high // w, wide // w, w, w, dim).permute(0, 1, 3, 2, 4, 5).reshape(n, high, wide, dim)
        if shift:
            x = torch.roll(x, shifts=(shift, shift), dims=(1, 2))
        return x[:, :height, :width, :].contiguous()


class SwinBlock(nn.Module):
    def __init__(self, dim, heads, shift):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim), WindowAttention(dim, 7, shift, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.reduction, self.norm = nn.Linear(4 * dim, 2 * dim, bias=False), nn.LayerNorm(4 * dim)

    def forward(self, x):
        x = functional.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        parts = [x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
        return self.reduction(self.norm(torch.cat(parts, -1)))


class SwinT(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Sequential(nn.Conv2d(3, 96, 4, 4), Permute(0, 2, 3, 1), nn.LayerNorm(96))]
        for stage, (count, heads) in enumerate(((2, 3), (2, 6), (6, 12), (2, 24))):
            dim = 96 * 2**stage
            layers.append(nn.Sequential(*(SwinBlock(dim, heads, 3 * (n % 2)) for n in range(count))))
            if stage < 3:
                layers.append(PatchMerging(dim))
        self.features = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(768), nn.Linear(768, 1000)

    def forward(self, x):
        x = self.norm(self.features(x)).permute(0, 3, 1, 2)
        return self.head(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


class Text(nn.Module):
    """Embedding, positions made as it runs, a recurrent layer and an encoder."""

    def __init__(self, words=50, width=16):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, 12, num_layers=2, bidirectional=True, batch_first=True)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(24, 4, 32, batch_first=True), 2, enable_nested_tensor=False
        )
        self.register_buffer("steps", torch.exp(torch.arange(0, 24, 2) * (-math.log(10000.0) / 24)))
        self.head = nn.Linear(24, words, bias=False)

    def forward(self, tokens):
        x, (_state, _cell) = self.lstm(self.embedding(tokens))
        angles = torch.arange(x.shape[1], device=x.device).unsqueeze(1) * self.steps
        positions = torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)
        return self.head(self.encoder(x + positions))
