"""The Guide: one page a preset, composed from what it sets, so that a new row of the table has its page at once."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gradio as gr

from playground.knobs import Settings
from playground.methods import METHODS, find_method, method_settings
from playground.ui import controls
from playground.ui.context import plain_html, spoken
from playground.ui.tabs.train import TrainTab, fill_preset, needed, section_of

LATEX = [{"left": "$$", "right": "$$", "display": True}, {"left": "$", "right": "$", "display": False}]


@dataclass(frozen=True)
class Term:
    """What a knob adds to a loss: LaTeX, with the knob's value for `{value}`, and a remark on its symbols."""

    knob: str
    latex: str
    remark: str = ""

    def written(self, values: Settings) -> str:
        """The LaTeX with the knob's value; a factor of 1 is left out."""
        latex = self.latex.format(value=controls.show(values[self.knob]))
        return latex.removeprefix(r"1\,").removeprefix(r"1\cdot")


_D_TERMS = (
    Term(
        "gradient_penalty",
        r"{value}\,\mathbb{{E}}\big(\lVert\nabla D(\hat x)\rVert_2 - 1\big)^2",
        r"$\hat x = u\,x + (1-u)\,G(z)$, $u \sim U(0,1)$: points between real and fake.",
    ),
    Term(
        "dragan",
        r"{value}\,\mathbb{{E}}\big(\lVert\nabla D(x+\delta)\rVert_2 - 1\big)^2",
        r"$\delta = \tfrac12\,\mathrm{std}(x)\,U(0,1)$: points around the real pictures.",
    ),
    Term(
        "r1", r"\tfrac{{{value}}}{{2}}\,\mathbb{{E}}\lVert\nabla D(x)\rVert^2", "R1: the slope of D at real pictures."
    ),
    Term("r2", r"\tfrac{{{value}}}{{2}}\,\mathbb{{E}}\lVert\nabla D(G(z))\rVert^2", "R2: the slope of D at fakes."),
    Term(
        "auxiliary",
        r"{value}\,\big(\mathrm{{CE}}(C(x), y) + \mathrm{{CE}}(C(G(z,y)), y)\big)",
        "$C$ is a second head of D that names the class.",
    ),
    Term(
        "information",
        r"{value}\,\mathrm{{H}}\big(Q(G(z,c)), c\big)",
        "$Q$ is a second head of D that reads the codes $c$ back from the picture: the less it is surprised, the more "
        "information the picture keeps about them.",
    ),
)
_G_TERMS = (
    Term("auxiliary", r"{value}\,\mathrm{{CE}}(C(G(z,y)), y)"),
    Term("information", r"{value}\,\mathrm{{H}}\big(Q(G(z,c)), c\big)"),
    Term(
        "pulling_away",
        r"{value}\cdot\tfrac{{1}}{{N(N-1)}}\sum_{{i\ne j}}\cos^2(s_i, s_j)",
        "$s_i$ is the code of fake $i$ inside D: the pulling-away term keeps a batch from lining up.",
    ),
    Term(
        "feature_matching",
        r"{value}\,\lVert\mathbb{{E}}\,\phi(x) - \mathbb{{E}}\,\phi(G(z))\rVert^2",
        r"$\phi$ are features inside D.",
    ),
    Term(
        "reconstruction",
        r"{value}\,\delta\big(G(z_x), x\big)",
        r"$z_x \sim q(z \mid x)$ is the code that an encoder gives a real picture $x$, and $\delta$ how far what G "
        "draws of it is from $x$: in every octave of detail (more where $x$ has some, with detail above 0), and in "
        "features where the perceptual λ is on.",
    ),
    Term("kl", r"{value}\,\mathrm{{KL}}\big(q(z \mid x)\,\Vert\,\mathcal{{N}}(0, 1)\big)"),
    Term(
        "moments",
        r"{value}\,\big(\lVert m\rVert^2 + \lVert C - I\rVert^2\big)",
        "$m$ and $C$ are mean and covariance of the codes of all pictures.",
    ),
    Term(
        "attribute_loss",
        r"{value}\,\big(\mathrm{{H}}(A(x), a) + \mathrm{{H}}(A(G(z_x)), a)\big)",
        "$A$ reads the known attributes $a$ in the code of a picture: of $x$, which E learns from, and of what G draws "
        "of it, which G does.",
    ),
)
_COUPLED = (
    "- Both are sums over the two sides: once with pictures $x$ of A, $G_A$ and $D_A$, once with pictures of B, $G_B$ "
    "and $D_B$. $G_A$ and $G_B$ get the same $z$ and share all layers but the last two; $D_A$ and $D_B$ share their "
    "last ones."
)
# Rules beside the losses, by knob: shown where the knob is on.
_RULES = {
    "weight_clip": r"After each step of D, every weight is clipped to $[-{value}, {value}]$.",
    "spectral_norm": r"Each layer of D is $W / \sigma(W)$, with $\sigma$ the largest singular value (power iteration).",
    "unroll_steps": r"G answers the D of {value} steps later, and is differentiated through those steps.",
    "adversarial_from": "D joins when {value} of the run is over: G and its encoder begin with reconstructions alone.",
}


