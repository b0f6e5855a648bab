"""The drawing program of the cartoon portraits: their factors, their geometry and their layers, back to front.

Every length is in units of half a picture before the view crops it a little; a shape that lies `depth` in front of the
head's axis moves by depth * turn as the head turns, which is all the perspective there is.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor

from playground.data.drawing import (
    Factor,
    Factors,
    Painter,
    Region,
    box,
    capsule,
    circle,
    colour,
    egg,
    ellipse,
    factor_table,
    mix,
    rotate,
    smooth_intersection,
    smooth_union,
    smoothstep,
)

SKINS = {
    "porcelain": "#FBE0CF",
    "fair": "#F6CBA8",
    "peach": "#EBB286",
    "honey": "#D6975F",
    "tan": "#B97A48",
    "brown": "#8E5634",
    "deep": "#613B27",
}
HAIR_COLOURS = {
    "teal": "#2FA39C",
    "violet": "#8662B5",
    "pink": "#F285A9",
    "black": "#2F2833",
    "brown": "#5E3B2A",
    "auburn": "#8F3F26",
    "ginger": "#DB7230",
    "blond": "#F0C35F",
    "grey": "#C6C9D2",
}
EYE_COLOURS = {"brown": "#6B4226", "hazel": "#A9752F", "green": "#4F9160", "blue": "#3F86C6", "grey": "#73849A"}
CLOTHES = {  # main colour, second colour, accent (hats, hair ties, earrings' stones)
    "red": ("#E2574C", "#FDEFD8", "#2F4575"),
    "orange": ("#F08C45", "#FFF1DA", "#2F7F86"),
    "mustard": ("#EAB03F", "#FFF5DA", "#3C6A76"),
    "green": ("#53A06D", "#EAF4DA", "#E8825A"),
    "teal": ("#2C989A", "#DFF3EE", "#F2A35C"),
    "blue": ("#4B7DD1", "#E5EEFC", "#F3BE4D"),
    "navy": ("#35426F", "#E8EAF6", "#E5616A"),
    "purple": ("#8163BA", "#F0E8FA", "#F0B44F"),
    "pink": ("#EE8CA6", "#FFF1F3", "#6A62B2"),
    "white": ("#F6F2EB", "#D9876A", "#5886AB"),
    "charcoal": ("#474D5A", "#D9DDE4", "#EC7A5C"),
}
BACKDROPS = {  # light, deep
    "blue": ("#C3E5F4", "#86C3E6"),
    "mint": ("#C9EDDA", "#8FD2B4"),
    "yellow": ("#FDEBBB", "#F5CB74"),
    "peach": ("#FED8C3", "#F6AC8B"),
    "rose": ("#FAD3DE", "#ED9DB5"),
    "lavender": ("#E0D8F6", "#B4A4E2"),
    "sand": ("#EFE3D0", "#D4BC9A"),
    "teal": ("#8CCFCA", "#4EA5A6"),
    "indigo": ("#56649A", "#313C6C"),
}

# fmt: off
FACTORS: dict[str, Factor] = factor_table(
    Factor("hair", "categorical", ("bald", "short", "curly", "bob", "long", "bun", "pigtails", "afro", "mohawk"),
           "Hair style; a hat hides what is above its rim.", (0.8, 1.6, 1.2, 1.2, 1.4, 1, 1, 1, 0.8)),
    Factor("hair_colour", "categorical", tuple(HAIR_COLOURS), "Of hair, brows and beard: dyed, dark to fair, grey.",
           (0.5, 0.5, 0.5, 1.6, 1.6, 1, 0.9, 1.1, 1)),
    Factor("skin", "categorical", tuple(SKINS), "Skin tone, light to dark."),
    Factor("hat", "categorical", ("none", "cap", "beanie", "brim"), "What is worn on the head.", (7.6, 0.8, 0.8, 0.8)),
    Factor("glasses", "categorical", ("none", "round", "square", "sunglasses"), "Glasses.", (6, 1.5, 1.5, 1)),
    Factor("beard", "categorical", ("none", "stubble", "moustache", "goatee", "full"), "Facial hair, rising in weight.",
           (6, 0.8, 1, 0.8, 1.4)),
    Factor("earrings", "categorical", ("none", "studs", "hoops", "drops"), "Earrings.", (6.4, 1.2, 1.2, 1.2)),
    Factor("clothing", "categorical", ("tee", "stripes", "shirt", "hoodie", "turtleneck", "overalls"), "What is worn."),
    Factor("clothing_colour", "categorical", tuple(CLOTHES), "Colour of the clothes; hat and accessories go with it."),
    Factor("background", "categorical", ("plain", "disc", "gradient", "stripes", "dots", "rays", "sunset"),
           "Backdrop."),
    Factor("background_colour", "categorical", tuple(BACKDROPS), "Hue of the backdrop."),
    Factor("eye_colour", "categorical", tuple(EYE_COLOURS), "Colour of the irises.", (2, 1, 1, 1, 0.6)),
    Factor("age", "continuous", (16.0, 80.0), "Years: proportions, wrinkles and greying."),
    Factor("smile", "continuous", (-1.0, 1.0), "Corners of the mouth: -1 a frown, 1 a broad smile.", skew=0.6),
    Factor("mouth_open", "continuous", (0.0, 1.0), "How far the mouth is open; a smile then shows teeth.", skew=1.3),
    Factor("gaze_x", "continuous", (-1.0, 1.0), "Where the eyes look: -1 to the picture's left, 1 to its right."),
    Factor("gaze_y", "continuous", (-1.0, 1.0), "Where the eyes look: -1 up, 1 down."),
    Factor("eye_open", "continuous", (0.0, 1.0), "Lids: 0 nearly shut, 1 wide open.", skew=0.5),
    Factor("brows", "continuous", (-1.0, 1.0), "Brows: -1 drawn down in a scowl, 1 raised."),
    Factor("tilt", "continuous", (-12.0, 12.0), "Lean of the head in degrees, positive to the picture's right."),
    Factor("turn", "continuous", (-1.0, 1.0), "Turn of the head: -1 to the picture's left, 1 to its right."),
    Factor("face_width", "continuous", (-1.0, 1.0), "Face: -1 narrow, 1 wide."),
    Factor("jaw", "continuous", (-1.0, 1.0), "Jaw: -1 pointed, 1 broad."),
    Factor("eye_size", "continuous", (-1.0, 1.0), "Eyes: -1 small, 1 large."),
    Factor("nose_size", "continuous", (-1.0, 1.0), "Nose: -1 small, 1 large."),
    Factor("lips", "continuous", (0.0, 1.0), "Lips: 0 a thin line, 1 full and coloured."),
    Factor("hair_volume", "continuous", (0.0, 1.0), "How much hair: a crop's height, an afro's width, a bob's length."),
    Factor("parting", "continuous", (-1.0, 1.0), "Where the hair is parted, from the picture's left to its right."),
    Factor("blush", "continuous", (0.0, 1.0), "Colour of the cheeks."),
    Factor("freckles", "continuous", (0.0, 1.0), "Strength of freckles.", skew=3.0),
)
# fmt: on

LABELS = (
    "background", "skin", "neck", "hair", "beard", "brows", "eyes", "nose", "mouth", "glasses", "hat", "earrings",
    "clothing",
)  # fmt: skip
PALETTE: tuple[tuple[int, int, int], ...] = (
    (214, 234, 248), (250, 205, 170), (226, 170, 134), (92, 60, 46), (150, 104, 74), (52, 44, 60), (255, 255, 255),
    (238, 140, 110), (204, 62, 84), (40, 120, 200), (240, 170, 50), (250, 225, 90), (80, 160, 130),
)  # fmt: skip
_L = SimpleNamespace(**{name: i for i, name in enumerate(LABELS)})


# ---------------------------------------------------------------------------------------------------------- geometry


def _table(codes, device: torch.device) -> Tensor:
    return torch.tensor([colour(code) for code in codes], device=device)


def scaled(factors: Factors, name: str) -> Tensor:
    """A continuous factor [n] scaled to [0, 1]."""
    low, high = FACTORS[name].values
    return ((factors[name] - low) / (high - low)).to(torch.float32)


def _geometry(f: Factors) -> SimpleNamespace:
    """Positions, sizes [n, 1, 1] and colours [n, 3] of a portrait's parts; categories stay [n]."""
    device = f["hair"].device
    g = SimpleNamespace(**{name: f[name] for name, factor in FACTORS.items() if factor.categorical})
    for name, factor in FACTORS.items():
        if not factor.categorical:
            setattr(g, name, f[name].to(torch.float32)[:, None, None])
    years = scaled(f, "age")[:, None, None]
    g.old = smoothstep(0.45, 1.0, years)
    g.young = 1 - smoothstep(0.0, 0.35, years)
    angle = torch.deg2rad(g.tilt)
    g.cos, g.sin = angle.cos(), angle.sin()
    g.wide = 1 + 0.075 * g.face_width + 0.015 * g.young
    g.chin_r = 0.265 + 0.05 * g.jaw + 0.012 * g.old
    g.chin_y = 0.255 - 0.02 * g.young + 0.015 * g.old + 0.01 * g.jaw
    g.eye_y = 0.02 + 0.02 * g.young
    g.eye_x = 0.19 * g.wide
    g.eye_scale = (1 + 0.14 * g.eye_size) * (1 + 0.07 * g.young - 0.07 * g.old)
    g.nose_y = 0.155 + 0.01 * g.old
    g.mouth_y = 0.325 + 0.01 * g.old
    g.part_x = 0.24 * g.parting

    g.skin_rgb = _table(SKINS.values(), device)[g.skin]
    g.shade_rgb = g.skin_rgb * torch.tensor((0.86, 0.70, 0.68), device=device)
    g.line_rgb = g.skin_rgb * torch.tensor((0.66, 0.47, 0.45), device=device)
    g.light_rgb = mix(g.skin_rgb, (1.0, 0.97, 0.88), 0.45)
    g.blush_rgb = mix(g.skin_rgb, colour("#EF4F63"), 0.5)
    hair = _table(HAIR_COLOURS.values(), device)[g.hair_colour]
    g.hair_rgb = mix(hair, colour("#CDCFD6"), 0.5 * g.old[:, 0])
    g.hair_dark_rgb = g.hair_rgb * torch.tensor((0.74, 0.68, 0.76), device=device)
    g.hair_light_rgb = mix(g.hair_rgb, (1.0, 0.96, 0.92), 0.38)
    g.brow_rgb = mix(g.hair_rgb * 0.72, g.line_rgb * 0.8, 0.25)
    g.iris_rgb = _table(EYE_COLOURS.values(), device)[g.eye_colour]
    for i, name in enumerate(("cloth_rgb", "second_rgb", "accent_rgb")):
        setattr(g, name, _table([row[i] for row in CLOTHES.values()], device)[g.clothing_colour])
    for i, name in enumerate(("back_light_rgb", "back_deep_rgb")):
        setattr(g, name, _table([row[i] for row in BACKDROPS.values()], device)[g.background_colour])
    return g


