"""Edge detectors that turn pictures into drawings: dark lines on white, a whole batch at once.

The gradient of a picture of several colours is that of Di Zenzo (1986), "A note on the gradient of a multi-image": the
largest eigenvalue λ of J = Σ_c ∇I_c ∇I_cᵀ and its direction, so that borders between colours of the same brightness
count too. Gradients are scaled so that a clean step between two colours measures their contrast in [0, 1].
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import conv2d, pad

from playground.errors import UsageError, unknown


@dataclass(frozen=True)
class Detector:
    """One way to find edges: `draw(images in [0, 1], side, **options)` gives lines [N, 1, H, W], 0 where dark."""

    name: str
    title: str
    help: str
    draw: Callable[..., Tensor]

    @property
    def options(self) -> dict[str, float | None]:
        """The options that `detect_edges` takes for this detector, and their defaults."""
        parameters = inspect.signature(self.draw).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def detect_edges(images: Tensor, detector: str = "dog", **options: float) -> Tensor:
    """The lines of pictures [N, C, H, W] in [-1, 1], C 1 or 3, as [N, 1, H, W] in [-1, 1]: dark on white.

    Args:
        images: float; any height and width of at least 1.
        detector: a name in DETECTORS.
        options: see `DETECTORS[name].options`; None takes the default. `sigma` is the blur in pixels before gradients
            are taken (default: a 128th of the shorter side, at least 0.7), `low` and `high` are contrasts in [0, 1].

    Raises:
        UsageError: an unknown detector or option, an option that is no number above 0, or no such batch.
    """
    if detector not in DETECTORS:
        raise unknown("edge detector", detector, DETECTORS)
    chosen = DETECTORS[detector]
    for name, value in options.items():
        if name not in chosen.options:
            raise unknown(f"option of the edge detector '{detector}'", name, chosen.options)
        if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
            raise UsageError(
                f"The option '{name}' of the edge detector '{detector}' is {value!r}: give a number above 0."
            )
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not images.is_floating_point() or 0 in images.shape[2:]:
        raise UsageError(
            f"Edges are found in float pictures [N, 1 or 3, height, width], not in {images.dtype} {[*images.shape]}."
        )
    if not len(images):
        return images.new_zeros(0, 1, *images.shape[2:])
    with torch.no_grad():
        given = {name: value for name, value in options.items() if value is not None}
        lines = chosen.draw(images.float().clamp(-1, 1).add(1).div(2), **given)
    return lines.clamp_(0, 1).mul_(2).sub_(1)


# --------------------------------------------------------------------------------------------------------- detectors


def _sobel(x: Tensor, *, sigma: float | None = None, gain: float = 2.5) -> Tensor:
    """1 - gain · √λ: grey where the contrast is small."""
    strength, _ = _gradient(x, sigma)
    return 1 - gain * strength


def _canny(x: Tensor, *, sigma: float | None = None, low: float = 0.06, high: float = 0.16) -> Tensor:
    """Canny (1986): ridges of the gradient above `high`, and what is above `low` and hangs together with them."""
    ridge, _, _ = _ridges(x, sigma, low, high)
    return (~ridge)[:, None].float()


def _drawing(
    x: Tensor, *, sigma: float | None = None, low: float = 0.06, high: float = 0.16, weight: float | None = None
) -> Tensor:
    """Canny's ridges, found to a fraction of a pixel and drawn with a pen `weight` pixels wide, antialiased.

    Default weight: 1.15 at 128 pixels, at least 1, as in the line drawings of `data.faces.edges`.
    """
    ridge, normal, offset = _ridges(x, sigma, low, high)
    half = 0.5 * (weight or max(1.0, 1.15 * min(x.shape[2:]) / 128))
    reach = math.ceil(half)  # a dash inks pixels up to half + ½ away, and lies up to ½ off its own
    nx, ny = normal[:, 0], normal[:, 1]
    ink = torch.zeros_like(offset)
    height, width = ridge.shape[1:]
    edge = (reach, reach, reach, reach)
    blocked = [pad(t, edge) for t in (ridge.float(), nx, ny, offset)]
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            # Every ridge pixel is a dash one pixel long across its normal; this pixel lies (dx, dy) from one.
            rows, columns = slice(reach - dy, reach - dy + height), slice(reach - dx, reach - dx + width)
            there, ex, ey, along = (t[:, rows, columns] for t in blocked)
            across = dx * ex + dy * ey - along
            beside = (dx * ey - dy * ex).abs().sub(0.5).clamp_(min=0)
            cover = (0.5 + half - (across.square() + beside.square()).sqrt()).clamp_(0, 1)
            torch.maximum(ink, cover * there, out=ink)
    return 1 - ink[:, None]


def _dog(
    x: Tensor,
    *,
    sigma: float | None = None,
    ratio: float = 1.6,
    sharpness: float = 10.0,
    tone: float = 0.25,
    threshold: float = 0.85,
    softness: float = 3.0,
) -> Tensor:
    """XDoG, Winnemöller, Kyprianidis and Olsen (2012), eqs. 5 and 7, on the brightness: soft pencil lines.

    S = 1 - τ (1 - G_σ) + p (G_σ - G_kσ);  T = 1 where S ≥ ε, else 1 + tanh(φ (S - ε)), with p `sharpness`, k `ratio`,
    ε `threshold` and φ `softness`. The paper's S is that of `tone` τ = 1, where dark areas become black and lines
    between light ones are lost; less of it shades dark areas and keeps the lines.
    """
    brightness = _brightness(x)
    sigma = sigma or _scale(x)
    blurred = _blurred(brightness, sigma)
    sharp = 1 - tone * (1 - blurred) + sharpness * (blurred - _blurred(brightness, ratio * sigma))
    return 1 + torch.tanh(softness * (sharp - threshold).clamp(max=0))


DETECTORS: dict[str, Detector] = {
    d.name: d
    for d in (
        Detector("drawing", "Line drawing", "Thin clean lines where colours meet, as drawn for the faces.", _drawing),
        Detector("dog", "Pencil", "Soft pencil lines over shaded dark areas (extended difference of Gaussians).", _dog),
        Detector("canny", "Canny", "Hard lines one pixel wide where the gradient is largest.", _canny),
        Detector("sobel", "Sobel", "The strength of the gradient in greys: every change of colour shows.", _sobel),
    )
}  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ pieces


def _scale(x: Tensor) -> float:
    """The default blur in pixels: the same drawing comes from a picture and its enlargement."""
    return max(0.7, min(x.shape[2:]) / 128)


def _brightness(x: Tensor) -> Tensor:
    if x.shape[1] == 1:
        return x
    weights = torch.tensor([0.299, 0.587, 0.114], device=x.device).view(1, 3, 1, 1)
    return (x * weights).sum(1, keepdim=True)


def _blurred(x: Tensor, sigma: float) -> Tensor:
    """Gaussian of `sigma` pixels, each channel by itself; beyond the border the picture goes on as it ends."""
    radius = max(1, math.ceil(3 * sigma))
    steps = torch.arange(-radius, radius + 1, device=x.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (steps / sigma).square())
    kernel = kernel / kernel.sum()
    flat = x.reshape(-1, 1, *x.shape[2:])
    flat = conv2d(pad(flat, (radius, radius, 0, 0), "replicate"), kernel.view(1, 1, 1, -1))
    flat = conv2d(pad(flat, (0, 0, radius, radius), "replicate"), kernel.view(1, 1, -1, 1))
    return flat.view_as(x)


def _gradient(x: Tensor, sigma: float | None) -> tuple[Tensor, Tensor]:
    """√λ [N, 1, H, W] as a contrast, and its unit direction [N, 2, H, W] as (x, y)."""
    sigma = sigma or _scale(x)
    around = pad(_blurred(x, sigma), (1, 1, 1, 1), "replicate")
    right = 0.5 * (around[:, :, 1:-1, 2:] - around[:, :, 1:-1, :-2])
    down = 0.5 * (around[:, :, 2:, 1:-1] - around[:, :, :-2, 1:-1])
    xx, yy, xy = (t.sum(1, keepdim=True) for t in (right.square(), down.square(), right * down))
    half, middle = 0.5 * (xx - yy), 0.5 * (xx + yy)
    largest = middle + (half.square() + xy.square()).sqrt()
    angle = 0.5 * torch.atan2(xy, half)
    # A step of contrast 1 has the slope 1 / (√(2π) s) at its middle, where s² adds to σ² the variance of the
    # difference of neighbours, 1/3; the contrast of colours is the mean square over channels.
    slope = math.sqrt(2 * math.pi * (sigma**2 + 1 / 3) / x.shape[1])
    return largest.sqrt() * slope, torch.cat([angle.cos(), angle.sin()], 1)


def _ridges(x: Tensor, sigma: float | None, low: float, high: float) -> tuple[Tensor, Tensor, Tensor]:
    """Where the gradient is largest across its direction: bool [N, H, W]; the direction [N, 2, H, W]; and how far
    along it, in pixels from -0.5 to 0.5, the top of the parabola through three values lies [N, H, W]."""
    if low > high:
        raise UsageError(f"low is {low:g} but must not be above high, {high:g}.")
    strength, normal = _gradient(x, sigma)
    height, width = strength.shape[2:]
    around = pad(strength, (1, 1, 1, 1), "replicate")

    def shifted(dx: int, dy: int) -> Tensor:
        return around[:, 0, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    # The value one step along the direction, on the square of neighbours, lies between two of them.
    nx, ny = normal[:, 0], normal[:, 1]
    flat = nx.abs() >= ny.abs()
    longer = torch.where(flat, nx, ny)
    lean = torch.where(flat, ny, nx) / longer  # in [-1, 1]; the other sign of the normal leans the same way
    step = (1 + lean.square()).sqrt()  # the length of that step

    def towards(sign: int) -> Tensor:
        straight = torch.where(flat, shifted(sign, 0), shifted(0, sign))
        positive = shifted(sign, sign)
        negative = torch.where(flat, shifted(sign, -sign), shifted(-sign, sign))
        return torch.lerp(straight, torch.where(lean >= 0, positive, negative), lean.abs())

    here, before, after = strength[:, 0], towards(-1), towards(1)
    slack = 1e-5  # of two equal neighbours one is taken; rounding must not decide
    top = (here > before + slack) & (here >= after - slack)
    curve = (before - 2 * here + after).clamp(max=-1e-6)
    offset = (0.5 * (before - after) / curve).clamp(-0.5, 0.5) * step * longer.sign()
    return _linked(top & (here > low), top & (here > high)), normal, offset


def _linked(weak: Tensor, strong: Tensor) -> Tensor:
    """The pieces of `weak` [N, H, W] that hold a pixel of `strong`; neighbours at corners hang together."""
    plane = np.zeros((3, 3, 3), bool)
    plane[1] = True
    pieces, count = ndimage.label(weak.cpu().numpy(), plane)
    kept = np.zeros(count + 1, bool)
    kept[pieces[strong.cpu().numpy()]] = True
    kept[0] = False
    return torch.from_numpy(kept[pieces]).to(weak.device)
