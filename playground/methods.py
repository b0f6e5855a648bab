"""THE table of presets: a named system of the literature is a row of settings over the one adversarial core.

The table is plain data: reading it imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from playground.errors import UsageError, unknown
from playground.knobs import Settings, find, settings


@dataclass(frozen=True)
class Method:
    """One preset: what it is called, where it comes from, what it sets, and what to watch.

    `family` names the wiring (`playground.families`); `sides` is "paired" or "unpaired" for those that learn
    from two kinds of pictures; `knobs` what differs from the defaults, and `on_points` what differs from these again for
    points in place of pictures.
    """

    name: str
    title: str
    family: str
    reference: str
    url: str
    summary: str
    look_for: str
    needs_labels: bool = False
    needs_attributes: bool = False
    sides: str = ""
    knobs: Mapping[str, Any] = field(default_factory=dict)
    on_points: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What a trained model of it is: "generator", "classifier" or "translator"."""
        return _KINDS.get(self.family, "generator")


#: what a family's models are, where that is not a generator
_KINDS = {
    "supervised": "classifier", "paired": "translator", "unpaired": "translator", "styled": "translator",
    "shared": "translator",
}  # fmt: skip

METHODS: dict[str, Method] = {}


def _add(name: str, title: str, reference: str, url: str, summary: str, look_for: str, *, family: str = "adversarial", needs_labels: bool = False, needs_attributes: bool = False, sides: str = "", on_points: Mapping[str, Any] = MappingProxyType({}), **knobs: Any) -> None:  # fmt: skip
    if name in METHODS:
        raise ValueError(f"preset '{name}' is registered twice")
    checked, points = (
        MappingProxyType({knob: find(knob).validate(value) for knob, value in some.items()})
        for some in (knobs, on_points)
    )
    METHODS[name] = Method(
        name,
        title,
        family,
        reference,
        url,
        summary,
        look_for,
        needs_labels,
        needs_attributes,
        sides,
        checked,
        points,
    )


# A discriminator that knows the class is soon sure of itself, and its generator then shows one picture a class: a
# penalty on its slope and a look at the batch keep the noise in use.
_VARIED_CLASSES = dict(norm_d="none", r1=5.0, penalty_every=8, minibatch="stddev", beta1=0.0, beta2=0.99)
_WGAN_GP_ADAM = dict(beta1=0.0, beta2=0.9, learning_rate_g=1e-4, learning_rate_d=1e-4)

# Found with ring and grid (docs/mode-collapse.md): networks that begin steep, a penalty so weak that D may tell points a
# hundredth of the plane apart (it is on the slope in their own coordinates), and a rate that falls to 0, since of a
# generator that still moves, modes come out narrower than they are.
_NARROW_MODES = dict(
    initial_gain=2.5, r1=2e-4, r2=2e-4, penalty_every=8, rate_decay="cosine", ema_decay=0.99, steps=60_000,
)  # fmt: skip