def holds(column: Tensor, name: str, *values: str) -> Tensor:
    """Where the categorical factor `name`, given as indices [n], has one of the values: bool [n]."""
    found = column == FACTORS[name].values.index(values[0])
    for value in values[1:]:
        found = found | (column == FACTORS[name].values.index(value))
    return found


VIEW = (-0.90, -0.915, 1.80)  # left, top and side of what is seen
PIVOT, HEAD_Y = 0.60, -0.62  # the head leans about (0, PIVOT); its own origin lies HEAD_Y from there


def _head(p: Painter, region: Region, g: SimpleNamespace) -> tuple[Tensor, Tensor]:
    """Coordinates [n, h, w] that lean with the head; their origin is the middle of the face."""
    x, y = p.at(region)
    x, y = rotate(x, y - PIVOT, g.cos, g.sin)
    return x, y - HEAD_Y


def _facing(x: Tensor, g: SimpleNamespace, depth: float) -> Tensor:
    """x of something that lies `depth` in front of the head's axis, so that it moves as the head turns."""
    return x - depth * g.turn


def _mirrored(x: Tensor, g: SimpleNamespace) -> tuple[Tensor, Tensor]:
    """|x| with the far side of a turned head foreshortened, and the side (-1 or 1)."""
    side = torch.where(x < 0, -1.0, 1.0)
    return x.abs() * (1 + 0.10 * g.turn * side), side


def _outline(x: Tensor, y: Tensor, g: SimpleNamespace) -> Tensor:
    """The face without ears."""
    return egg((x - g.turn * (0.055 * y + 0.006).clamp(0, 0.04)) / g.wide, y, -0.10, g.chin_y, 0.43, g.chin_r)


# ------------------------------------------------------------------------------------------------------- the portrait


def draw_portrait(p: Painter, factors: Factors) -> None:
    """Draws a portrait per row of `factors` (all of FACTORS, each [n]), back to front."""
    g = _geometry(factors)
    _backdrop(p, g)
    hair = _hair_shapes(p, g)
    _hair_behind(p, g, hair)
    _body(p, g)
    _face(p, g, hair)
    _beard(p, g)
    _mouth(p, g)
    _moustache(p, g)
    _nose(p, g)
    _eyes(p, g)
    _hair_in_front(p, g, hair)
    _brows(p, g)
    _glasses(p, g)
    _hats(p, g)
    _earrings(p, g)