def formulas(values: Settings) -> str:
    """Markdown with the two losses that a preset's settings make, and the rules beside them."""
    from playground.objectives import find_objective

    objective = find_objective(values.objective)
    losses = [
        _equation(player, formula, [term.written(values) for term in terms if values[term.knob]])
        for player, formula, terms in (("D", objective.formula_d, _D_TERMS), ("G", objective.formula_g, _G_TERMS))
    ]
    notes = _objective_notes(values)
    notes += [term.remark for term in (*_D_TERMS, *_G_TERMS) if values[term.knob] and term.remark]
    notes += [rule.format(value=controls.show(values[knob])) for knob, rule in _RULES.items() if values[knob]]
    if values.encode_to == "w":
        taught = (
            r"as a flow: along $\dot w = v(w, t)$ from $z$ in a few steps, where $v$ minimises "
            r"$\lVert v((1-t)\,z + t\,E(x),\, t) - (E(x) - z)\rVert^2$."
            if values.mapping == "flow"
            else "by a game of its own, against a critic $P$ of codes: it minimises "
            r"$\mathrm{softplus}\big(P(E(x)) - P(f(z))\big)$, and $P$ the opposite, with R1 and R2."
        )
        notes.append(
            "The codes are styles, $w = E(x)$, and free to lie as they will. The mapping network $f$ learns to make "
            f"such styles of $z$ {taught}"
        )
    if values.condition != "none":
        # D would have no task left; a projection looks at the class only after the features it is told from
        alone = values.auxiliary and values.condition != "projection"
        who = "G is told" if alone else "Both networks are told"
        notes.append(f"{who} the class $y$ ({values.condition}).")
    if values.critic_steps > 1:
        notes.append(f"D takes {values.critic_steps} steps for each step of G.")
    return "\n\n".join(losses) + "\n\n" + "\n".join(f"- {note}" for note in notes)


def reading_formula(values: Settings) -> str:
    """Markdown with the loss of a classifier."""
    terms, notes = [], ["$C(x)$ are the scores of the classes (logits), $y$ the true one."]
    if values.auxiliary:
        weight = "" if values.auxiliary == 1 else rf"{controls.show(values.auxiliary)}\,"
        terms.append(rf"{weight}\mathbb{{E}}\big[-\log\mathrm{{softmax}}(C(x))_y\big]")
    if values.attribute_loss:
        weight = "" if values.attribute_loss == 1 else rf"{controls.show(values.attribute_loss)}\,"
        terms.append(rf"{weight}\mathbb{{E}}\big[-a\log\sigma(A(x)) - (1-a)\log(1-\sigma(A(x)))\big]")
        notes = [
            r"$A(x)$ are the scores of the attributes, $\sigma(t) = 1/(1+e^{-t})$, and $a$ is the truth, in $[0, 1]$.",
            "Where the pictures have classes too, $C(x)$ names them and $y$ is the true one.",
        ]
    terms.reverse()
    changes = "a little moved, brightened, blurred and strewn with noise, which leaves the answer as it is"
    notes.append(f"$x$ are pictures {changes}.")
    return _equation("C", terms[0], terms[1:]) + "\n\n" + "\n".join(f"- {note}" for note in notes)


