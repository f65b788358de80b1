"""Published networks built from torch.nn, layer for layer as torchvision builds them."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional

# --- chains -----------------------------------------------------------------------------------


class AlexNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(256 * 36, 4096), nn.ReLU(inplace=True),
            nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 1000),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class VGG16(nn.Module):
    def __init__(self):
        super().__init__()
        layers, into = [], 3
        for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(count):
                layers += [nn.Conv2d(into, width, 3, padding=1), nn.ReLU(inplace=True)]
                into = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 49, 4096), nn.ReLU(inplace=True), nn.Dropout(),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4096, 1000),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def chain(layers: int, channels: int = 4) -> nn.Sequential:
    """Convolutions and activations in turn."""
    pairs = ((nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()) for _ in range(layers // 2))
    return nn.Sequential(*(layer for pair in pairs for layer in pair))


# --- residual networks ------------------------------------------------------------------------


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, into, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(into, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(into, width, stride)

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, into, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(into, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(into, width * 4, stride)

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


def shortcut(into, out, stride):
    if into == out and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class ResNet(nn.Module):
    def __init__(self, block, counts):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        into = 64
        for stage, count in enumerate(counts):
            blocks, width = [], 64 * 2**stage
            for n in range(count):
                blocks.append(block(into, width, 2 if n == 0 and stage else 1))
                into = width * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(into, 1000)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet18():
    return ResNet(BasicBlock, (2, 2, 2, 2))


def resnet50():
    return ResNet(Bottleneck, (3, 4, 6, 3))


def resnet152():
    return ResNet(Bottleneck, (3, 8, 36, 3))


# --- small networks ---------------------------------------------------------------------------


def conv_norm(into, out, kernel=3, stride=1, groups=1, act=nn.ReLU6, eps=1e-5):
    layers = [
        nn.Conv2d(into, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=eps),
    ]
    return nn.Sequential(*layers, *([act(inplace=True)] if act else []))


def divisible(value, divisor=8):
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed, act, gate):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = act()
        self.scale_activation = gate()

    def forward(self, x):
        return self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x))))) * x


class StochasticDepth(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        noise = torch.empty((x.shape[0], *(1,) * (x.ndim - 1)), dtype=x.dtype, device=x.device)
        return x * noise.bernoulli_(1 - self.p).div_(1 - self.p)


class InvertedResidual(nn.Module):
    def __init__(
        self, into, out, kernel, stride, expanded, act, squeeze=None, gate=nn.Sigmoid, eps=1e-5, p=0.0
    ):
        super().__init__()
        self.residual = stride == 1 and into == out
        layers = [conv_norm(into, expanded, 1, act=act, eps=eps)] if expanded != into else []
        layers.append(conv_norm(expanded, expanded, kernel, stride, expanded, act, eps))
        if squeeze:
            layers.append(SqueezeExcite(expanded, squeeze, nn.SiLU if gate is nn.Sigmoid else nn.ReLU, gate))
        layers.append(conv_norm(expanded, out, 1, act=None, eps=eps))
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(p)

    def forward(self, x):
        out = self.block(x)
        return self.stochastic_depth(out) + x if self.residual else out


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        layers, into = [conv_norm(3, 32, 3, 2)], 32
        for t, c, n, s in (
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
            (6, 320, 1, 1),
        ):  # fmt: skip
            for i in range(n):
                layers.append(InvertedResidual(into, c, 3, s if i == 0 else 1, into * t, nn.ReLU6))
                into = c
        self.features = nn.Sequential(*layers, conv_norm(into, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x):
        x = functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class MobileNetV3(nn.Module):
    """The large one."""

    def __init__(self):
        super().__init__()
        norm = {"eps": 0.001}
        rows = (
            (3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2),
            (5, 120, 40, 1, 0, 1), (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1),
            (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1),
            (5, 672, 160, 1, 1, 2), (5, 960, 160, 1, 1, 1), (5, 960, 160, 1, 1, 1),
        )  # fmt: skip
        layers, into = [conv_norm(3, 16, 3, 2, act=nn.Hardswish, **norm)], 16
        for kernel, expanded, out, squeeze, hard, stride in rows:
            act = nn.Hardswish if hard else nn.ReLU
            squeezed = divisible(expanded // 4) if squeeze else None
            layers.append(
                InvertedResidual(into, out, kernel, stride, expanded, act, squeezed, nn.Hardsigmoid, **norm)
            )
            into = out
        self.features = nn.Sequential(*layers, conv_norm(into, 960, 1, act=nn.Hardswish, **norm))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(960, 1280),
            nn.Hardswish(inplace=True),
            nn.Dropout(0.2, inplace=True),
            nn.Linear(1280, 1000),
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class EfficientNetB0(nn.Module):
    def __init__(self):
        super().__init__()
        layers, into = [conv_norm(3, 32, 3, 2, act=nn.SiLU)], 32
        rows = (
            (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
            (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
        )  # fmt: skip
        done = 0
        for t, kernel, stride, out, count in rows:
            blocks = []
            for i in range(count):
                blocks.append(
                    InvertedResidual(
                        into, out, kernel, stride if i == 0 else 1, into * t, nn.SiLU, max(1, into // 4),
                        p=0.2 * done / 16,
                    )
                )  # fmt: skip
                into = out
                done += 1
            layers.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*layers, conv_norm(into, 1280, 1, act=nn.SiLU))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2, inplace=True), nn.Linear(1280, 1000))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class Fire(nn.Module):
    def __init__(self, into, squeezed, expanded):
        super().__init__()
        self.squeeze = nn.Conv2d(into, squeezed, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat([self.activation(self.expand1x1(x)), self.activation(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """Version 1.0."""

    def __init__(self):
        super().__init__()
        pool = partial(nn.MaxPool2d, 3, 2, ceil_mode=True)
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 7, 2), nn.ReLU(inplace=True), pool(),
            Fire(96, 16, 64), Fire(128, 16, 64), Fire(128, 32, 128), pool(),
            Fire(256, 32, 128), Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), pool(),
            Fire(512, 64, 256),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Conv2d(512, 1000, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )

    def forward(self, x):
        return torch.flatten(self.classifier(self.features(x)), 1)


class ShuffleUnit(nn.Module):
    def __init__(self, into, out, stride):
        super().__init__()
        half = out // 2
        self.stride = stride
        depthwise = partial(nn.Conv2d, kernel_size=3, stride=stride, padding=1, bias=False)
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                depthwise(into, into, groups=into), nn.BatchNorm2d(into),
                nn.Conv2d(into, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
            )  # fmt: skip
        self.branch2 = nn.Sequential(
            nn.Conv2d(into if stride > 1 else half, half, 1, bias=False),
            nn.BatchNorm2d(half), nn.ReLU(inplace=True),
            depthwise(half, half, groups=half), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x):
        if self.stride == 1:
            x1, x2 = x.chunk(2, dim=1)
            out = torch.cat((x1, self.branch2(x2)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        n, c, h, w = out.size()
        return out.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class ShuffleNetV2(nn.Module):
    """Width 1.0."""

    def __init__(self):
        super().__init__()
        self.conv1 = conv_norm(3, 24, 3, 2, act=nn.ReLU)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        into = 24
        for stage, count, out in ((2, 4, 116), (3, 8, 232), (4, 4, 464)):
            units = [ShuffleUnit(into, out, 2)] + [ShuffleUnit(out, out, 1) for _ in range(count - 1)]
            setattr(self, f"stage{stage}", nn.Sequential(*units))
            into = out
        self.conv5 = conv_norm(into, 1024, 1, act=nn.ReLU)
        self.fc = nn.Linear(1024, 1000)

    def forward(self, x):
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(self.conv5(x).mean([2, 3]))


# --- dense and branching ----------------------------------------------------------------------


class DenseLayer(nn.Module):
    def __init__(self, into):
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(into), nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(into, 128, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(128), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(128, 32, 3, padding=1, bias=False)

    def forward(self, features):
        x = self.conv1(self.relu1(self.norm1(torch.cat(features, 1))))
        return self.conv2(self.relu2(self.norm2(x)))


class DenseBlock(nn.ModuleDict):
    def __init__(self, count, into):
        super().__init__({f"denselayer{i + 1}": DenseLayer(into + 32 * i) for i in range(count)})

    def forward(self, x):
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class DenseNet121(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
        layers.append(nn.MaxPool2d(3, 2, 1))
        width = 64
        for n, count in enumerate((6, 12, 24, 16)):
            layers.append(DenseBlock(count, width))
            width += 32 * count
            layers.append(nn.BatchNorm2d(width))
            if n < 3:
                layers += [
                    nn.ReLU(inplace=True),
                    nn.Conv2d(width, width // 2, 1, bias=False),
                    nn.AvgPool2d(2, 2),
                ]
                width //= 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, 1000)

    def forward(self, x):
        x = functional.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(functional.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception(nn.Module):
    def __init__(self, into, ch1, red3, ch3, red5, ch5, pool):
        super().__init__()
        self.branch1 = conv_norm(into, ch1, 1, act=nn.ReLU)
        self.branch2 = nn.Sequential(
            conv_norm(into, red3, 1, act=nn.ReLU), conv_norm(red3, ch3, 3, act=nn.ReLU)
        )
        self.branch3 = nn.Sequential(
            conv_norm(into, red5, 1, act=nn.ReLU), conv_norm(red5, ch5, 3, act=nn.ReLU)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, 1, 1, ceil_mode=True), conv_norm(into, pool, 1, act=nn.ReLU)
        )

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNet(nn.Module):
    """With the auxiliary head that runs in training only."""

    def __init__(self):
        super().__init__()
        pool = partial(nn.MaxPool2d, 3, 2, ceil_mode=True)
        self.stem = nn.Sequential(
            conv_norm(3, 64, 7, 2, act=nn.ReLU), pool(), conv_norm(64, 64, 1, act=nn.ReLU),
            conv_norm(64, 192, 3, act=nn.ReLU), pool(),
        )  # fmt: skip
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = pool()
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.aux = nn.Linear(512, 10)
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        x = self.inception4a(self.maxpool3(self.inception3b(self.inception3a(self.stem(x)))))
        x = x.mean((2, 3))
        return (self.fc(x), self.aux(x)) if self.training else self.fc(x)


class UNet(nn.Module):
    def __init__(self, width=8, classes=3):
        super().__init__()
        self.down1, self.down2 = self.block(1, width), self.block(width, 2 * width)
        self.bottom = self.block(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.right2 = self.block(4 * width, 2 * width)
        self.right1 = self.block(3 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    @staticmethod
    def block(into, out):
        return nn.Sequential(
            nn.Conv2d(into, out, 3, padding=1), nn.ReLU(), nn.Conv2d(out, out, 3, padding=1), nn.ReLU()
        )

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(functional.max_pool2d(first, 2))
        x = self.up2(self.bottom(functional.max_pool2d(second, 2)))
        x = self.right2(torch.cat([second, x], 1))
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(self.right1(torch.cat([first, x], 1)))