def _backdrop(p: Painter, g: SimpleNamespace) -> None:
    if not p.shaded:
        return
    x, y = p.at(p.region())
    light, deep = (c[:, :, None, None] for c in (g.back_light_rgb, g.back_deep_rgb))
    soft = 1.5 * p.pixel
    # How much of the deep colour there is at each pixel, by kind of backdrop.
    deepness = torch.zeros(p.n, p.grid, p.grid, device=p.device)

    def pattern(name: str, values: Tensor) -> None:
        deepness[holds(g.background, "background", name)] = values.expand(1, p.grid, p.grid)

    pattern("disc", 1 - 0.85 * smoothstep(0.5, -0.5, circle(x, y, 0.0, -0.05, 0.80) / soft))
    pattern("gradient", (0.5 + 0.62 * y + 0.12 * x).clamp(0, 1))
    stripe = ((x + y) * 1.9).frac().abs()
    pattern("stripes", 0.55 * smoothstep(-0.5, 0.5, (stripe - 0.5) / (1.9 * soft)) * torch.ones_like(x + y))
    row = (y * 2.9 + 10).floor()
    u, v = (x * 2.9 + 10 + 0.5 * (row % 2)).frac() - 0.5, (y * 2.9 + 10).frac() - 0.5
    pattern("dots", 0.75 * smoothstep(0.5, -0.5, ((u * u + v * v).sqrt() - 0.2) / (2.9 * soft)))
    angle = torch.atan2(x, 0.25 - y)
    radius = (x * x + (y - 0.25).square()).sqrt()
    ray = torch.sin(angle * 11) * radius / 11
    pattern("rays", 0.6 * smoothstep(-0.5, 0.5, ray / (0.5 * soft)))
    picture = torch.lerp(light, deep, deepness[:, None])
    sunset = holds(g.background, "background", "sunset")
    if bool(sunset.any()):
        high = mix(g.back_deep_rgb, colour("#6A6FC0"), 0.35)[sunset]
        low = mix(g.back_light_rgb, colour("#FFB27A"), 0.65)[sunset]
        sky = torch.lerp(high[:, :, None, None], low[:, :, None, None], smoothstep(-0.9, 0.45, y)[:, None])
        sun = p.cover(circle(x, y, 0.60, -0.42, 0.24))[:, None]
        glow = (1 - circle(x, y, 0.60, -0.42, 0.24) / 0.5).clamp(0, 1).square()[:, None] * 0.5
        warm = p.tone("#FFE9B0")[sunset][:, :, None, None]
        sky = torch.lerp(sky, warm, glow * (1 - sun) + sun * 0.95)
        for base, amplitude, phase, amount in ((0.32, 0.09, 0.4, 0.45), (0.52, 0.11, 2.6, 0.8)):
            hill = p.cover(base + amplitude * torch.sin(4.2 * x + phase) - y)[:, None]
            sky = torch.lerp(sky, mix(g.back_deep_rgb, colour("#4A4F8C"), amount)[sunset][:, :, None, None], hill)
        picture[sunset] = sky
    p.background(picture)


# --------------------------------------------------------------------------------------------------------------- hair

HAIR_BOX = (-0.90, -1.0, 0.90, 0.96)


def _hairline(x: Tensor, y: Tensor, part, top, drop, side) -> Tensor:
    """The opening for the face in a head of hair: below two locks that fall from the parting, between the sides."""
    right = x > part
    length = torch.where(right, side - part, side + part)
    u = ((x - part).abs() / length).clamp(0, 1)
    slope = 2 * drop * (1 - u) / length
    below = (top + drop * u * (2 - u) - y) * (1 + slope.square()).rsqrt()
    return smooth_intersection(below, x.abs() - side, 0.10)


def _hair_shapes(p: Painter, g: SimpleNamespace) -> SimpleNamespace:
    """Distances [n, h, w] over HAIR_BOX to the hair behind and in front of the head, of each picture's own style."""
    region = p.region(*HAIR_BOX)
    hx, hy = _head(p, region, g)
    behind, front, strands = torch.ones_like(hx), torch.ones_like(hx), torch.ones_like(hx)
    for name, shape in _STYLES.items():
        index = holds(g.hair, "hair", name).nonzero()[:, 0]
        if len(index):
            part = SimpleNamespace(**{key: value[index] for key, value in vars(g).items()})
            x, y = hx[index], hy[index]
            shapes = shape(x, y, _facing(x, part, 0.05), part)
            for field, distance in zip((behind, front, strands), shapes, strict=True):
                if distance is not None:
                    field.index_copy_(0, index, distance)
    # Under a hat there is hair only below its rim.
    hidden = torch.where(holds(g.hat, "hat", "none")[:, None, None], -1.0, -0.225 - hy)
    behind, front = (smooth_intersection(field, hidden, 0.14) for field in (behind, front))
    return SimpleNamespace(region=region, behind=behind, front=front, strands=strands)


def _crown(x: Tensor, y: Tensor, g: SimpleNamespace, grow) -> Tensor:
    return circle(x / g.wide, y, 0.0, -0.11, 0.43 + grow)


def _short(x, y, fx, g):
    way = -torch.sign(g.part_x + 1e-3)  # the side that the longer lock falls to
    cap = _crown(x, y, g, 0.025 + 0.03 * g.hair_volume)
    quiff = ellipse(x, y, 0.12 * way, -0.45, 0.33, 0.10 + 0.13 * g.hair_volume)
    outer = smooth_union(cap, quiff, 0.12)
    face = _hairline(fx, y, g.part_x, -0.37 - 0.02 * g.hair_volume, 0.17, 0.385 * g.wide)
    return None, smooth_intersection(torch.maximum(outer, y - 0.02), -face, 0.03), face


def _curls(x, y, cx, cy, r, lobes: int, depth) -> Tensor:
    """A circle with a border of round lobes."""
    dx, dy = x - cx, y - cy
    wave = torch.cos(torch.atan2(dx, -dy) * (lobes / 2)).abs()
    return (dx.square() + dy.square()).sqrt() - r - depth * (wave - 0.5)


def _curly(x, y, fx, g):
    outer = _curls(x / g.wide, y, 0.0, -0.17, 0.475 + 0.07 * g.hair_volume, 16, 0.085)
    face = ellipse(fx, y, 0.0, 0.12, 0.385 * g.wide, 0.40) + 0.03 * (torch.cos(fx * 17 + 3 * g.parting).abs() - 0.5)
    fore = torch.maximum(outer, -face)
    inner = _curls(x / g.wide, y, 0.0, -0.15, 0.37 + 0.05 * g.hair_volume, 12, 0.075)
    return torch.maximum(outer, y - 0.14), smooth_intersection(fore, y - 0.05, 0.05), inner


def _bob(x, y, fx, g):
    length = 0.30 + 0.16 * g.hair_volume
    cap = _crown(x, y, g, 0.05 + 0.03 * g.hair_volume)
    flare = 0.47 * g.wide + 0.05 * (y / length).clamp(0, 1)
    fall = box(x, y, 0.0, length - 0.36, flare, 0.36, 0.10)
    outer = smooth_union(cap, fall, 0.06)
    face = _hairline(fx, y, g.part_x, -0.275, 0.10, (0.375 - 0.05 * y.clamp(0, 1)) * g.wide)
    return outer, smooth_intersection(outer, -face, 0.06), face


def _long(x, y, fx, g):
    cap = _crown(x, y, g, 0.055 + 0.03 * g.hair_volume)
    wave = 0.02 * torch.sin(9 * y + 1.0) * smoothstep(-0.1, 0.3, y)
    half = 0.485 * g.wide + 0.045 * g.hair_volume + 0.04 * y.clamp(0, 1) + wave
    end = 0.72 + 0.14 * g.hair_volume
    fall = box(x, y, 0.0, (end - 0.1) / 2, half, (end + 0.1) / 2, 0.14)
    outer = smooth_union(cap, fall, 0.05)
    inner = (0.375 - 0.10 * smoothstep(0.2, 0.55, y) + 0.13 * smoothstep(0.5, 0.9, y)) * g.wide + 0.7 * wave
    face = _hairline(fx, y, g.part_x, -0.36, 0.24, inner)
    return outer, smooth_intersection(outer, -face, 0.08), face


def _swept(x, y, fx, g):
    """Hair combed close to the head, as under a bun."""
    cap = _crown(x, y, g, 0.02)
    face = _hairline(fx, y, g.part_x, -0.36, 0.20, 0.40 * g.wide)
    return torch.maximum(torch.maximum(cap, y - 0.03), -face), face