_add(
    "dcgan",
    "DCGAN",
    "Radford, Metz & Chintala 2015, Unsupervised Representation Learning with Deep Convolutional GANs",
    "https://arxiv.org/abs/1511.06434",
    "Convolutions instead of dense layers, batch normalisation almost everywhere, no pooling: the recipe that made GANs train.",
    "Blobs within seconds, strokes within a minute, digits soon after. D(real) and D(fake) should hover apart but not at 1 and 0. "
    "The transposed convolutions leave a faint checkerboard; compare with architecture dcgan-upsample.",
)
_add(
    "vanilla-gan",
    "Vanilla GAN",
    "Goodfellow et al. 2014, Generative Adversarial Nets",
    "https://arxiv.org/abs/1406.2661",
    "The original game between two dense networks, with the non-saturating generator loss the paper recommends.",
    "Salt-and-pepper noise first, since nothing tells a dense network that neighbouring pixels belong together. Some digits may vanish: that is mode collapse.",
    architecture="mlp",
)
_add(
    "vanilla-gan-minimax",
    "Vanilla GAN (minimax)",
    "Goodfellow et al. 2014, Generative Adversarial Nets",
    "https://arxiv.org/abs/1406.2661",
    "The game exactly as its value function states it: G minimises log(1 − D(G(z))).",
    "When D is sure that a sample is fake, this loss is flat: G's gradient norm falls towards zero and learning stalls. Compare with vanilla-gan at the same seed.",
    architecture="mlp",
    objective="minimax",
)
_add(
    "kl-gan",
    "KL-GAN",
    "Nowozin, Cseke & Tomioka 2016, f-GAN",
    "https://arxiv.org/abs/1606.00709",
    "D estimates the Kullback-Leibler divergence through its variational bound; other divergences are one knob away.",
    "The exponential in the conjugate makes the loss spiky; the divergence KL punishes missing modes more than odd samples, so look for variety before crispness.",
    objective="f-gan",
    divergence="kl",
    generator_form="direct",
    learning_rate_d=1e-4,
    learning_rate_g=1e-4,
)
_add(
    "wgan",
    "WGAN",
    "Arjovsky, Chintala & Bottou 2017, Wasserstein GAN",
    "https://arxiv.org/abs/1701.07875",
    "A critic with clipped weights estimates the earth mover distance; no logarithms, no probabilities.",
    "The critic's loss is an estimate of a distance: it should shrink steadily as samples improve, slowly but without drama. Clipping wastes capacity: strokes stay soft.",
    objective="wasserstein",
    weight_clip=0.01,
    optimiser="rmsprop",
    learning_rate_g=5e-5,
    learning_rate_d=5e-5,
    critic_steps=5,
)
_add(
    "wgan-gp",
    "WGAN-GP",
    "Gulrajani et al. 2017, Improved Training of Wasserstein GANs",
    "https://arxiv.org/abs/1704.00028",
    "The Wasserstein critic kept near slope one by a penalty on its gradient instead of clipped weights.",
    "The gradient penalty falls first, then the distance. Five critic steps make each step slower, but each is worth more and collapse is rare.",
    objective="wasserstein",
    gradient_penalty=10.0,
    critic_steps=5,
    norm_d="none",
    **_WGAN_GP_ADAM,
)
_add(
    "kl-wgan",
    "KL-WGAN",
    "Song & Ermon 2020, Bridging the Gap Between f-GANs and Wasserstein GANs",
    "https://arxiv.org/abs/1910.09779",
    "A Wasserstein critic whose fakes are weighted by their estimated density ratio, which brings in a KL divergence.",
    "Much like the hinge GAN, with promising fakes counted more. Try detach_ratio and the Wasserstein form.",
    objective="kl-wgan",
    spectral_norm=True,
    norm_d="none",
)
_add(
    "lsgan",
    "LSGAN",
    "Mao et al. 2017, Least Squares Generative Adversarial Networks",
    "https://arxiv.org/abs/1611.04076",
    "D regresses to 1 and 0 with squared error: samples that fool D but lie far from the boundary still feel a pull.",
    "Smoother curves than with the logarithmic loss, and gradients that do not vanish when D is confident.",
    objective="least-squares",
)
_add(
    "hinge-gan",
    "Hinge GAN",
    "Lim & Ye 2017, Geometric GAN",
    "https://arxiv.org/abs/1705.02894",
    "D stops caring for samples beyond a margin, as a support vector machine does; G climbs the raw score.",
    "D's loss near 2 means it can't tell; near 0 it has won. Only samples inside the margin move D.",
    objective="hinge",
)
_add(
    "sngan",
    "SNGAN",
    "Miyato et al. 2018, Spectral Normalization for Generative Adversarial Networks",
    "https://arxiv.org/abs/1802.05957",
    "Every layer of D is divided by its largest singular value, so D can't get arbitrarily steep.",
    "The singular values of the raw weights are plotted: they may grow, the normalised layers stay at one. Rarely collapses.",
    objective="hinge",
    spectral_norm=True,
    norm_d="none",
)
_add(
    "dragan",
    "DRAGAN",
    "Kodali et al. 2017, On Convergence and Stability of GANs",
    "https://arxiv.org/abs/1705.07215",
    "The ordinary loss with a gradient penalty only around the real data, where sharp peaks of D breed collapse.",
    "Steadier than vanilla at the price of one more backward pass; D(real) and D(fake) stay closer together.",
    dragan=10.0,
    norm_d="none",
)
_add(
    "ebgan",
    "EBGAN",
    "Zhao, Mathieu & LeCun 2016, Energy-based Generative Adversarial Network",
    "https://arxiv.org/abs/1609.03126",
    "D is an auto-encoder whose reconstruction error is the energy: low on real pictures, pushed up to a margin on fakes.",
    "Both energies fall at first; then the fakes' rises to the margin while G pulls it back. The pulling-away term keeps the batch varied.",
    objective="energy",
    margin=0.25,
    pulling_away=0.1,
    learning_rate_g=1e-3,
    learning_rate_d=1e-3,
    norm_d="batch",
)
_add(
    "unrolled-gan",
    "Unrolled GAN",
    "Metz et al. 2016, Unrolled Generative Adversarial Networks",
    "https://arxiv.org/abs/1611.02163",
    "G sees how D will answer some steps ahead, and is differentiated through those steps, so hiding in one mode no longer pays.",
    "Each step costs several; in exchange G stops chasing D from mode to mode. Watch the diversity curve.",
    unroll_steps=3,
    norm_d="none",
    width=32,
)
_add(
    "relativistic-gan",
    "Relativistic GAN",
    "Jolicoeur-Martineau 2018, The Relativistic Discriminator",
    "https://arxiv.org/abs/1807.00734",
    "D says which of a real and a fake looks more real, so G gains also by making real pictures look less so.",
    "D(real) and D(fake) are only meaningful as a difference. Loss near log 2 = 0.69 is a draw.",
    objective="relativistic",
)
_add(
    "r3gan",
    "R3-style GAN",
    "Huang et al. 2024, The GAN is dead; long live the GAN! A Modern Baseline GAN",
    "https://arxiv.org/abs/2501.05441",
    "The relativistic pairing with zero-centred gradient penalties on reals (R1) and fakes (R2): a loss with a convergence proof, and no other tricks.",
    "Slow and sure: no batch normalisation in D, no tricks, curves without drama. Twice the cost a step.",
    objective="relativistic",
    r1=1.0,
    r2=1.0,
    norm_d="none",
    norm_g="batch",
    beta1=0.0,
    beta2=0.99,
    on_points=_NARROW_MODES,
)
_add(
    "cgan",
    "Conditional GAN",
    "Mirza & Osindero 2014, Conditional Generative Adversarial Nets",
    "https://arxiv.org/abs/1411.1784",
    "Both networks are told the class, so you choose what is drawn.",
    "One row of the sample grid a class. At first rows look alike; then each finds its own digit. Look along a row too: "
    "without the penalty (set r1 to 0) the rows freeze, one picture a class, whatever the noise.",
    condition="onehot",
    **_VARIED_CLASSES,
    needs_labels=True,
)
_add(
    "acgan",
    "ACGAN",
    "Odena, Olah & Shlens 2017, Conditional Image Synthesis with Auxiliary Classifier GANs",
    "https://arxiv.org/abs/1610.09585",
    "D also names the class, of real pictures and of fakes; G is rewarded for pictures that are both real and recognisable.",
    "Watch the class loss beside the adversarial one. If rows stay alike, lower the real/fake weight; if rows lose their variety, raise it.",
    condition="embedding",
    auxiliary=1.0,
    **_VARIED_CLASSES,
    needs_labels=True,
)
_add(
    "infogan", "InfoGAN", "Chen et al. 2016, InfoGAN: Interpretable Representation Learning", "https://arxiv.org/abs/1606.03657",
    "A few codes beside the noise; a second head of D must read them back from the picture, so they come to mean something.",
    "No labels are used, yet the rows of the grid (one a category) turn into kinds of pictures. The information curve rises towards log of the number of categories.",
    code_categories=10, code_continuous=2, information=1.0, learning_rate_g=1e-3,
)  # fmt: skip
_add(
    "stylegan",
    "Style-based GAN",
    "Karras, Laine & Aila 2018, A Style-Based Generator Architecture for GANs",
    "https://arxiv.org/abs/1812.04948",
    "A mapping network turns z into a style that sets the statistics of every layer, noise adds what has no meaning, "
    "and both networks grow from small pictures to large ones.",
    "Each new resolution fades in: samples blur for a moment, then sharpen. Coarse layers decide pose and shape, fine "
    "ones colour. The stage and its share are plotted.",
    architecture="style",
    grow=True,
    width=32,
    r1=0.3,
    penalty_every=8,
    minibatch="stddev",
    style_mixing=0.3,
    latent_dim=128,
    ema_decay=0.998,
    beta1=0.0,
    beta2=0.99,
    learning_rate_g=5e-3,
    learning_rate_d=2e-3,
    batch_size=32,
)
_CLASSIFIER = dict(
    family="supervised",
    architecture="resnet",
    width=16,
    auxiliary=1.0,
    learning_rate_d=3e-3,
    beta1=0.9,
    rate_decay="cosine",
    ema_decay=0.99,
    augment="colour,translation",
    instance_noise=0.03,
)
_PIX2PIX = dict(norm_d="batch", dropout_g=0.5, batch_size=8, ema_decay=0.99, width=32)
_add(
    "pix2pix",
    "pix2pix",
    "Isola et al. 2016, Image-to-Image Translation with Conditional Adversarial Networks",
    "https://arxiv.org/abs/1611.07004",
    "A U-Net turns a picture into its partner, held to the true one by its L1 distance and to all that looks real by a "
    "discriminator of overlapping patches.",
    "The L1 term settles shape and colour within minutes; what the patches add is texture and crisp edges. Without it "
    "(reconstruction 0) pictures look real and answer another question.",
    family="paired",
    sides="paired",
    translator="unet",
    reconstruction=100.0,
    **_PIX2PIX,
)
_add(
    "unet-segmentation",
    "U-Net segmentation",
    "Ronneberger, Fischer & Brox 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation",
    "https://arxiv.org/abs/1505.04597",
    "The same U-Net without an opponent tells what each pixel shows.",
    "Large areas are right at once, thin ones such as glasses late. The error is the share of pixels with a wrong label.",
    family="paired",
    sides="paired",
    translator="unet",
    reconstruction=1.0,
    validity=0.0,
    learning_rate_g=1e-3,
    beta1=0.9,
    **{**_PIX2PIX, "dropout_g": 0.0},
)
_add(
    "spade",
    "SPADE (GauGAN)",
    "Park et al. 2019, Semantic Image Synthesis with Spatially-Adaptive Normalization",
    "https://arxiv.org/abs/1903.07291",
    "A label map is painted into a picture: at each place it sets the scale and shift of every normalisation, so that "
    "no layer washes it out.",
    "Areas take their colours first, then their texture. Feature matching replaces much of the L1 term.",
    family="paired",
    sides="paired",
    translator="spade",
    objective="hinge",
    reconstruction=10.0,
    feature_matching=10.0,
    scales=2,
    patch=34,
    spectral_norm=True,
    learning_rate_g=1e-4,
    learning_rate_d=4e-4,
    beta1=0.0,
    **{**_PIX2PIX, "dropout_g": 0.0, "norm_d": "instance", "width": 16},
)
_add(
    "srgan",
    "SRGAN",
    "Ledig et al. 2016, Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network",
    "https://arxiv.org/abs/1609.04802",
    "A small picture is made four times as large; the discriminator asks for detail that the average of all answers "
    "would blur. The content term is on pixels and on the discriminator's features.",
    "Begins as plain bicubic enlargement. Lines sharpen first; with validity 0 the numbers are better and the pictures "
    "softer.",
    family="paired",
    translator="upscaler",
    reconstruction=10.0,
    feature_matching=1.0,
    validity=0.01,
    patch=34,
    **{**_PIX2PIX, "dropout_g": 0.0, "batch_size": 16},
)
_add(
    "cyclegan",
    "CycleGAN",
    "Zhu et al. 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
    "https://arxiv.org/abs/1703.10593",
    "Two generators and two discriminators learn to turn A into B and B into A from pictures that do not belong "
    "together; that one must come back to where one started keeps the content.",
    "Colours change first, shapes late and little. A cycle error near 0 with outputs that look like their inputs means "
    "it learned to leave everything as it is.",
    family="unpaired",
    sides="unpaired",
    translator="resnet",
    objective="least-squares",
    cycle=10.0,
    identity=5.0,
    replay_buffer=50,
    rate_decay="linear",
    decay_from=0.5,
    norm_d="instance",
    batch_size=4,
    width=32,
    ema_decay=0.99,
)
_CODED = dict(
    sides="unpaired",
    objective="least-squares",
    reconstruction=10.0,
    blocks=4,
    scales=3,
    norm_d="none",
    learning_rate_g=1e-4,
    learning_rate_d=1e-4,
    batch_size=4,
    width=32,
    ema_decay=0.99,
)
_add(
    "unit",
    "UNIT",
    "Liu, Breuel & Kautz 2017, Unsupervised Image-to-Image Translation Networks",
    "https://arxiv.org/abs/1703.00848",
    "Two variational auto-encoders share their innermost layers, so that a picture of A and its counterpart in B have "
    "one code; a picture is translated by coding it on one side and decoding it on the other.",
    "The reconstructions sharpen first. Where translations look like their inputs, the code holds the style as well: "
    "raise the KL weight; where they lose what the input shows, lower it.",
    family="shared",
    kl=0.01,
    cycle=10.0,
    **_CODED,
)
_add(
    "munit",
    "MUNIT",
    "Huang et al. 2018, Multimodal Unsupervised Image-to-Image Translation",
    "https://arxiv.org/abs/1804.04732",
    "A picture is taken apart into its content, which both sides share, and its style. With another style, drawn or "
    "taken from an example, one input has many translations.",
    "The row A → A tells whether content and style together still hold the picture. The four styles look alike at "
    "first; as the style term falls they part in colour and stroke.",
    family="styled",
    content_loss=1.0,
    style_loss=1.0,
    **_CODED,
)
_add(
    "cogan",
    "CoGAN",
    "Liu & Tuzel 2016, Coupled Generative Adversarial Networks",
    "https://arxiv.org/abs/1606.07536",
    "Two generators share their first layers, two discriminators their last ones, and one z goes into both: pairs that "
    "belong together come out, although only the two sets were ever shown.",
    "Two rows of the grid belong together: A above, B below from the same z. Poses agree first; the more layers a "
    "side has of its own, the more freely it may disagree.",
    family="coupled",
    sides="unpaired",
    width=32,
)
_add(
    "classifier",
    "Classifier",
    "He et al. 2015, Deep Residual Learning for Image Recognition",
    "https://arxiv.org/abs/1512.03385",
    "No game: one network learns to name the class of a picture from pictures that are labelled. It reads what a "
    "generator draws, which is how drawn pictures are scored and steered.",
    "The accuracy on pictures it was never taught is the one that counts; where it falls behind that on its own batch, "
    "it learns by heart. A row of the grid shows the pictures it takes for that class with most confidence.",
    needs_labels=True,
    **_CLASSIFIER,
)
_add(
    "attribute-classifier",
    "Attribute classifier",
    "Liu et al. 2014, Deep Learning Face Attributes in the Wild",
    "https://arxiv.org/abs/1411.7766",
    "One network reads many properties of a picture at once, each between 0 and 1: glasses, a smile, age. The "
    "gradients of its answers are the handles by which a generator is steered.",
    "Plain things such as hats are read within seconds, small ones such as earrings late. The attribute error is the "
    "mean distance from the truth; scaled attributes such as age keep a small one for ever.",
    needs_attributes=True,
    attribute_loss=1.0,
    feature_dim=128,
    **{**_CLASSIFIER, "auxiliary": 0.1},
)