def translation_formula(values: Settings) -> str:
    """Markdown with the losses of a translator and its discriminator."""
    from playground.objectives import find_objective

    objective = find_objective(values.objective)

    def weighted(knob: str, formula: str) -> str:
        weight = "" if values[knob] == 1 else rf"{controls.show(values[knob])}\,"
        return weight + formula

    terms, notes = [], [r"$x$ is the input, $y$ what it should become, $G(x)$ what G makes of it."]
    coded = values.kl or values.content_loss or values.style_loss
    if coded:
        written, notes = _coded_terms(values)
        terms = [weighted(knob, formula) for knob, formula in written if values[knob]]
    elif values.cycle:
        terms.append(weighted("cycle", r"\mathbb{E}\,\lVert G_{BA}(G_{AB}(a)) - a\rVert_1"))
        notes = [
            "$a$ and $b$ are pictures of the two sides; they don't belong together. The losses of the way back, from B "
            "to A, are the same with $a$ and $b$ exchanged.",
        ]
        if values.identity:
            terms.append(weighted("identity", r"\mathbb{E}\,\lVert G_{AB}(b) - b\rVert_1"))
    elif values.reconstruction:
        terms.append(weighted("reconstruction", r"\mathbb{E}\,\lVert y - G(x)\rVert_1"))
        notes.append(r"Where $y$ is a label map, $\lVert\cdot\rVert_1$ stands for the cross-entropy of its labels.")
        if values.detail:
            notes.append(
                "Of pictures it is the sum over all octaves of detail, of which a place counts more where $y$ has some."
            )
    if values.perceptual and not coded and not values.cycle:
        terms.append(weighted("perceptual", r"\mathbb{E}\,\delta(y, G(x))"))
        notes.append(r"$\delta$ is the distance in the features of a network trained before, features-v1.")
    if values.feature_matching and not coded:
        terms.append(weighted("feature_matching", r"\mathbb{E}\,\lVert\phi(x, y) - \phi(x, G(x))\rVert_1"))
        notes.append(r"$\phi$ are the maps inside D, of all its layers.")
    if not values.validity:
        return _equation("G", terms[0], terms[1:]) + "\n\n" + "\n".join(f"- {note}" for note in notes)
    weight = "" if values.validity == 1 else rf"{controls.show(values.validity)}\,"
    judged = _equation("D", objective.formula_d, [])
    drawn = _equation("G", weight + objective.formula_g, terms)
    fake = ("G_B(z_a)" if values.kl else "G_B(c_a, s)") if coded else "G_{AB}(a)" if values.cycle else "G(x)"
    notes.append(rf"$D$ scores overlapping patches of {values.patch} pixels; $G(z)$ in its losses is ${fake}$ here.")
    notes += _objective_notes(values)
    return f"{judged}\n\n{drawn}\n\n" + "\n".join(f"- {note}" for note in notes)


def _coded_terms(values: Settings) -> tuple[list[tuple[str, str]], list[str]]:
    """(knob, formula) of each term of the generators of UNIT (where `kl` is on) or MUNIT, and notes on the symbols."""
    other_way = "The losses of the way back, from B to A, are the same with $a$ and $b$ exchanged."
    if values.kl:
        divergence = r"\mathbb{E}\,\mathrm{KL}\big(\mathcal{N}(%s, 1)\,\Vert\,\mathcal{N}(0, 1)\big)"
        written = [
            ("reconstruction", r"\mathbb{E}\,\lVert G_A(z_a) - a\rVert_1"),
            ("kl", divergence % r"\mu_A(a)"),
        ]
        notes = [
            r"$a$ is a picture of A and $z_a = \mu_A(a) + \varepsilon$, $\varepsilon \sim \mathcal{N}(0, 1)$, its "
            r"code; $G_A$ and $G_B$ decode a code as a picture of A and of B. The last layers of both encoders $\mu$ "
            "and the first of both decoders are the same.",
            other_way,
        ]
        if values.cycle:
            written += [
                ("cycle", r"\mathbb{E}\,\lVert G_A(z_{ab}) - a\rVert_1"),
                ("kl", divergence % r"\mu_B(G_B(z_a))"),
            ]
            notes.insert(1, r"$z_{ab} = \mu_B(G_B(z_a)) + \varepsilon'$ is the code of the translation.")
        return written, notes
    return [
        ("reconstruction", r"\mathbb{E}\,\lVert G_A(c_a, s_a) - a\rVert_1"),
        ("content_loss", r"\mathbb{E}\,\lVert C_B(G_B(c_a, s)) - c_a\rVert_1"),
        ("style_loss", r"\mathbb{E}\,\lVert S_B(G_B(c_a, s)) - s\rVert_1"),
        ("cycle", r"\mathbb{E}\,\lVert G_A(C_B(G_B(c_a, s)), s_a) - a\rVert_1"),
    ], [
        r"$a$ is a picture of A, $c_a = C_A(a)$ its content and $s_a = S_A(a)$ its style; $s \sim \mathcal{N}(0, 1)$ "
        r"is a style of B, and $G_B(c_a, s)$ the content of $a$ in that style.",
        other_way,
    ]


def _objective_notes(values: Settings) -> list[str]:
    """What the symbols of the objective's formula stand for, and which of its forms the preset takes."""
    from playground.objectives import find_divergence

    if values.objective == "f-gan":
        row = find_divergence(values.divergence)
        return [
            f"{row.title}: $f(u) = {row.formula_f}$, $g_f(v) = {row.formula_activation}$, "
            f"$f^*(t) = {row.formula_conjugate}$.",
            f"G's loss is taken in its {values.generator_form} form.",
        ]
    if values.objective == "kl-wgan":
        return [f"D's loss is taken in its {values.kl_form} form."]
    if values.objective == "energy":
        margin = controls.show(values.margin)
        return [f"$E(x)$ is the error with which D, an auto-encoder, reconstructs $x$; the margin is $m = {margin}$."]
    if values.objective in ("minimax", "non-saturating", "relativistic"):
        return [r"$\mathrm{sp}(t) = \log(1+e^t)$, $\sigma(t) = 1/(1+e^{-t})$; $D$ is the score before the sigmoid."]
    return []