def _bun(x, y, fx, g):
    bun = circle(x, y, -0.05 * g.turn, -0.655 - 0.02 * g.hair_volume, 0.145 + 0.055 * g.hair_volume)
    return bun, *_swept(x, y, fx, g)


def _pigtails(x, y, fx, g):
    ax = x.abs()
    size = 0.13 + 0.045 * g.hair_volume
    bow = ax + 0.55 * (y - 0.12).clamp(min=0).square()
    tail = capsule(bow, y, 0.56 * g.wide, 0.06, 0.66 * g.wide + 0.02, 0.36 + 0.12 * g.hair_volume, size, 0.30 * size)
    tail = smooth_union(tail, circle(ax, y, 0.47 * g.wide, -0.03, 0.05), 0.08)
    return tail, *_swept(x, y, fx, g)


def _afro(x, y, fx, g):
    outer = _curls(x / g.wide, y, 0.0, -0.20, 0.56 + 0.11 * g.hair_volume, 40, 0.024)
    face = ellipse(fx, y, 0.0, 0.10, 0.40 * g.wide, 0.40)
    inner = _curls(x / g.wide, y, 0.0, -0.19, 0.47 + 0.10 * g.hair_volume, 26, 0.03)
    return outer, torch.maximum(torch.maximum(outer, -face), y), inner


def _mohawk(x, y, fx, g):
    # Spikes that fan out from the brow: teeth in the direction from a point inside the head.
    rise = (0.18 - y).clamp(min=0.05)
    spread = fx / rise  # 0 straight up
    tooth = ((spread * 7.0 + 0.5).frac().abs() - 0.5).abs() * 2  # 0 at a tip, 1 in a gap
    beyond = (fx.square() + rise.square()).sqrt() - (0.83 + 0.14 * g.hair_volume - 0.30 * spread.square())
    top = torch.maximum((beyond + 0.17 * tooth) * 0.38, beyond + 0.03)  # blunt tips, or outlines would overshoot them
    flank = (fx.abs() - 0.27 * rise) * 0.95
    crest = torch.maximum(torch.maximum(top, flank), y + 0.27 + 0.5 * fx.abs())
    return None, crest, None


_STYLES = {
    "short": _short, "curly": _curly, "bob": _bob, "long": _long, "bun": _bun, "pigtails": _pigtails, "afro": _afro,
    "mohawk": _mohawk,
}  # fmt: skip


def _hair_behind(p: Painter, g: SimpleNamespace, hair: SimpleNamespace) -> None:
    # A bun, tails or an afro stand out to the light; other hair behind the neck is in shade.
    lit = holds(g.hair, "hair", "bun", "pigtails", "afro")[:, None]
    p.fill(hair.region, hair.behind, torch.where(lit, g.hair_rgb, g.hair_dark_rgb), _L.hair)
    if p.shaded:
        region = p.region(-0.84, -0.90, 0.84, 0.84)
        x, y = _head(p, region, g)
        near = (1 - _outline(x, y, g) / 0.16).clamp(0, 1)
        p.tint(region, p.cover(p.within(hair.region, region, hair.behind)) * near * 0.5, g.hair_dark_rgb * 0.8)
    for q, part in p.only(
        holds(g.hair, "hair", "pigtails") | (holds(g.hair, "hair", "bun") & holds(g.hat, "hat", "none")), g
    ):
        region = q.region(-0.75, -0.80, 0.75, 0.2)
        x, y = _head(q, region, part)
        tails = capsule(x.abs(), y, 0.465 * part.wide, -0.05, 0.50 * part.wide, 0.03, 0.04)
        bun = capsule(x, y, -0.09, -0.53, 0.09, -0.53, 0.045)
        tie = torch.where(holds(part.hair, "hair", "bun")[:, None, None], bun, tails)
        q.fill(region, tie, part.accent_rgb, _L.hair)


def _hair_in_front(p: Painter, g: SimpleNamespace, hair: SimpleNamespace) -> None:
    if p.shaded:
        region = p.region(-0.62, -0.72, 0.62, 0.56)
        x, y = _head(p, region, g)
        near = (1 - p.within(hair.region, region, hair.front) / 0.075).clamp(0, 1)
        p.tint(region, p.cover(_outline(x, y, g)) * near.square() * 0.55, g.shade_rgb, shadow=True)
        for q, part in p.only(holds(g.hair, "hair", "mohawk"), g):  # shaved sides
            x, y = _head(q, region, part)
            scalp = -_hairline(_facing(x, part, 0.05), y, 0 * part.turn, -0.34, 0.22, 0.40)
            scalp = torch.maximum(torch.maximum(_outline(x, y, part), scalp), y - 0.02)
            q.tint(region, 0.35 * q.cover(scalp), part.hair_dark_rgb)
    p.fill(hair.region, hair.front, g.hair_rgb, _L.hair)
    if not p.shaded:
        return
    # Lower hair is darker; an arc of shine follows the crown, strongest towards the light at the upper left.
    region = p.region(-0.90, -0.72, 0.90, 0.96)
    _, y = _head(p, region, g)
    inside = p.cover(p.within(hair.region, region, hair.front) + 0.004)
    p.tint(region, inside * (0.45 * smoothstep(-0.35, 0.75, y)), g.hair_dark_rgb)
    region = p.region(-0.60, -0.80, 0.60, 0.02)
    x, y = _head(p, region, g)
    front = p.within(hair.region, region, hair.front)
    ring = (1 - (circle(x / g.wide, y, 0.0, -0.10, 0.375) / 0.05).square()).clamp(min=0)
    sector = smoothstep(0.28, 0.0, (x + 0.16 - 0.10 * g.turn).abs()) * smoothstep(-0.2, -0.33, y)
    p.tint(region, p.cover(front + 0.004) * ring * sector * 0.75, g.hair_light_rgb)
    # Locks: a few lines that run along with the hairline, or among the curls.
    region = p.region(-0.84, -0.90, 0.84, 0.96)
    front, strands = (p.within(hair.region, region, field) for field in (hair.front, hair.strands))
    curly = holds(g.hair, "hair", "curly", "afro")[:, None, None]
    lines = torch.where(curly, strands, (strands - 0.095).abs() - 0.045).abs() - p.thick(0.0055)
    p.stroke(region, torch.maximum(lines, front + 0.02), g.hair_dark_rgb, alpha=torch.full_like(g.turn, 0.45))


# --------------------------------------------------------------------------------------------------------------- body


def _body(p: Painter, g: SimpleNamespace) -> None:
    for q, part in p.only(holds(g.clothing, "clothing", "hoodie"), g):
        region = q.region(-0.62, 0.25, 0.62, 1.0)
        x, y = q.at(region)
        q.fill(region, ellipse(x, y, 0.0, 0.62, 0.44, 0.26), part.cloth_rgb * 0.72, _L.clothing)
    region = p.region(-1, 0.28, 1, 1)
    x, y = p.at(region)
    lean = g.sin / g.cos
    nx = x - lean * (PIVOT - y) * 0.8
    neck = box(nx, y, 0.0, 0.58, 0.155 + 0.02 * g.jaw + 0.012 * g.face_width, 0.34, 0.02)
    body = smooth_union(neck, box(x, y, 0.0, 1.32, 0.74, 0.68, 0.34), 0.16)
    p.fill(region, body, g.skin_rgb, _L.neck)
    if p.shaded:
        hx, hy = _head(p, region, g)
        shadow = (1 - _outline(hx, hy - 0.10, g) / 0.05).clamp(0, 1) * p.cover(body)
        p.tint(region, shadow * 0.75, g.shade_rgb, shadow=True)
    g = SimpleNamespace(**vars(g), body=body, lean=lean.expand(p.n, 1, 1))
    for names, dress in _GARMENTS:
        for q, part in p.only(holds(g.clothing, "clothing", *names), g):
            dress(q, part, region)
    if p.shaded:  # sleeves, and a little shade at the sides
        ax = x.abs()
        arm = capsule(ax, y, 0.50, 0.84, 0.475, 1.0, 0.008)
        p.tint(region, 0.30 * p.cover(arm - 0.006), g.cloth_rgb * 0.45)
        p.tint(region, (0.20 * smoothstep(0.42, 0.8, ax) * p.cover(body + 0.002)), g.cloth_rgb * 0.5)


