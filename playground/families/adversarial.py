"""The adversarial family: one generator, one discriminator, and every objective, penalty, stabiliser and condition.

Goodfellow et al. 2014 (arXiv 1406.2661) and what was made of it since; which of it is at work is a matter of settings.

With `reconstruction` on, an encoder E learns beside G, which becomes the decoder of a variational auto-encoder as well
(VAE-GAN, Larsen et al. 2015, arXiv 1512.09300): z = μ(x) + σ(x) ε must draw x again, and the codes must lie where
samples are drawn from,

    L_G,E = L_adv + λ (Lap₁(G(z), x) + λ_p d(G(z), x)) + λ_KL KL(q(z | x) ‖ N(0, 1)) + λ_m moments + λ_a attributes,

with d the distance of `features-v1` where the paper takes D's features: an E and G that begin alone have no D to ask.
Where attributes of the pictures are known, a dense layer A learns to read them in codes, and G to draw what is read so:

    attributes = H(A(E(x)), a) + H(A(E(G(z))), a),

H being the cross-entropy; in the second E and A stay as they are. A few pixels that mean much, as a smile does, are
else the last to be drawn (AC-GAN, Odena et al. 2017, arXiv 1610.09585, has D read its classes as well).
With `encode_to` w a style-based generator's E puts pictures among the styles instead, w = E(x), which may lie as they
will; the mapping network f learns to draw such styles, against a critic P of codes (a latent-space GAN):

    L_P = sp(P(f(z)) − P(E(x))) + γ/2 (R1 + R2),    L_f = sp(P(E(x)) − P(f(z)))

f ends with an affine map that is set, not learned: it gives styles the mean and covariance of codes. Or f is a flow,
which needs no critic (`networks.flow`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from playground import distributed, objectives, penalties, stabilisers, terms
from playground.conditions import row_labels
from playground.data.base import Batch, DataInfo
from playground.errors import UsageError
from playground.families.base import (
    Family,
    GridPlan,
    Phase,
    Terms,
    check_one_sided,
    objective_options,
)
from playground.families.players import (
    Discriminator,
    EnergyDiscriminator,
    Generator,
    Judgement,
    code_layout,
    draw_latents,
    encoder_of,
    seeded_latents,
    w_dim_of,
)
from playground.knobs import Settings
from playground.networks import layers
from playground.networks.describe import describe as describe_network
from playground.networks.posterior import CodeBank, CodeCritic
from playground.networks.style import Growing, enlarge, fade_real
from playground.pixels import laplacian_l1
from playground.schedules import growth, learning_rate_factor

#: generated points in a picture of them
POINTS_SHOWN = 2000
#: codes that are compared with as many drawn styles a step, and γ of the penalties on their critic
CODES_COMPARED, CODES_GAMMA = 256, 1.0
#: codes that a flow is taught to reach a step
CODES_CARRIED = 512
#: steps between two fits of the mapping network's last map
FIT_EVERY = 100
#: what their critic and the mapping network play for
CODES_OBJECTIVE = objectives.OBJECTIVES["relativistic"]


class Made(NamedTuple):
    """A batch of fakes and what they were made from."""

    images: Tensor
    label: Tensor | None
    codes: Tensor | None


class Adversarial(Family):
    """One G against one D. See `playground.methods` for the systems of the literature that this covers."""

    repeats_generator: ClassVar[bool] = True

    def __init__(self, settings: Settings, info: DataInfo):
        super().__init__(settings, info)
        check_together(settings, info)
        self.objective = objectives.OBJECTIVES[settings.objective]
        self.codes = code_layout(settings)
        self.labelled = settings.condition != "none" or settings.auxiliary > 0
        discriminator = EnergyDiscriminator if self.objective.energy else Discriminator
        self.players = {"D": discriminator(settings, info), "G": Generator(settings, info)}
        if settings.reconstruction > 0:
            self.players["E"] = encoder_of(settings, info)
        self.bank: CodeBank | None = None  # of codes that are styles
        if settings.encode_to == "w":
            w_dim = self.players["G"].network.w_dim
            self.bank = CodeBank(w_dim) if settings.mapping == "flow" else CodeCritic(w_dim)
            if isinstance(self.bank, CodeCritic):
                self.players["P"] = self.bank
        self.buffer = stabilisers.ReplayBuffer(settings.replay_buffer) if settings.replay_buffer else None
        self._made: Made | None = None  # fakes that D has just seen, with their graph, for G to answer for
        self._scores: dict[str, Tensor] = {}
        self._last_penalties: dict[str, Tensor] = {}  # as last measured, for the steps that skip them

    # --- the game

    def phases(self) -> tuple[Phase, ...]:
        drawing = tuple(name for name in ("G", "E") if name in self.players)
        phases = (
            Phase("discriminator", ("D",), self.discriminator_terms, self._critic_steps, self._clip),
            Phase("generator", drawing, self.generator_terms, lambda: self.settings.generator_steps),
        )
        if "P" not in self.players:
            return phases
        # after the generator's phase, which fills the bank of codes
        return (*phases, Phase("prior", ("P",), self.prior_terms, lambda: 0 if self._frozen() else 1))

    def _critic_steps(self) -> int:
        return self.settings.critic_steps if self._contested() else 0

    def _contested(self) -> bool:
        """Whether D takes part: from the start, but where the settings let E and G begin alone."""
        return "E" not in self.players or self.step >= self.settings.adversarial_from * self.total_steps

    def _frozen(self) -> int:
        """How many of G's coarsest resolutions stay as they are at present, with styles and encoder."""
        return self.settings.frozen if self._contested() else 0

    def discriminator_terms(self, batch: Batch) -> Terms:
        """D's loss: adversarial, class and code terms on real and fake, plus the penalties that are on."""
        self._grow()
        real, label = self._real(batch.images), batch.labels if self.labelled else None
        reuse = self.settings.critic_steps == 1 and not self.settings.unroll_steps
        if reuse:  # G has not moved when its own turn comes, so the graph is still the right one
            self._made = made = self._make(label, len(real))
        else:
            with torch.no_grad():
                made = self._make(label, len(real))
        fake = made.images.detach()
        if self.buffer is not None:
            fake = self.buffer.query(fake, self.generator)
        real_view, fake_view = self._view(real), self._view(fake)
        result, real_says, fake_says = self._discriminator_terms(self.players["D"], real_view, fake_view, label, made)
        self._scores = {"real": real_says.score.detach(), "fake": fake_says.score.detach()}
        return result

    def generator_terms(self, batch: Batch) -> Terms:
        """G's loss against today's discriminator, or one some steps ahead (unrolling), and that of reconstructions."""
        s = self.settings
        label = batch.labels if self.labelled else None
        again: Terms = {}
        if "E" in self.players:
            self._grow()
            again = self._reconstruction_terms(self._real(batch.images), batch)
            if not self._contested():
                return again
        made = self._made if self._made is not None else self._make(label, len(batch.images))
        self._made = None
        fake_view = self._view(made.images)
        needs_real = self.objective.relativistic or s.feature_matching > 0 or s.unroll_steps > 0
        real_view = self._view(self._real(batch.images)) if needs_real else None
        opponent = self._opponent(real_view, fake_view, made) if s.unroll_steps else self.players["D"]
        says = opponent(fake_view, made.label)
        real_says = None
        if self.objective.relativistic or s.feature_matching > 0:
            # G reaches the scores of reals only through the steps that an unrolled D takes
            with torch.set_grad_enabled(bool(s.unroll_steps)):
                real_says = opponent(real_view, made.label)
        adversarial = self.objective.generator(
            says.score, None if real_says is None else real_says.score, **self._options()
        )
        result: Terms = {"adversarial": adversarial * s.validity}
        if says.class_logits is not None:
            result["class"] = s.auxiliary * terms.class_cross_entropy(says.class_logits, made.label)
        if says.codes is not None:
            result["information"] = s.information * self._information(says.codes, made.codes)
        if s.feature_matching > 0 and real_says is not None:
            result["feature_matching"] = s.feature_matching * terms.feature_matching(real_says.features, says.features)
        if s.pulling_away > 0 and says.features is not None:
            result["pulling_away"] = s.pulling_away * terms.pulling_away(says.features)
        return result | again

    def _reconstruction_terms(self, real: Tensor, batch: Batch) -> Terms:
        """What E and G lose together on the pictures of a batch at the side that G draws at present, [N, C, s, s]."""
        s, shown, bank = self.settings, enlarge(real, self.info.size), self._bank()
        encoder, generator, frozen = self.players["E"], self.players["G"], self._frozen() > 0
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            if bank is not None:
                mean, _ = encoder(shown)
            else:
                z, mean, log_variance = encoder.draw(shown, self.generator)
        if bank is not None:
            drawn = generator.decode_styles(mean).float()
        else:
            drawn = generator.decode(z, batch.labels if self.labelled else None).float()
        distance = laplacian_l1(drawn, real, s.detail).mean()
        if s.perceptual > 0:
            distance = distance + s.perceptual * self.extractor.distance(drawn, real).mean()
        result = {"reconstruction": s.reconstruction * distance}
        if s.attribute_loss > 0:
            readings = [encoder.read_attributes(enlarge(drawn, self.info.size))]
            readings += [] if frozen else [encoder.attributes(mean)]
            result["attributes"] = s.attribute_loss * sum(
                terms.attribute_cross_entropy(logits, batch.attributes) for logits in readings
            )
        if frozen:  # codes and styles stay as they are
            return result
        if bank is not None:
            bank.keep(distributed.gathered(mean.detach()))  # all processes have one bank
            return result | self._mapping_terms(bank)
        if s.kl > 0:
            result["kl"] = s.kl * terms.normal_divergence(mean, log_variance)
        if s.moments > 0:
            result["moments"] = s.moments * encoder.moments_loss(mean)
        return result

    def _bank(self) -> CodeBank | None:
        """The bank of codes, where the players are now."""
        return None if self.bank is None else self.bank.to(next(self.players["E"].parameters()).device)

    def _mapping_terms(self, bank: CodeBank) -> Terms:
        """What the mapping network loses: its game against the critic of codes, or the matching of its flow."""
        if isinstance(bank, CodeCritic):
            codes, styles = self._codes_and_styles()
            return {"prior": CODES_OBJECTIVE.generator(bank(styles), bank(codes))}
        network, codes = self.players["G"].network, bank.draw(CODES_CARRIED, self.generator)
        network.mapping.settle(bank.mean, bank.deviation)
        network.w_mean.copy_(bank.mean)
        z = draw_latents(self.settings, len(codes), self.generator, codes.device)
        t = torch.rand(len(codes), device=codes.device, generator=self.generator)
        return {"flow": network.mapping.matching_loss(z, codes, t)}

    def _codes_and_styles(self, count: int = CODES_COMPARED) -> tuple[Tensor, Tensor]:
        """Codes of pictures, from the bank, and as many styles that the mapping network draws: [count, w_dim] each."""
        codes = self._bank().draw(count, self.generator)
        z = draw_latents(self.settings, count, self.generator, codes.device)
        return codes, self.players["G"].network.styles(z)

    def prior_terms(self, batch: Batch) -> Terms:
        """The loss of P, the critic of codes: tell codes of pictures from styles that the mapping network draws."""
        critic = self.players["P"]
        if self.step % FIT_EVERY == 0:
            self._fit_mapping()
        with torch.no_grad():
            codes, styles = self._codes_and_styles()
        result: Terms = {"adversarial": CODES_OBJECTIVE.discriminator(critic(codes), critic(styles))}
        for name in ("r1", "r2"):
            penalty = penalties.PENALTIES[name]
            result[name] = CODES_GAMMA * penalty(critic, codes, styles, self.generator)
        return result

    def _fit_mapping(self) -> None:
        """Bring mean and covariance of styles to those of codes, in closed form: P has the rest to teach."""
        critic, mapping = self.players["P"], self.players["G"].network.mapping
        codes = critic.bank[: int(critic.kept)]
        if len(codes) >= 2 * codes.shape[1]:  # else their covariance is of too low a rank
            z = draw_latents(self.settings, len(critic.bank), self.generator, codes.device)
            mapping.fit(z, codes.mean(0), torch.cov(codes.T))

    def _discriminator_terms(
        self, judge: Callable[..., Judgement], real: Tensor, fake: Tensor, label: Tensor | None, made: Made
    ) -> tuple[Terms, Judgement, Judgement]:
        """D's terms for any `judge` (D itself, or D at unrolled weights)."""
        s = self.settings
        real_says, fake_says = judge(real, label), judge(fake, made.label)
        options = self._options()
        if self.objective.soft_targets and (s.label_smoothing or s.noisy_labels or s.label_flip):
            kwargs = {
                "noisy": s.noisy_labels,
                "flip": s.label_flip,
                "generator": self.generator,
                "device": real.device,
            }
            options["real_target"] = stabilisers.real_targets(len(real), smoothing=s.label_smoothing, **kwargs)
            options["fake_target"] = stabilisers.fake_targets(len(fake), **kwargs)
        adversarial = self.objective.discriminator(real_says.score, fake_says.score, **options)
        result: Terms = {"adversarial": adversarial * s.validity}
        if real_says.class_logits is not None:
            on_real = terms.class_cross_entropy(real_says.class_logits, label)
            on_fake = terms.class_cross_entropy(fake_says.class_logits, made.label)
            result["class"] = s.auxiliary * 0.5 * (on_real + on_fake)
        if fake_says.codes is not None:
            result["information"] = s.information * self._information(fake_says.codes, made.codes)
        result |= self._penalties(lambda x: judge(x, label).score, real, fake)
        return result, real_says, fake_says

    def _penalties(self, score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Terms:
        """The weighted penalties that are on.

        With `penalty_every` k they act at every k-th step, k times as strong (lazy regularisation, Karras et al. 2019,
        arXiv 1912.04958, section 4.1); the charts show the plain value throughout.
        """
        s = self.settings
        result: Terms = {}
        for name, penalty in penalties.PENALTIES.items():
            if s[name] <= 0:
                self._last_penalties.pop(name, None)
            elif self.step % s.penalty_every == 0:
                value = s[name] * penalty.function(score, real, fake, self.generator)
                self._last_penalties[name] = value.detach()
                # the value stays what it is, its gradient counts k times
                result[name] = value + (s.penalty_every - 1) * (value - value.detach())
            elif name in self._last_penalties:
                result[name] = self._last_penalties[name]
        return result

    def _opponent(self, real: Tensor, fake: Tensor, made: Made) -> Callable[..., Judgement]:
        """D after `unroll_steps` further Adam steps on this batch, as a differentiable function of the fakes.

        Metz et al. 2016 (arXiv 1611.02163), eq. 4 to 7. The look-ahead sees the same real and fake batch at each step,
        starts Adam's moments from zero, and leaves D itself untouched.
        """
        discriminator = self.players["D"]
        weights = {name: p.detach().requires_grad_() for name, p in discriminator.named_parameters()}
        buffers = {name: b.clone() for name, b in discriminator.named_buffers()}
        s = self.settings
        beta1, beta2 = s.beta1, s.beta2
        rate = s.learning_rate_d * learning_rate_factor(self.step, self.total_steps, s.rate_decay, hold=s.decay_from)

        def judge(at: dict[str, Tensor]) -> Callable[..., Judgement]:
            return lambda x, label=None: functional_call(discriminator, (at, buffers), (x, label))

        first = {name: torch.zeros_like(w) for name, w in weights.items()}
        second = {name: torch.zeros_like(w) for name, w in weights.items()}
        for t in range(1, s.unroll_steps + 1):
            losses, _, _ = self._discriminator_terms(judge(weights), real, fake, made.label, made)
            gradients = torch.autograd.grad(
                sum(losses.values()), list(weights.values()), create_graph=True, allow_unused=True
            )
            moved = {}
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                if gradient is None:
                    moved[name] = weight
                    continue
                first[name] = beta1 * first[name] + (1 - beta1) * gradient
                second[name] = beta2 * second[name] + (1 - beta2) * gradient.square()
                # inside the root: the derivative of √v at v = 0 is infinite
                root = (second[name] / (1 - beta2**t) + 1e-16).sqrt()
                moved[name] = weight - rate * (first[name] / (1 - beta1**t)) / root
            weights = moved
        return judge(weights)

    # --- its parts

    def _make(self, label: Tensor | None, count: int) -> Made:
        device = next(self.players["G"].parameters()).device
        if self.bank is not None:
            return Made(self._drawn_from_styles(count), None, None)
        z = draw_latents(self.settings, count, self.generator, device)
        codes = self.codes.sample(count, self.generator, device) if self.codes else None
        return Made(self.players["G"](z, label, codes), label, codes)

    def _drawn_from_styles(self, count: int) -> Tensor:
        """Pictures of styles, of which a half are codes of real pictures where there are any yet. Their gradient does
        not reach the mapping network: D teaches how to draw, and codes which styles there are."""
        network = self.players["G"].network
        with torch.no_grad():
            codes, styles = self._codes_and_styles(count)
            w = torch.cat([codes[: count // 2], styles[count // 2 :]]) if self.step else styles
        if network.mixing > 0:
            w = network.style_mixing(w, w.flip(0), 2 * (network.stage + 1), network.mixing)
        return network.synthesis(w, "random")

    def _view(self, images: Tensor) -> Tensor:
        """What D is shown of `images`: augmented, blurred by instance noise, packed; each where it is on."""
        images, packing = self.disguised(images), self.settings.packing
        return stabilisers.pack(images, packing) if packing > 1 else images

    def _real(self, images: Tensor) -> Tensor:
        """Real pictures as D meets them: mirrored at random, and no larger than a growing generator can make."""
        if self.settings.flip:
            turned = torch.rand(len(images), 1, 1, 1, device=images.device, generator=self.generator) < 0.5
            images = torch.where(turned, images.flip(3), images)
        network = self.players["G"].network
        return fade_real(images, network.resolution, network.alpha) if isinstance(network, Growing) else images

    def _growth(self) -> tuple[int, float] | None:
        """(stage, α) of the present step; None for networks that don't grow."""
        network = self.players["G"].network
        if not isinstance(network, Growing):
            return None
        if not self.settings.grow:
            return len(network.resolutions) - 1, 1.0
        return growth(self.step, self.total_steps, self.info.size, start=min(self.settings.grow_from, self.info.size))

    def _grow(self) -> None:
        """Bring both players to the stage that the schedule asks for."""
        stage = self._growth()
        if stage is not None:
            self._settle(self.players["G"].network, stage)
            self.players["D"].trunk.set_growth(*stage)

    def _settle(self, network: Growing, stage: tuple[int, float]) -> None:
        """Bring a generator, or its average, which has a copy of its own, to a stage and to the knobs as they are."""
        network.set_growth(*stage)
        network.mixing, network.mixed_dim = self.settings.style_mixing, self.settings.latent_dim
        network.noisy, network.frozen = self.settings.style_noise, self._frozen()

    def _information(self, predicted: Tensor, codes: Tensor) -> Tensor:
        """Minus the variational bound on I(codes; picture), up to the codes' constant entropy."""
        logits, means = self.codes.split_prediction(predicted)
        categories, continuous = self.codes.split(codes)
        total = predicted.new_zeros(())
        for logit, category in zip(logits, categories, strict=True):
            total = total + terms.categorical_information(logit, category)
        return total + terms.continuous_information(means, continuous) if self.codes.continuous else total

    def _options(self) -> dict[str, Any]:
        """The objective's options from the knobs of the same name."""
        return objective_options(self.objective, self.settings)

    def _clip(self) -> None:
        if self.settings.weight_clip > 0:
            penalties.clip_weights_(self.players["D"].parameters(), self.settings.weight_clip)

    # --- what is seen of it

    def grid_plan(self) -> GridPlan:
        if self.info.world:
            return GridPlan(1, 1)
        if self.labelled:
            names = self.info.classes[:10]
            return GridPlan(len(names), 8 if self.info.size <= 64 else 4, names)
        if self.codes and self.codes.categorical:
            count = min(self.codes.categorical[0], 10)
            return GridPlan(count, 8, tuple(f"code {i}" for i in range(count)))
        side = {16: 8, 32: 8, 64: 6}.get(self.info.size, 4)
        return GridPlan(side, side)

    def grid(self, players: dict[str, nn.Module], seed: int) -> Tensor:
        plan = self.grid_plan()
        generator = players["G"]
        device = next(generator.parameters()).device
        count = plan.rows * plan.columns
        if self.info.world:
            return self.sample_points(generator, POINTS_SHOWN, torch.Generator(device).manual_seed(seed))
        label = row_labels(len(self.info.classes), plan.columns, plan.rows, device) if self.labelled else None
        codes = None
        if self.codes:
            codes = self.codes.sample(count, torch.Generator().manual_seed(seed), device)
            if self.codes.categorical:
                rows = row_labels(self.codes.categorical[0], plan.columns, plan.rows, device)
                codes = self.codes.join([rows], self.codes.split(codes)[1])
        z = torch.from_numpy(seeded_latents(self.settings, count, seed)).to(device)
        layers.set_generator(generator, torch.Generator(device).manual_seed(seed))
        stage = self._growth()
        if stage is not None:
            self._settle(generator.network, stage)
        return enlarge(generator(z, label, codes), self.info.size)

    def sample_points(self, network: nn.Module, count: int, generator: torch.Generator) -> Tensor:
        """`count` points [N, d, 1, 1] that `network` makes of what `generator` draws; classes are dealt out in turn."""
        device = next(network.parameters()).device
        return self.points_of(network, draw_latents(self.settings, count, generator, device), generator)

    def points_of(self, network: nn.Module, z: Tensor, generator: torch.Generator) -> Tensor:
        """The same of the noise `z` [N, latent_dim]; codes are drawn by `generator`."""
        codes = self.codes.sample(len(z), generator, z.device) if self.codes else None
        return network(z, self.dealt_labels(len(z), z.device), codes)

    def dealt_labels(self, count: int, device: torch.device | str = "cpu") -> Tensor | None:
        """The classes dealt out in turn, int64 [count]; None where none are told."""
        return torch.arange(count, device=device) % len(self.info.classes) if self.labelled else None

    def judged(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """D's score of each of `images` [N, ...] as it is shown to people: a probability, or a critic's own number (of
        an energy: its negative). A packing D is shown copies of the same sample."""
        if self.settings.packing > 1:
            images = images.repeat(1, self.settings.packing, 1, 1)
        score = self.players["D"](images, label).score
        return score if self.objective.critic or self.objective.energy else torch.sigmoid(score)

    def pull(self, fake: Tensor, real: Tensor, label: Tensor | None = None) -> Tensor:
        """Where G's loss would have each fake go: −N ∂L_G/∂x, shaped as `fake`, without look-ahead or added noise.

        Args:
            fake, real: as many samples, a multiple of the packing.
            label: of the fakes (and of the reals beside them).
        """
        fake = fake.detach().requires_grad_()
        packing = self.settings.packing
        shown = [stabilisers.pack(x, packing) if packing > 1 else x for x in (fake, real)]
        with torch.enable_grad():
            score = self.players["D"](shown[0], label).score
            of_real = self.players["D"](shown[1], label).score if self.objective.relativistic else None
            loss = self.objective.generator(score, of_real, **self._options())
            (gradient,) = torch.autograd.grad(loss, fake)
        return -len(fake) // packing * gradient

    def observations(self) -> dict[str, Tensor]:
        seen: dict[str, Tensor] = {}
        if self._scores:  # else G has been trained alone
            real, fake = self._scores["real"].float(), self._scores["fake"].float()
            shown = (lambda s: s) if self.objective.critic or self.objective.energy else torch.sigmoid
            seen = {
                "score_real": shown(real).mean(),
                "score_fake": shown(fake).mean(),
                "accuracy_d": (real[:, None] > fake[None, :]).float().mean(),
            }
        network = self.players["G"].network
        if isinstance(network, Growing) and self.settings.grow:
            device = next(network.parameters()).device
            seen |= {
                name: torch.full((), float(value), device=device)
                for name, value in (("resolution", network.resolution), ("alpha", network.alpha))
            }
        return seen

    def histograms(self) -> dict[str, Tensor]:
        return dict(self._scores)

    def singular_values(self) -> dict[str, Tensor]:
        return layers.singular_values(self.players["D"]) if self.settings.spectral_norm else {}

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = {"penalties": dict(self._last_penalties)} if self._last_penalties else {}
        if self.bank is not None and "P" not in self.players:
            state["bank"] = self.bank.state_dict()
        return state if self.buffer is None else {**state, "buffer": self.buffer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        device = next(self.players["D"].parameters()).device
        self._last_penalties = {name: value.to(device) for name, value in state.get("penalties", {}).items()}
        if self.bank is not None and "bank" in state:
            self.bank.load_state_dict(state["bank"])
        if self.buffer is not None and "buffer" in state:
            self.buffer.load_state_dict(state["buffer"])

    def check_change(self, name: str, value: Any) -> None:
        changed = Settings(self.settings)
        changed[name] = value
        check_together(changed, self.info)
        if name == "reconstruction" and (value > 0) != ("E" in self.players):
            raise UsageError(
                "An encoder can't be added or taken away while a training runs: start a new run with reconstruction "
                f"{'set' if value > 0 else '0'}."
            )
        for knob, head in (("auxiliary", "A class head"), ("attribute_loss", "A reader of attributes")):
            if name == knob and (value > 0) != (self.settings[knob] > 0):
                raise UsageError(
                    f"{head} can't be added or taken away while a training runs: start a new run with {knob} "
                    f"{'set' if value > 0 else '0'}."
                )

    @classmethod
    def sampling_networks(cls, settings: Settings, info: DataInfo) -> dict[str, nn.Module]:
        return {"G": Generator(settings, info)}

    @classmethod
    def describe(cls, settings: Settings, info: DataInfo) -> list[tuple[str, list[Any]]]:
        check_together(settings, info)
        generator = Generator(settings, info)
        vector = torch.zeros(2, settings.latent_dim + generator.label_input.extra_dim)
        if generator.codes:
            vector = torch.zeros(2, vector.shape[1] + generator.codes.dim)
        energy = objectives.OBJECTIVES[settings.objective].energy
        if energy:
            body = EnergyDiscriminator(settings, info).autoencoder
            pictures = torch.zeros(2, info.channels * settings.packing, info.size, info.size)
        else:
            whole = Discriminator(settings, info)
            body = nn.Sequential(whole.trunk, whole.score_head)
            pictures = torch.zeros(
                2, info.channels * settings.packing + whole.maps.extra_channels, info.size, info.size
            )
        name = "Critic" if objectives.OBJECTIVES[settings.objective].critic else "Discriminator"
        shown = [("Generator", describe_network(generator.network, vector)), (name, describe_network(body, pictures))]
        if settings.reconstruction > 0:
            pictures = torch.zeros(2, info.channels, info.size, info.size)
            shown.append(("Encoder", describe_network(encoder_of(settings, info), pictures)))
        return shown


def check_together(settings: Settings, info: DataInfo) -> None:
    """Raise UsageError, with one sentence, for settings that don't go together or don't suit the data."""
    s = settings
    objective = objectives.OBJECTIVES[s.objective]
    check_one_sided(info)
    if info.world and (s.augment != "none" or s.flip):
        raise UsageError("Mirroring and augmentation are for pictures: set flip to false and augment to none.")
    if (s.condition != "none" or s.auxiliary > 0) and len(info.classes) < 2:
        if info.world:
            raise UsageError(f"This preset needs classes and '{info.name}' has none: take 'ring', 'grid' or 'blobs'.")
        raise UsageError(
            f"This preset needs labelled pictures and '{info.name}' has none: sort them into one folder a class, "
            "or use 'faces' or 'shapes'."
        )
    if s.auxiliary > 0 and s.condition == "none":
        raise UsageError("The class loss needs a condition: set condition to embedding or onehot.")
    if not objective.soft_targets and (s.label_smoothing or s.noisy_labels or s.label_flip):
        raise UsageError(
            f"Label smoothing, noise and flipping need targets, which the objective '{s.objective}' does not have: "
            "use non-saturating, minimax or least-squares."
        )
    if objective.energy and (
        s.condition != "none" or s.code_categories or s.code_continuous or s.spectral_norm or s.minibatch != "none"
    ):
        raise UsageError(
            "With the energy objective D is an auto-encoder: it takes no condition, codes, spectral normalisation or "
            "minibatch layer."
        )
    if objective.energy and s.weight_clip > 0:
        raise UsageError(
            "With the energy objective D is an auto-encoder, which clipping would cripple: set weight_clip to 0."
        )
    if s.pulling_away > 0 and not objective.energy:
        raise UsageError("The pulling-away term belongs to the energy objective: set objective to energy.")
    if s.packing > 1 and (s.condition != "none" or s.code_categories or s.code_continuous):
        raise UsageError(
            "Packing shows D several samples at once, which may not share a label: use it unconditionally."
        )
    if s.packing > 1 and s.batch_size % s.packing:
        raise UsageError(f"batch_size must be a multiple of packing: {s.batch_size} is not a multiple of {s.packing}.")
    if s.information > 0 and not (s.code_categories or s.code_continuous):
        raise UsageError("Mutual information needs codes: set code_categories or code_continuous.")
    if s.replay_buffer and (s.condition != "none" or s.code_categories or s.code_continuous):
        raise UsageError("The replay buffer keeps pictures without their labels or codes: use it unconditionally.")
    if s.unroll_steps and s.replay_buffer:
        raise UsageError("Unrolling differentiates through D's view of fresh fakes: switch the replay buffer off.")
    if s.architecture == "style" and s.objective == "energy":
        raise UsageError("The style architecture has no auto-encoder: choose another objective than energy.")
    if s.grow and s.architecture != "style":
        raise UsageError("Only the style architecture can grow: set architecture to style, or grow to false.")
    if s.grow and s.condition == "embedding" and not s.auxiliary:
        raise UsageError("A growing discriminator takes its labels as onehot or projection, not as embedding.")
    if s.reconstruction > 0 and (info.world or s.code_categories or s.code_continuous or objective.energy):
        raise UsageError(
            "An encoder beside G is for pictures, without InfoGAN's codes and with another objective than energy: set "
            "reconstruction to 0."
        )
    if s.attribute_loss > 0 and not s.reconstruction:
        raise UsageError(
            "Attributes are read in the codes of an encoder: set reconstruction above 0, or attribute_loss to 0."
        )
    if s.attribute_loss > 0 and not info.attributes:
        raise UsageError(
            f"'{info.name}' has no attributes to read: set attribute_loss to 0, or use 'faces' or 'shapes'."
        )
    if s.encode_to == "w":
        if s.architecture != "style" or not s.reconstruction:
            raise UsageError(
                "Codes lie in w where a style-based generator has an encoder: set architecture to style and "
                "reconstruction above 0, or encode_to to z."
            )
        if s.condition != "none" or s.kl or s.moments:
            raise UsageError(
                "Codes in w are free, and of no class: set condition to none, kl and moments to 0, or encode_to to z."
            )
    if s.mapping == "flow":
        if s.encode_to != "w":
            raise UsageError("A flow carries noise to codes of an encoder: set encode_to to w, or mapping to dense.")
        if s.latent_dim != w_dim_of(s):
            raise UsageError(
                f"A flow needs as many numbers in z as in w: set w_dim to {s.latent_dim}, or latent_dim to "
                f"{w_dim_of(s)}."
            )
    if s.adversarial_from > 0 and not s.reconstruction:
        raise UsageError(
            "G has nothing to learn from before D joins: set reconstruction above 0, or adversarial_from 0."
        )
    if s.frozen and (s.architecture != "style" or s.frozen >= (info.size // 4).bit_length()):
        raise UsageError(
            "Resolutions can be frozen of a style-based generator, all but the last of them: set architecture to style "
            f"and frozen to less than {(info.size // 4).bit_length()}, or to 0."
        )
    if s.grow and s.unroll_steps:
        raise UsageError("Unrolling and growing don't go together: switch one of them off.")