def find_method(name: str) -> Method:
    """The preset called `name`; raises UsageError naming the nearest."""
    if name not in METHODS:
        raise unknown("preset", name, METHODS)
    return METHODS[name]


def method_settings(name: str, overrides: Mapping[str, Any] | None = None, *, points: bool = False) -> Settings:
    """All knobs of a preset with `overrides` on top, for pictures or for `points`.

    Raises:
        UsageError: unknown names, bad values, or a preset that is for pictures alone.
    """
    method = find_method(name)
    if not points:
        return settings(method.knobs, overrides or {})
    if method.family != "adversarial" or method.knobs.get("architecture") == "style":
        raise UsageError(f"{method.title} is for pictures: for points take 'vanilla-gan' or another game of two networks.")
    return settings(method.knobs, _POINTS, method.on_points, overrides or {})


#: what small networks, two coordinates and cheap steps ask for in every preset
_POINTS = dict(
    architecture="points", width=128, layers=3, latent_dim=2, batch_size=256, steps=20_000, learning_rate_g=1e-3,
    learning_rate_d=1e-3, norm_g="default", norm_d="default", ema_decay=0.0, precision="float32", code_dim=16,
)  # fmt: skip


def data_options(name: str, knobs: Settings) -> dict[str, Any]:
    """What `playground.data.registry.open_data` is told for a run of preset `name` with `knobs`."""
    options = {"size": knobs.size, "seed": knobs.seed, "fit": knobs.fit, "max_images": knobs.max_images}
    sides = find_method(name).sides
    return options | ({"sides": sides, "pair_input": knobs.pair_input, "edges": knobs.pair_edges} if sides else {})