def _tee(p: Painter, g: SimpleNamespace, region: Region) -> None:
    x, y = p.at(region)
    neckline = ellipse(x, y, 0.0, 0.36, 0.26, 0.38)
    cloth = torch.maximum(g.body, -neckline)
    colours = g.cloth_rgb
    striped = holds(g.clothing, "clothing", "stripes")
    if p.shaded:
        bend = y + 0.10 * x.square()
        band = smoothstep(-0.5, 0.5, ((bend * 5.2).frac() - 0.5).abs().sub(0.27) / (5.2 * p.pixel))
        band = band * striped[:, None, None]
        colours = torch.lerp(g.cloth_rgb[:, :, None, None], g.second_rgb[:, :, None, None], band[:, None])
    p.fill(region, cloth, colours, _L.clothing)
    collar = torch.maximum(cloth, neckline - 0.042)
    p.fill(region, collar, torch.where(striped[:, None], g.cloth_rgb, g.cloth_rgb * 0.82), _L.clothing)


def _shirt(p: Painter, g: SimpleNamespace, region: Region) -> None:
    x, y = p.at(region)
    ax = x.abs()
    opening = (ax - (0.80 - y) * 0.64) * 0.85
    p.fill(region, torch.maximum(g.body, -opening), g.cloth_rgb, _L.clothing)
    p.stroke(region, (ax - p.thick(0.006)).maximum(0.80 - y), g.cloth_rgb * 0.6, _L.clothing)
    p.fill(region, circle(x, y, 0.05, 0.845, 0.018), g.second_rgb, _L.clothing, outline=False)
    u, v = rotate(ax - 0.165, y - 0.645, 0.74, 0.67)
    flap = torch.maximum(box(u, v, 0.0, 0.0, 0.165, 0.062, 0.02), -ax + 0.012)
    p.fill(region, flap, mix(g.cloth_rgb, (1.0, 1.0, 1.0), 0.35), _L.clothing)


def _hoodie(p: Painter, g: SimpleNamespace, region: Region) -> None:
    x, y = p.at(region)
    neckline = ellipse(x, y, 0.0, 0.32, 0.29, 0.42)
    cloth = torch.maximum(g.body, -neckline)
    p.fill(region, cloth, g.cloth_rgb, _L.clothing)
    rim = torch.maximum(torch.maximum(neckline - 0.085, -neckline), 0.47 - y)
    p.fill(region, rim, g.cloth_rgb * 0.86, _L.clothing)
    cord = capsule(x.abs(), y, 0.115, 0.765, 0.125, 0.93, p.thick(0.014))
    p.fill(region, cord, g.second_rgb, _L.clothing)


def _turtleneck(p: Painter, g: SimpleNamespace, region: Region) -> None:
    x, y = p.at(region)
    p.fill(region, torch.maximum(g.body, 0.58 - y), g.cloth_rgb, _L.clothing)
    nx = x - g.lean * (PIVOT - y) * 0.8
    roll = box(nx, y, 0.0, 0.555, 0.185 + 0.02 * g.jaw, 0.085, 0.05)
    p.fill(region, roll, mix(g.cloth_rgb, (1.0, 1.0, 1.0), 0.10), _L.clothing)
    if p.shaded:
        hx, hy = _head(p, region, g)
        shadow = (1 - _outline(hx, hy - 0.04, g) / 0.06).clamp(0, 1) * p.cover(roll)
        p.tint(region, 0.35 * shadow, g.cloth_rgb * 0.4, shadow=True)


def _overalls(p: Painter, g: SimpleNamespace, region: Region) -> None:
    x, y = p.at(region)
    neckline = ellipse(x, y, 0.0, 0.36, 0.27, 0.36)
    p.fill(region, torch.maximum(g.body, -neckline), g.second_rgb, _L.clothing)
    ax = x.abs()
    strap = capsule(ax, y, 0.36, 0.55, 0.25, 0.84, 0.052)
    p.fill(region, torch.maximum(strap, g.body), g.cloth_rgb, _L.clothing)
    bib = box(x, y, 0.0, 0.96, 0.33, 0.17, 0.05)
    p.fill(region, bib, g.cloth_rgb, _L.clothing)
    p.fill(region, circle(ax, y, 0.255, 0.845, 0.03), g.accent_rgb, _L.clothing)


_GARMENTS = (
    (("tee", "stripes"), _tee), (("shirt",), _shirt), (("hoodie",), _hoodie), (("turtleneck",), _turtleneck),
    (("overalls",), _overalls),
)  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- face


def _face(p: Painter, g: SimpleNamespace, hair: SimpleNamespace) -> None:
    region = p.region(-0.70, -0.82, 0.70, 0.72)
    x, y = _head(p, region, g)
    ears = ellipse(_facing(x, g, -0.035).abs(), y, 0.435 * g.wide, 0.05, 0.075, 0.105)
    p.fill(region, ears, g.skin_rgb, _L.skin)
    inner = ellipse(_facing(x, g, -0.035).abs(), y, 0.45 * g.wide, 0.05, 0.036, 0.06)
    if p.shaded:
        p.tint(region, 0.6 * p.cover(inner), g.shade_rgb)
    face = _outline(x, y, g)
    p.fill(region, face, g.skin_rgb, _L.skin)
    if not p.shaded:
        return
    inside = p.cover(face + 0.003)
    # Form: shade on the side away from the light, light on forehead and cheek.
    away = smoothstep(0.10, 0.62, 0.85 * x + 0.35 * y - 0.12 * g.turn)
    p.tint(region, inside * away * 0.42, g.shade_rgb, shadow=True)
    glow = (1 - (_facing(x, g, 0.06) + 0.14).square() / 0.10 - (y + 0.20).square() / 0.06).clamp(min=0)
    p.tint(region, inside * glow * (0.5 + 0.3 * holds(g.hair, "hair", "bald")[:, None, None]), g.light_rgb)
    cheeks = p.region(-0.62, -0.12, 0.62, 0.52)
    x, y = _head(p, cheeks, g)
    u, _ = _mirrored(_facing(x, g, 0.065), g)
    spot = (1 - ((u - 0.265 * g.wide) / 0.125).square() - ((y - 0.20) / 0.095).square()).clamp(min=0)
    spot = spot * p.cover(_outline(x, y, g) + 0.01)
    p.tint(cheeks, spot * (0.15 + 0.60 * g.blush), g.blush_rgb)
    for q, part in p.only(g.freckles[:, 0, 0] > 0.1, g):
        x, y = _head(q, cheeks, part)
        u, _ = _mirrored(_facing(x, part, 0.07), part)
        dots = torch.full_like(u, 1.0)
        for dx, dy in ((0.20, 0.175), (0.255, 0.205), (0.31, 0.17), (0.225, 0.235), (0.29, 0.245)):
            dots = torch.minimum(dots, (u - dx * part.wide).square() + (y - dy).square())
        dots = q.cover(dots.sqrt() - max(0.0105, 0.35 * q.fine))
        q.tint(cheeks, dots * (0.8 * part.freckles), mix(part.skin_rgb, part.line_rgb, 0.75))
    for q, part in p.only(g.old[:, 0, 0] > 0.02, g):
        _wrinkles(q, part)


