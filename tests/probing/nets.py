"""Small networks of many makes, healthy when built, and the faults that are planted in them."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional


def he(module):
    """He's rule for every layer with weights, biases at zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def xavier(module, gain=1.0):
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_normal_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def mlp(act=nn.ReLU, depth=6, width=64, inputs=64):
    sizes = [inputs, *[width] * (depth - 1)]
    layers = [nn.Flatten()]
    for into, out in pairwise(sizes):
        layers += [nn.Linear(into, out), act()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def cnn(act=nn.ReLU, channels=1, widths=(16, 32, 32)):
    layers, into = [], channels
    for width in widths:
        layers += [nn.Conv2d(into, width, 3, padding=1), act()]
        into = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(into, 10))


class VGG(nn.Module):
    """Convolutions in groups with pools between, then two linear layers."""

    def __init__(self, channels=3, size=32, widths=((32, 2), (64, 2), (128, 3), (128, 3)), act=nn.ReLU):
        super().__init__()
        layers, into = [], channels
        for width, count in widths:
            for _ in range(count):
                layers += [nn.Conv2d(into, width, 3, padding=1), act(inplace=True)]
                into = width
            layers.append(nn.MaxPool2d(2))
            size //= 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(into * size * size, 128), act(inplace=True), nn.Dropout(), nn.Linear(128, 10)
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class Block(nn.Module):
    """Two convolutions beside a shortcut; one ReLU module for both."""

    def __init__(self, into, out, stride=1, act=nn.ReLU):
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = act()
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or into != out:
            self.downsample = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        way = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + way)


class Bottleneck(nn.Module):
    def __init__(self, into, out, stride=1):
        super().__init__()
        inner = out // 4
        self.conv1 = nn.Conv2d(into, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or into != out:
            self.downsample = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        way = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + way)


class ResNet(nn.Module):
    """As timm initialises: He's rule by fan-out, the last normalisation of each block at zero."""

    def __init__(self, counts=(2, 2, 2), widths=(16, 32, 64), channels=3, block=Block, zero=True, small=True):
        super().__init__()
        self.conv1 = nn.Conv2d(
            channels, widths[0], 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False
        )
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        self.stages = nn.Sequential()
        into = widths[0]
        for stage, (count, width) in enumerate(zip(counts, widths, strict=True)):
            blocks = []
            for n in range(count):
                blocks.append(block(into, width, 2 if n == 0 and stage else 1))
                into = width
            self.stages.append(nn.Sequential(*blocks))
        self.fc = nn.Linear(into, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if zero and isinstance(module, Block):
                nn.init.zeros_(module.bn2.weight)
            if zero and isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(self.stages(x).mean((2, 3)))


def resnet152(widths=(256, 512, 1024, 2048), channels=3):
    """Layer for layer the published one."""
    net = ResNet((3, 8, 36, 3), widths, channels, Bottleneck, zero=True, small=False)
    net.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    net.bn1 = nn.BatchNorm2d(64)
    first = net.stages[0][0]
    first.conv1 = nn.Conv2d(64, widths[0] // 4, 1, bias=False)
    first.downsample = nn.Sequential(nn.Conv2d(64, widths[0], 1, bias=False), nn.BatchNorm2d(widths[0]))
    return net


class Functional(nn.Module):
    """Activations that are no modules."""

    def __init__(self, act=functional.relu, width=32):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.fc1 = nn.Linear(width * 4, 64)
        self.fc2 = nn.Linear(64, 10)
        self.act = act

    def forward(self, x):
        x = functional.max_pool2d(self.act(self.conv1(x)), 2)
        x = functional.max_pool2d(self.act(self.conv2(x)), 2)
        x = self.act(self.fc1(x.flatten(1)))
        return self.fc2(x)


class Encoder(nn.Module):
    """A small transformer over rows of a picture."""

    def __init__(self, width=32, depth=2):
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.position = nn.Parameter(torch.randn(1, 8, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 64, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.embed(x.flatten(1, 2)) + self.position
        return self.head(self.norm(self.body(x)).mean(1))


class Recurrent(nn.Module):
    def __init__(self, kind=nn.GRU, width=32):
        super().__init__()
        self.rnn = kind(8, width, batch_first=True)
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        return self.fc(self.rnn(x.flatten(1, 2))[0][:, -1])


class Branched(nn.Module):
    """Two branches that are added, one of which may be detached."""

    def __init__(self, is_cut=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU())
        self.left = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
        self.right = nn.Sequential(nn.Conv2d(16, 16, 1), nn.ReLU())
        self.fc = nn.Linear(16, 10)
        self.is_cut = is_cut

    def forward(self, x):
        x = self.stem(x)
        right = self.right(x)
        return self.fc((self.left(x) + (right.detach() if self.is_cut else right)).mean((2, 3)))


def digits_like(channels=1, size=8, items=32, batches=2, seed=0, kind="unit"):
    """Batches that look like pictures: smooth, between 0 and 1, or normalised."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(batches):
        small = torch.rand(items, channels, max(2, size // 4), max(2, size // 4), generator=generator)
        x = functional.interpolate(small, size=(size, size), mode="bilinear")
        if kind == "normal":
            x = (x - x.mean()) / x.std()
        elif kind == "noise":
            x = torch.randn(items, channels, size, size, generator=generator)
        found.append((x, torch.randint(0, 10, (items,), generator=generator)))
    return found