def _equation(player: str, formula: str, extra: list[str]) -> str:
    formula = "{-}" + formula[1:] if formula.startswith("-") else formula  # a sign, not a difference
    body = formula.replace(r"\;\text{ or }\;", r"\\[2pt] &\text{or}\quad ")
    more = "".join(rf"\\[2pt] &\;+\;{term}" for term in extra)
    return rf"$$\begin{{aligned}} L_{player} = {{}}&{body}{more} \end{{aligned}}$$"


def head(name: str) -> str:
    """HTML: title, summary and reference of a preset."""
    method = find_method(name)
    title, summary, reference, url = map(html.escape, (method.title, method.summary, method.reference, method.url))
    return (
        f"<header class='pg-page-head'><p class='pg-kicker'>{section_of(method)}</p><h2>{title}</h2>"
        f"<p class='pg-lead'>{summary}</p><p class='pg-fine'>{reference} · "
        f"<a href='{url}' target='_blank' rel='noopener'>{url}</a></p></header>"
    )


def advice(name: str) -> str:
    """HTML: what to look for, and what the preset sets."""
    method = find_method(name)
    sets = controls.differences(name) or "<p>Nothing: it is the default of every setting.</p>"
    needs = needed(method) and f"<p>It needs {needed(method)}.</p>"
    return (
        f"<div class='pg-advice'><h3>What to look for</h3><p>{html.escape(method.look_for)}</p>{needs}"
        f"<h3>What it sets</h3>{sets}</div>"
    )


@lru_cache(maxsize=64)
def sketches(name: str) -> str:
    """HTML: a drawing of each network of a preset, at 32 pixels in colour with ten classes where labels are needed."""
    from playground.estimate import example_info
    from playground.families import describe
    from playground.networks.describe import sketch_svg

    method = find_method(name)
    info = example_info(name)
    drawings = [sketch_svg(rows, title) for title, rows in describe(method.family, method_settings(name), info)]
    return "".join(f"<figure class='pg-sketch'>{drawing}</figure>" for drawing in drawings)


def page(name: str) -> list[Any]:
    """The values of (head, formula, networks, advice)."""
    values = method_settings(name)
    write = {"generator": formulas, "classifier": reading_formula, "translator": translation_formula}
    formula = write[find_method(name).kind](values)
    if find_method(name).family == "coupled":
        formula += "\n" + _COUPLED
    drawn = f"<h3>The networks</h3><p class='pg-fine'>For 32 × 32 colour pictures.</p>{sketches(name)}"
    networks = f"<div class='pg-sketches'>{drawn}</div>"
    return [head(name), formula, networks, advice(name)]


def build(train: TrainTab, tabs: gr.Tabs, tab: gr.Tab) -> None:
    """Lay out the guide and wire it to the Train tab."""
    choices = [
        (method.title, name)
        for name, method in sorted(METHODS.items(), key=lambda item: _ORDER.index(section_of(item[1])))
    ]
    plain_html(
        "<header class='pg-page-head'><p><b>Try first:</b> choose a method, read what its networks minimise, then "
        "press Train this.</p></header>"
    )
    with gr.Row(elem_classes="pg-guide", equal_height=False):
        with gr.Column(elem_classes="pg-guide-list", scale=0, min_width=220):
            chosen = gr.Radio(choices, value="dcgan", label="Methods", elem_id="guide-list")
        with gr.Column(elem_classes="pg-guide-page", scale=1, min_width=320):
            top = plain_html(head("dcgan"))
            go = gr.Button("Train this", variant="primary", elem_id="guide-train", scale=0)
            plain_html("<h3 class='pg-formula-title'>What each network minimises</h3>")
            formula = gr.Markdown("", latex_delimiters=LATEX, elem_classes="pg-formula")
            networks = plain_html("")
            below = plain_html(advice("dcgan"))
    parts = [top, formula, networks, below]
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    chosen.change(spoken(page), chosen, parts, trigger_mode="always_last", **quiet)
    tab.select(spoken(page), chosen, parts, **quiet)

    def use(name: str) -> list[Any]:
        return [gr.Tabs(selected="train"), name, *fill_preset(name)]

    go.click(spoken(use), chosen, [tabs, train.preset, *train.form], **quiet).success(
        None, None, None, js="() => window.scrollTo({top: 0})"
    )
    train.read_more.click(
        lambda name: (gr.Tabs(selected="guide"), name), train.preset, [tabs, chosen], **quiet
    ).success(None, None, None, js="() => window.scrollTo({top: 0})")


_ORDER = (
    "The originals", "Other objectives", "Keeping D in check", "Told what to draw", "From picture to picture",
    "Readers of pictures",
)  # fmt: skip