def _bent(x: Tensor, y: Tensor, cx, cy, half: float, bend, radius) -> Tensor:
    """A short curved line, thinner at its ends: y rises (on screen) by `bend` from its middle to its ends."""
    u = (x - cx) / half
    lift = y - cy + bend * u.square()
    return torch.maximum(lift.abs() - radius * (1 - 0.8 * u.square()), x.sub(cx).abs() - half)


def _wrinkles(p: Painter, g: SimpleNamespace) -> None:
    region = p.region(-0.62, -0.52, 0.62, 0.62)
    x, y = _head(p, region, g)
    fx = _facing(x, g, 0.07)
    u, _ = _mirrored(fx, g)
    r = p.thick(0.006)
    lines = torch.minimum(_bent(fx, y, 0.0, -0.285, 0.15, -0.012, r), _bent(fx, y, 0.0, -0.235, 0.19, -0.015, r))
    lines = torch.minimum(lines, _bent(u, y, g.eye_x - 0.005, g.eye_y + 0.150, 0.055, 0.014, r))
    for turn, cy in ((0.30, -0.030), (-0.12, 0.020)):  # crow's feet
        a, b = rotate(u - g.eye_x - 0.132, y - g.eye_y - cy, (1 - turn * turn) ** 0.5, -turn)
        lines = torch.minimum(lines, _bent(a, b, 0.0, 0.0, 0.022, 0.0, 0.8 * r))
    fold = capsule(u, y, 0.105, g.nose_y + 0.055, 0.195, g.mouth_y - 0.03, r)
    lines = torch.minimum(lines, fold)
    p.stroke(region, lines, mix(g.skin_rgb, g.line_rgb, 0.85), alpha=0.7 * g.old)


def _nose(p: Painter, g: SimpleNamespace) -> None:
    region = p.region(-0.36, -0.12, 0.36, 0.42)
    x, y = _head(p, region, g)
    x = _facing(x, g, 0.105)
    size = 1 + 0.28 * g.nose_size + 0.08 * g.old - 0.1 * g.young
    tip = ellipse(x, y, 0.0, g.nose_y, 0.062 * size, 0.052 * size)
    nose = smooth_union(tip, capsule(x, y, 0.0, 0.04, 0.0, 0.12, 0.018 * size, 0.032 * size), 0.05)
    p.fill(region, nose, mix(g.skin_rgb, g.blush_rgb, 0.28) if p.shaded else g.skin_rgb, _L.nose, outline=False)
    if p.shaded:
        fade = p.cover(nose - 0.004) * smoothstep(g.nose_y - 0.02, 0.0, y)
        p.tint(region, fade, g.skin_rgb)  # the bridge melts into the face
        shine = ellipse(x, y, -0.018 * size, g.nose_y - 0.018, 0.018 * size, 0.014 * size)
        p.tint(region, 0.65 * p.cover(shine), g.light_rgb)
    under = _bent(x, y, 0.0, g.nose_y + 0.045 * size, 0.055, 0.030 * size, p.thick(0.0115))
    p.stroke(region, under, g.line_rgb, _L.nose)


def _mouth(p: Painter, g: SimpleNamespace) -> None:
    region = p.region(-0.46, 0.05, 0.46, 0.66)
    x, y = _head(p, region, g)
    x, y = _facing(x, g, 0.075), y - g.mouth_y
    x = x * (1 + 0.10 * g.turn * torch.sign(x))
    gape = smoothstep(0.08, 1.0, g.mouth_open)
    half = 0.130 + 0.042 * g.smile.clamp(min=0) - 0.035 * gape * (1 - g.smile.clamp(min=0)) + 0.012 * g.jaw
    u = (x / half).square()
    arc = 1 - u
    curve = 0.075 * g.smile  # middle below the corners by this
    upper = curve * (0.35 * arc - 0.45) + curve * arc * 0.4 * (1 - gape)
    depth = gape * (0.105 + 0.045 * g.smile.abs())
    lower = curve * (0.75 * arc - 0.45) + depth * arc.clamp(min=0).sqrt()
    bottom = 0.30 * curve + depth  # of the opening, in its middle
    thin = p.thick(0.013) * (0.55 + 0.45 * arc.clamp(min=0))
    steep = (1 + (2 * 0.75 * curve * x / half.square()).square()).rsqrt()
    inside = torch.maximum((upper - y) * steep, (y - lower) * steep)
    end = (x.abs() - half) * 0.8
    full = 0.012 * g.lips + 0.030 * g.lips * gape.clamp(max=0.4)
    lips = torch.maximum(inside - thin - full * (0.4 + 0.6 * arc.clamp(min=0)), end - 0.012)
    lip_rgb = mix(mix(g.line_rgb, g.blush_rgb, 0.35), colour("#C9384F"), 0.65 * g.lips[:, 0])
    p.fill(region, lips, lip_rgb, _L.mouth)
    mouth = torch.maximum(inside + 0.25 * thin, end + 0.004)
    mouth = torch.where(depth > 0.012, mouth, 1.0)
    p.fill(region, mouth, p.tone("#74202F"), _L.mouth)
    if p.shaded:
        hollow = p.cover(mouth)
        tongue = p.cover(ellipse(x, y, 0.0, bottom + 0.02, 0.6 * half, 0.4 * depth + 0.02))
        p.tint(region, hollow * tongue, p.tone("#E4717A"))
        teeth = p.cover(y - upper - 0.42 * depth * smoothstep(0.0, 0.35, g.smile) * arc.clamp(min=0).sqrt())
        teeth = teeth * smoothstep(0.0, 0.25, g.smile)
        p.tint(region, hollow * teeth, p.tone("#FFFBF2"))
    # Dimples at the corners of a smile, and the shade of the lower lip.
    ax = x.abs()
    dimple = capsule(ax, y, half + 0.012, -0.45 * curve - 0.022, half + 0.022, -0.45 * curve + 0.010, p.thick(0.008))
    p.stroke(region, dimple, g.line_rgb, alpha=smoothstep(0.25, 0.7, g.smile))
    if p.shaded:
        crease = _bent(x, y, 0.0, bottom + 0.055, 0.06, 0.012, 0.008)
        p.tint(region, 0.55 * p.cover(crease), g.shade_rgb)


def _eyes(p: Painter, g: SimpleNamespace) -> None:
    region = p.region(-0.56, -0.40, 0.56, 0.36)
    x, y = _head(p, region, g)
    u, side = _mirrored(_facing(x, g, 0.07), g)
    u, y = u - g.eye_x, y - g.eye_y
    scale = g.eye_scale
    a, b = 0.094 * scale, 0.112 * scale
    # The upper lid comes down over the eyeball, arched while open and hanging once shut.
    wide = g.eye_open * (1.45 - 0.45 * g.eye_open)
    lid = b * (0.60 - 1.68 * wide) + (4.5 * wide - 3.0) * u.square()
    shape = torch.maximum(ellipse(u, y, 0.0, 0.0, a, b), lid - y)
    shape = torch.maximum(shape, y - b * (0.64 + 0.5 * wide) + (1 - wide) * 3.0 * u.square())
    p.fill(region, shape, p.tone("#FFFDF8"), _L.eyes, outline=False)
    gx, gy = 0.036 * g.gaze_x * side, 0.030 * g.gaze_y
    ir = 0.069 * scale
    iris = circle(u, y, gx, gy, ir)
    seen = torch.maximum(iris, shape + 0.003)
    if p.shaded:
        p.tint(region, 0.30 * p.cover(shape) * smoothstep(0.035, 0.0, y - lid), g.line_rgb)
        p.tint(region, p.cover(seen), g.iris_rgb * 0.62)
        p.tint(region, p.cover(torch.maximum(iris + 0.012, seen)), g.iris_rgb)
        glow = torch.maximum(circle(u, y, gx, gy + 0.030 * scale, 0.032 * scale), seen)
        p.tint(region, p.cover(glow) * 0.45, mix(g.iris_rgb, (1.0, 1.0, 1.0), 0.55))
    else:
        p.stroke(region, (seen.abs() - p.thick(0.006)).maximum(shape), g.iris_rgb, _L.eyes)
    dark = p.tone("#2A1E2A")
    p.stroke(region, torch.maximum(circle(u, y, gx, gy, 0.038 * scale), shape), dark, _L.eyes)
    if p.shaded:
        glint = circle(u, y, gx - 0.024 * side * scale, gy - 0.026 * scale, p.thick(0.019))
        second = circle(u, y, gx + 0.022 * side * scale, gy + 0.024 * scale, 0.009)
        p.fill(region, torch.maximum(torch.minimum(glint, second), shape), p.tone("#FFFFFF"), _L.eyes, outline=False)
    # The upper lash line follows the lid; a flick at the outer corner.
    lash_r = p.thick(0.0135)
    top = torch.maximum(lid, -b * (1 - (u / a).square()).clamp(min=0).sqrt())
    rim = torch.maximum((shape - 0.003).abs() - lash_r, y - top - 0.025)
    corner = (b * (0.45 - 0.85 * g.eye_open)).clamp(min=-0.3 * b)
    flick = capsule(u, y, a * 0.92, corner, a * 1.20, corner - 0.028, lash_r, 0.4 * lash_r)
    p.stroke(region, torch.minimum(rim, flick), mix(dark, g.line_rgb, 0.15), _L.eyes)
    if p.shaded:
        crease = ellipse(u, y, 0.0, 0.02, a * 1.12, b * (0.62 + 0.62 * g.eye_open))
        crease = torch.maximum(crease.abs() - 0.006, y + 0.45 * b)
        p.tint(region, 0.6 * p.cover(crease), g.shade_rgb)
    else:
        p.stroke(region, torch.maximum((shape - 0.004).abs() - p.thick(0.006), lid - y), g.line_rgb, _L.eyes)


def _brows(p: Painter, g: SimpleNamespace) -> None:
    region = p.region(-0.56, -0.56, 0.56, 0.16)
    x, y = _head(p, region, g)
    u, _ = _mirrored(_facing(x, g, 0.07), g)
    lift = 0.045 * g.brows + 0.012 * g.eye_scale
    u, y = u - g.eye_x - 0.01, y - g.eye_y + 0.185 + lift
    angle = 0.34 * g.brows.clamp(max=0) + 0.10 * g.brows.clamp(min=0)
    u, y = rotate(u, y, torch.cos(angle), torch.sin(angle))
    thick = p.thick(0.021 + 0.004 * g.jaw) * (1.0 - 0.45 * smoothstep(-0.1, 0.12, u))
    d = capsule(u, y + 0.030 * (1 - (u / 0.10).square()), -0.095 + 0 * angle, 0.018, 0.10, 0.018, thick)
    p.fill(region, d, g.brow_rgb, _L.brows)


def _beard_shape(x: Tensor, y: Tensor, g: SimpleNamespace) -> Tensor:
    full = holds(g.beard, "beard", "full")[:, None, None]
    face = _outline(x, y - 0.035 * full, g) - 0.022 * full
    cheeks = ellipse(_facing(x, g, 0.05), y, 0.0, -0.02, 0.375 * g.wide, 0.285)
    whole = torch.maximum(torch.maximum(face, -cheeks), -0.02 - y)
    chin = torch.maximum(ellipse(_facing(x, g, 0.075), y, 0.0, g.mouth_y + 0.075, 0.175, 0.19), face - 0.012)
    chin = torch.maximum(chin, g.mouth_y - 0.10 - y)
    return torch.where(holds(g.beard, "beard", "goatee")[:, None, None], chin, whole)


def _beard(p: Painter, g: SimpleNamespace) -> None:
    for q, part in p.only(holds(g.beard, "beard", "stubble", "goatee", "full"), g):
        region = q.region(-0.68, -0.20, 0.68, 0.84)
        x, y = _head(q, region, part)
        shape = _beard_shape(x, y, part)
        stubble = holds(part.beard, "beard", "stubble")[:, None, None]
        shadow, hairs = torch.where(stubble, shape, 1.0), torch.where(stubble, 1.0, shape)
        shadow_rgb = mix(part.hair_dark_rgb, part.line_rgb, 0.5)
        q.stroke(region, shadow, shadow_rgb, _L.beard, alpha=torch.full_like(part.turn, 0.30))
        q.fill(region, hairs, mix(part.hair_rgb, part.hair_dark_rgb, 0.45), _L.beard)
        if q.shaded:
            q.tint(region, q.cover(hairs) * 0.5 * smoothstep(0.30, 0.62, y), part.hair_dark_rgb * 0.9)


def _moustache(p: Painter, g: SimpleNamespace) -> None:
    for q, part in p.only(holds(g.beard, "beard", "moustache", "goatee", "full"), g):
        region = q.region(-0.44, 0.0, 0.44, 0.56)
        x, y = _head(q, region, part)
        u = _facing(x, part, 0.085).abs()
        bend = y - part.mouth_y + 0.060 - 1.1 * u.square() + 0.25 * part.smile.clamp(min=0) * u.square()
        whiskers = capsule(u, bend, 0.028, 0.0, 0.160, 0.012, 0.041, q.thick(0.011))
        q.fill(region, whiskers, mix(part.hair_rgb, part.hair_dark_rgb, 0.6), _L.beard)


def _glasses(p: Painter, g: SimpleNamespace) -> None:
    for q, part in p.only(~holds(g.glasses, "glasses", "none"), g):
        region = q.region(-0.66, -0.42, 0.66, 0.42)
        hx, y = _head(q, region, part)
        x = _facing(hx, part, 0.08)
        u, _ = _mirrored(x, part)
        ex, ey = part.eye_x + 0.005, part.eye_y + 0.015
        r = q.thick(0.0135)
        kind = {name: holds(part.glasses, "glasses", name)[:, None, None] for name in ("round", "sunglasses")}
        angular = box(u - 0.03 * (ey - y), y, ex, ey, 0.155, 0.115, 0.055)
        lens = torch.where(kind["round"], circle(u, y, ex, ey, 0.150), angular)
        bridge = _bent(x, y, 0.0, ey - 0.045, ex - 0.135, -0.03, 1.6 * r)
        temple = capsule(u, y, ex + 0.145, ey - 0.035, 0.46 * part.wide, ey - 0.045, r)
        frame = torch.minimum(torch.minimum(lens.abs() - r, bridge), temple)
        dark = q.tone("#2C2A3A")
        frame_rgb = torch.where(kind["round"][:, 0], q.tone("#B98A3C"), dark)
        shades = torch.where(kind["sunglasses"], lens, 1.0)
        if q.shaded:
            q.tint(region, 0.16 * q.cover(lens) * ~kind["sunglasses"], q.tone("#FFFFFF"))
        q.fill(region, shades, dark, _L.glasses, outline=False)
        if q.shaded:
            q.tint(region, q.cover(shades) * 0.5 * smoothstep(-0.08, 0.14, y - part.eye_y), part.accent_rgb)
            streak = ((u - ex) + 0.6 * (y - ey) + 0.055).abs() - 0.018
            streak = torch.minimum(streak, ((u - ex) + 0.6 * (y - ey)).abs() - 0.007)
            glint = torch.maximum(streak, lens + 0.022)
            q.tint(region, q.cover(glint) * 0.38, q.tone("#FFFFFF"))
        q.stroke(region, frame, frame_rgb, _L.glasses)


def _hats(p: Painter, g: SimpleNamespace) -> None:
    for name, draw_hat in (("cap", _cap), ("beanie", _beanie), ("brim", _brim)):
        for q, part in p.only(holds(g.hat, "hat", name), g):
            region = q.region(-1, -1, 1, 0.14)
            x, y = _head(q, region, part)
            if q.shaded:  # shade below the rim
                under = smoothstep(-0.02, -0.22, y) * q.cover(_outline(x, y, part))
                q.tint(region, 0.5 * under, part.shade_rgb, shadow=True)
            draw_hat(q, part, region, x, y)


def _shade_hat(p: Painter, region: Region, d: Tensor, x: Tensor, y: Tensor, rgb: Tensor) -> None:
    if p.shaded:
        p.tint(region, p.cover(d) * 0.38 * smoothstep(0.05, 0.50, x + 0.25 * y), rgb * 0.5)
        glow = (1 - ((x + 0.20) / 0.20).square() - ((y + 0.52) / 0.16).square()).clamp(min=0)
        p.tint(region, p.cover(d) * 0.30 * glow, mix(rgb, (1.0, 1.0, 1.0), 0.6))


def _cap(p: Painter, g: SimpleNamespace, region: Region, x: Tensor, y: Tensor) -> None:
    fx = _facing(x, g, 0.06)
    dome = torch.maximum(ellipse(x, y, 0.0, -0.22, 0.485 * g.wide, 0.43), y + 0.20 + 0.25 * x.square())
    p.fill(region, circle(x, y, 0.0, -0.655, 0.035), g.second_rgb, _L.hat)
    p.fill(region, dome, g.accent_rgb, _L.hat)
    panel = torch.maximum((ellipse(fx, y, 0.0, -0.20, 0.24, 0.47).abs() - p.thick(0.005)), dome + 0.01)
    p.stroke(region, panel, g.accent_rgb * 0.72, _L.hat)
    _shade_hat(p, region, dome, x, y, g.accent_rgb)
    p.fill(region, circle(fx, y, 0.0, -0.43, 0.085), g.second_rgb, _L.hat)
    bend = y + 0.245 - 0.62 * fx.square()
    visor = torch.maximum(ellipse(fx, bend, 0.0, 0.0, 0.45, 0.095), -0.03 - bend + 0.1 * fx.square())
    p.fill(region, visor, g.accent_rgb * 0.82, _L.hat)


def _beanie(p: Painter, g: SimpleNamespace, region: Region, x: Tensor, y: Tensor) -> None:
    lobes = circle(x, y, 0.0, -0.755, 0.105) - 0.012 * torch.cos(torch.atan2(x, y + 0.755) * 9)
    p.fill(region, lobes, g.second_rgb, _L.hat)
    dome = torch.maximum(ellipse(x, y, 0.0, -0.24, 0.480 * g.wide, 0.46), y + 0.26)
    p.fill(region, dome, g.accent_rgb, _L.hat)
    _shade_hat(p, region, dome, x, y, g.accent_rgb)
    bend = y + 0.27 + 0.10 * x.square() - 0.02
    cuff = box(x, bend, 0.0, 0.0, 0.50 * g.wide, 0.085, 0.055)
    p.fill(region, cuff, mix(g.accent_rgb, g.second_rgb, 0.22), _L.hat)
    if p.shaded:
        rib = smoothstep(0.25, 0.45, ((_facing(x, g, 0.05) * 9).frac().abs() - 0.5).abs())
        visible = max(0.0, 1 - 15 * p.fine)  # ribs finer than pixels would only make noise
        p.tint(region, 0.35 * visible * p.cover(cuff + 0.012) * rib, g.accent_rgb * 0.6)
        p.tint(region, 0.25 * p.cover(cuff) * smoothstep(0.15, 0.5, x), g.accent_rgb * 0.5)


def _brim(p: Painter, g: SimpleNamespace, region: Region, x: Tensor, y: Tensor) -> None:
    straw = p.tone("#E9C98B")
    crown = box(x * (1 - 0.22 * (y + 0.3)), y, 0.0, -0.42, 0.40 * g.wide, 0.27, 0.17)
    p.fill(region, crown, straw, _L.hat)
    band = torch.maximum(crown - 0.004, (y + 0.345 - 0.10 * x.square()).abs() - 0.055)
    p.fill(region, band, g.accent_rgb, _L.hat)
    _shade_hat(p, region, crown, x, y, straw * 0.9)
    bend = y + 0.255 - 0.16 * x.square() + 0.03
    brim = ellipse(x, bend, 0.0, 0.0, 0.80, 0.085)
    p.fill(region, brim, straw, _L.hat)
    if p.shaded:
        p.tint(region, p.cover(brim) * 0.45 * smoothstep(-0.01, 0.06, bend), p.tone("#A87D3F"))
        p.tint(region, p.cover(brim) * 0.30 * smoothstep(0.15, 0.7, x), straw * 0.6)


def _earrings(p: Painter, g: SimpleNamespace) -> None:
    for q, part in p.only(~holds(g.earrings, "earrings", "none"), g):
        region = q.region(-0.72, -0.10, 0.72, 0.56)
        x, y = _head(q, region, part)
        u = _facing(x, part, -0.035).abs()
        lobe, gold = 0.455 * part.wide, q.tone("#F3C24C")
        stud = circle(u, y, lobe, 0.155, q.thick(0.030))
        hoop = circle(u, y, lobe, 0.220, 0.070).abs() - q.thick(0.0145)
        drop = capsule(u, y, lobe, 0.165, lobe, 0.250, q.thick(0.012), 0.040)
        kind = {name: holds(part.earrings, "earrings", name)[:, None, None] for name in ("studs", "hoops", "drops")}
        q.fill(region, torch.where(kind["studs"], stud, torch.where(kind["hoops"], hoop, drop)), gold, _L.earrings)
        if q.shaded:
            shine = circle(u, y, lobe - 0.010, torch.where(kind["drops"], 0.240, 0.148), 0.010)
            q.tint(region, 0.8 * q.cover(shine) * ~kind["hoops"], q.tone("#FFFFFF"))
