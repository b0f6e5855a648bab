// The 1-D lab: p_data, p_G, D and the best D that there is, on one canvas, with the latent line above. The target is
// dragged by its curve.
"use strict";

(() => {
  const pg = window.playground;
  const { clamp, el, labs } = pg;
  const SPEEDS = [1, 2, 5, 10, 20, 50, 100, 200, 0]; // steps a second; 0: as fast as it can
  const ALONE = 600; // turns of D when it learns alone
  const COUNTS = { // means, sigmas, weights to begin with
    1: { means: [2], sigmas: [0.5], weights: [1] },
    2: { means: [-2, 2], sigmas: [0.5, 0.5], weights: [1, 1] },
    3: { means: [-3, 0, 3], sigmas: [0.4, 0.4, 0.4], weights: [1, 1, 1] },
  };
  const NAMES = ["step", "mean", "target_mean", "sigma", "target_sigma", "js", "w1", "d_now", "d_best", "grad_norm"];
  const two = (value) => (Number.isFinite(value) ? value.toFixed(2).replace("-", "−") : "–");
  const three = (value) => (Number.isFinite(value) ? value.toFixed(3).replace("-", "−") : "–");

  const FORMULAS = { // the least loss of D, by objective
    minimax: "2 log 2 − 2 JS", "non-saturating": "2 log 2 − 2 JS", hinge: "2 − 2 TV", "least-squares": "½ ∫ pq / (p + q)",
    wasserstein: "−K · W₁, K the steepest slope of D", energy: "margin · (1 − TV)", relativistic: "of log p/q, over all pairs", "f-gan": "minus the f-divergence",
  };

  class LineLab {
    constructor(root) {
      this.root = root;
      this.target = structuredClone(COUNTS[1]);
      this.part = 0; // the Gaussian whose sliders are shown
      this.aimed = -1e9; // when the target was last moved here
      this.rows = Object.fromEntries(NAMES.map((name) => [name, []]));
      this.link = new labs.Link(this);
      this.build();
      labs.onTheme(() => this.later());
      labs.keys(() => this.link.awake && this.facts, { " ": () => this.run(), d: () => this.step("discriminator"), g: () => this.step("generator"), b: () => this.step("both"), t: () => this.trainD() });
    }

    show() { this.link.show(); }

    hide() { this.link.hide(); }

    options() {
      const { means, sigmas, weights } = this.target;
      return { kind: "line", means, sigmas, weights, ...(this.facts ? { preset: this.facts.contestant.preset, seed: this.facts.seed, knobs: this.turned } : {}) };
    }

    wanted() { return ["q", "d", "best", "pull", "map"]; }

    // --- what the page is made of

    build() {
      const button = (name, text, tip, action) => el(`button.pg-button.${name}`, { type: "button", "data-tip": tip, onclick: action }, text);
      this.runner = labs.runner(() => this.run());
      const steps = el("div.pg-lab-steps", { role: "group", "aria-label": "One step" },
        button("d", "Step D", "Let only the discriminator learn once. Key: D", () => this.step("discriminator")),
        button("g", "Step G", "Let only the generator learn once. Key: G", () => this.step("generator")),
        button("both", "Step both", "One full round. Key: B", () => this.step("both")));
      this.alone = button("pg-ln-alone", el("span", {}, "Train D to its best"), "G waits, and D learns alone: D should come to lie on the dashed line, the best D that there is. Key: T", () => this.trainD());
      const last = SPEEDS.length - 1;
      this.speed = labs.slider({ label: "Speed", min: 0, max: last, step: 1, value: last, format: (at) => (SPEEDS[at] ? `${SPEEDS[at]} steps/s` : "full"), oninput: (at) => this.link.later("speed", { do: "speed", steps_per_second: SPEEDS[at] }), help: "Steps a second; at the right end as fast as the machine can." });
      const bar = el("div.pg-lab-bar.pg-ln-bar", { role: "toolbar", "aria-label": "Training" }, this.runner.node, steps, this.alone, el("div.pg-lab-pace", {}, this.speed.node),
        el("div.pg-lab-restart", {}, button("", "Reset", "Start again from the same first weights.", () => this.reset()), button("", "New seed", "Start again from other first weights.", () => this.reset(Math.floor(Math.random() * 1e6)))));

      const key = (name, text, tip) => el(`span.pg-ln-key.${name}`, { "data-tip": tip }, el("i"), text);
      this.keyD = key("told", "D", "What the discriminator says of a point there: 1 is surely real, 0 surely made. (A critic gives a number without bounds.)");
      this.keys = el("div.pg-ln-keys", {},
        key("real", "p data", "The density of the data, which G has to learn. Drag its dot (the mean) and its bar (the deviation)."),
        this.keyG = key("fake", "p G", "The density of what the generator makes."),
        this.keyD,
        key("best", "D*", "The best discriminator against this generator, p data / (p data + p G): known here, because both densities are."),
        key("push", "push on a fake", "Which way, and how hard, G's loss pushes a fake that lies there: minus the gradient of the loss."));
      this.place = el("div.pg-ln-stage");
      this.canvas = labs.canvas(this.place, { fixed: 500, label: "The densities of the data and of the generator over the line, with what D says and what the best D would say" });
      this.canvas.onresize = () => {
        const fixed = this.canvas.width < 520 ? 430 : Math.round(clamp(innerHeight - 430, 430, 600));
        if (fixed !== this.canvas.fixed) { this.canvas.fixed = fixed; this.canvas.refit(); return; }
        this.draw();
      };
      this.handles = [];
      this.problem = el("div.pg-lab-diverged", { hidden: true, role: "alert" }, el("b", {}, "Diverged"), this.sentence = el("p"), el("button.pg-lab-primary", { type: "button", onclick: () => this.reset() }, "Reset"));
      this.place.append(this.problem);
      this.read = el("output.pg-lab-read");
      this.counter = el("output.pg-lab-step", {}, "step 0");
      this.note = el("p.pg-ln-note", { "aria-live": "polite" });
      this.lost = el("p.pg-lab-problem", { role: "alert", hidden: true });
      this.canvas.canvas.addEventListener("pointermove", (event) => this.setProbe(event.offsetX));
      this.canvas.canvas.addEventListener("pointerdown", (event) => this.setProbe(event.offsetX));
      this.canvas.canvas.addEventListener("pointerleave", () => this.setProbe(null));
      const main = el("section.pg-lab-main", { "aria-label": "The line" }, bar, this.lost, el("div.pg-ln-top", {}, this.keys, this.counter), this.place, el("div.pg-ln-foot", {}, this.note, this.read));

      this.count = labs.choice({ label: "Made of", segment: true, options: [[1, "one", "One Gaussian."], [2, "two", "A mixture of two."], [3, "three", "A mixture of three."]], value: 1, onchange: (count) => this.setTarget(structuredClone(COUNTS[count])) });
      this.which = labs.choice({ label: "Gaussian", segment: true, options: [[0, "1"]], value: 0, onchange: (part) => { this.part = part; this.showTarget(); } });
      const edit = (name) => (value) => { this.target[name][this.part] = value; this.setTarget(this.target); };
      this.sliders = {
        means: labs.slider({ label: "Mean μ", min: -5, max: 5, step: 0.05, value: 2, format: two, oninput: edit("means"), help: "Where it lies. Also: drag the dot on the curve." }),
        sigmas: labs.slider({ label: "Deviation σ", min: 0.1, max: 2, step: 0.02, value: 0.5, format: two, oninput: edit("sigmas"), help: "How wide it is. Also: drag the bar on the curve." }),
        weights: labs.slider({ label: "Weight", min: 0.1, max: 3, step: 0.05, value: 1, format: two, oninput: edit("weights"), help: "How much of the data belongs to it, beside the others." }),
      };
      const data = el("section.pg-lab-card.pg-ln-target", { "aria-label": "Target" }, el("h3", {}, "What G has to learn"), el("div.pg-lab-fields", {}, this.count.node, this.which.node, ...Object.values(this.sliders).map((one) => one.node)));

      this.preset = labs.choice({ label: "Preset", options: [["", "…"]], onchange: (preset) => { this.turned = {}; this.link.act({ do: "preset", preset }); this.forget(); }, help: "Which game the two play." });
      this.turned = {}; // the knobs that were moved here
      this.settings = labs.settings(this.link, this.preset.node, (name, value) => {
        this.turned[name] = value;
        this.link.later(name, { do: "knob", name, value });
      });

      const row = (name, label, help) => {
        const now = el("td"), goal = el("td.goal");
        return { node: el("tr", { "data-row": name }, el("th", { scope: "row" }, labs.words(label, help)), now, goal), now, goal };
      };
      this.table = {
        mean: row("mean", "Mean", "Of the samples of G, beside that of the data."),
        sigma: row("sigma", "Deviation", "Of the samples of G, beside that of the data."),
        w1: row("w1", "Earth mover", "How far the mass of p G has to be carried, on average, to become p data."),
        js: row("js", "JS divergence", "0 where the two are the same, log 2 = 0.693 where they have nothing in common."),
        loss: row("loss", "Loss of D", "Over the whole of both distributions, beside the least that any D can reach against this G. D can't go below; training D alone brings it there."),
        gap: row("gap", "D from D*", "The mean distance of D from the best D, where either density is."),
      };
      this.formula = el("p.pg-fine.pg-ln-formula");
      const chart = (title, help, options = {}) => labs.chart({ title, help, height: 84, ...options });
      this.charts = {
        mean: chart("Mean", "Of the samples of G (vermilion) and of the data (blue)."),
        sigma: chart("Deviation", "Of the samples of G (vermilion) and of the data (blue).", { floor: 0 }),
        js: chart("JS divergence", "Between p G and p data: what the original game makes small.", { floor: 0 }),
        loss: chart("Loss of D", "As it is (violet), and the least possible against the G of that moment (grey)."),
      };
      const numbers = el("section.pg-lab-card.pg-lab-numbers", { "aria-label": "Measures" }, el("h3", {}, "Trained, and in closed form"),
        el("table.pg-ln-table", {}, el("thead", {}, el("tr", {}, el("th"), el("th", { scope: "col" }, "now"), el("th", { scope: "col" }, "known"))), el("tbody", {}, ...Object.values(this.table).map((one) => one.node))),
        this.formula, el("div.pg-lab-charts.pg-ln-charts", {}, ...Object.values(this.charts).map((one) => one.node)));

      this.loading = el("p.pg-hint", { role: "status" }, "Setting up the lab…");
      this.work = el("div.pg-ln", { hidden: true }, data, main, numbers, this.settings.node);
      this.root.replaceChildren(this.loading, this.work);
    }

    // --- orders

    run() {
      this.running = !this.running;
      this.runner.set(this.running);
      return this.link.act({ do: this.running ? "run" : "pause" });
    }

    step(phase) { return this.link.act({ do: "step", phase }); }

    trainD() { return this.link.act(this.frame?.turns ? { do: "pause" } : { do: "train-d", steps: ALONE }); }

    reset(seed) {
      this.forget();
      return this.link.act({ do: "reset", ...(seed === undefined ? {} : { seed }) });
    }

    forget() { for (const name of NAMES) this.rows[name] = []; }

    setTarget(target) {
      this.target = target;
      this.part = Math.min(this.part, target.means.length - 1);
      this.aimed = performance.now();
      this.showTarget();
      this.later();
      return this.link.later("target", { do: "target", ...structuredClone(target) });
    }

    // --- facts and frames

    opened() {
      this.forget();
      const at = this.speed.value;
      if (SPEEDS[at]) this.link.later("speed", { do: "speed", steps_per_second: SPEEDS[at] });
    }

    useFacts(facts) {
      const first = !this.facts;
      this.facts = facts;
      this.work.hidden = false;
      if (first) {
        this.loading.hidden = true;
        this.xs = labs.array(facts.xs);
      }
      if (performance.now() - this.aimed >= 700 && !this.link.waiting.has("target")) this.target = scaled(facts.target);
      const { contestant } = facts;
      if (this.preset.node.querySelectorAll("option").length !== facts.presets.length) this.preset.fill(facts.presets.map(({ name, title, summary }) => [name, title, summary]));
      this.preset.set(contestant.preset);
      this.settings.fill(facts.knobs);
      this.settings.show([contestant]);
      this.formula.textContent = FORMULAS[contestant.knobs.objective] ? `The least loss of D: ${FORMULAS[contestant.knobs.objective]}.` : "For this objective no closed form of the best D is known.";
      this.showTarget();
      this.later();
    }

    showTarget() {
      const { target, part } = this, count = target.means.length;
      this.count.set(count);
      this.which.node.hidden = count === 1;
      if (this.which.node.querySelectorAll("button").length !== count) this.which.fill(target.means.map((_, at) => [at, String(at + 1)]));
      this.which.set(part);
      this.sliders.weights.node.hidden = count === 1;
      for (const name of ["means", "sigmas", "weights"]) this.sliders[name].set(target[name][part]);
    }

    take(frame) {
      for (const name of ["q", "d", "best", "pull", "z", "x"]) frame[name] = labs.array(frame[name]);
      if (frame.step < (this.rows.step.at(-1) ?? 0)) this.forget();
      this.frame = frame;
      this.running = frame.running;
      this.runner.set(frame.running);
      this.counter.textContent = `step ${pg.number(frame.step)}`;
      const { history } = frame;
      if (frame.history_starts && history.step) this.forget();
      history.step?.forEach((step, at) => {
        const again = step === this.rows.step.at(-1);
        for (const name of NAMES) {
          if (again) this.rows[name].pop();
          this.rows[name].push(history[name][at] ?? NaN);
        }
      });
      const lost = frame.state === "diverged";
      this.problem.hidden = !lost;
      this.place.classList.toggle("lost", lost);
      if (lost) this.sentence.textContent = frame.error;
      const share = frame.turns ? frame.turned / frame.turns : 0;
      this.alone.style.setProperty("--done", `${100 * share}%`);
      this.alone.classList.toggle("busy", Boolean(frame.turns));
      this.alone.firstChild.textContent = frame.turns ? `Stop D at ${pg.number(frame.turned)}` : "Train D to its best";
      this.later();
    }

    later() { this.asked ||= requestAnimationFrame(() => { this.asked = 0; this.draw(); this.showNumbers(); }); }

    // --- numbers

    showNumbers() {
      const { frame, table, rows } = this;
      if (!frame?.metrics) return;
      const { metrics: m } = frame;
      const put = (name, now, goal) => { table[name].now.textContent = now; table[name].goal.textContent = goal; };
      put("mean", two(m.mean), two(m.target_mean));
      put("sigma", two(m.sigma), two(m.target_sigma));
      put("w1", three(m.w1), "0");
      put("js", three(m.js), "0");
      put("loss", three(m.d_now), three(m.d_best));
      put("gap", three(m.gap), m.gap === null ? "–" : "0");
      const line = (name, color, key) => ({ name, color, x: rows.step, y: rows[key] });
      this.charts.mean.set([line("G", "g", "mean"), line("data", "d", "target_mean")]);
      this.charts.sigma.set([line("G", "g", "sigma"), line("data", "d", "target_sigma")]);
      this.charts.js.set([line("JS", "accent", "js")]);
      this.charts.loss.set([line("D", "c5", "d_now"), line("the least possible", "muted", "d_best")]);
      const wide = frame.x === null;
      this.keyG.dataset.tip = frame.exact
        ? "The density of what the generator makes, exactly: the density of z, stretched and folded by G (change of variables)."
        : "The density of what the generator makes, estimated from 16,384 samples (a kernel density): with more than one latent number it isn't known exactly.";
      let text = "";
      if (frame.turns) text = `G waits. D has learned alone for ${pg.number(frame.turned)} turns${m.gap === null ? "" : `; its mean distance from D* is ${three(m.gap)}`}.`;
      else if (Number.isFinite(m.d_now) && Number.isFinite(m.d_best) && Number.isFinite(m.d_equal) && ["minimax", "non-saturating"].includes(this.facts.contestant.knobs.objective)) {
        text = m.js < 0.02 ? `p G is nearly p data: D can hardly do better than ½ everywhere, a loss of 2 log 2 = ${three(m.d_equal)}.`
          : m.js > 0.6 ? "The two hardly overlap, so the best D knows each point for certain: its loss could fall to nearly 0."
            : `D loses ${three(m.d_now)}; the best D against this G would lose ${three(m.d_best)}. Where the curves cross, D* is ½.`;
      }
      if (wide && !frame.turns) text = `${text} With a latent of one number, lines would show where G takes each z.`.trim();
      if (this.note.textContent !== text) this.note.textContent = text;
    }

    // --- the picture

    geometry() {
      const { width } = this.canvas, height = this.canvas.height, left = 12, right = 34;
      const mapped = this.frame?.x !== null, top = mapped ? (height < 480 ? 92 : 118) : 14;
      const foot = height - 62;
      const [x0, x1] = this.facts?.bounds || [-6, 6];
      const density = this.density();
      const peak = Math.max(0.05, ...density), q = this.frame?.q;
      const made = q ? Math.max(...q) : 0;
      const most = 1.22 * Math.max(peak, Math.min(made, 1.7 * peak));
      const across = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
      return {
        left, right: width - right, top, foot, height, width, mapped, density,
        across, back: (px) => x0 + ((px - left) / (width - left - right)) * (x1 - x0),
        down: (value) => foot - (value / most) * (foot - top),
      };
    }

    density() {
      const { means, sigmas, weights } = this.target, sum = weights.reduce((a, b) => a + b, 0);
      return this.xs ? Array.from(this.xs, (x) => means.reduce((total, mean, at) => total + (weights[at] / sum) * Math.exp(-0.5 * ((x - mean) / sigmas[at]) ** 2) / (sigmas[at] * Math.sqrt(2 * Math.PI)), 0)) : [0];
    }

    draw() {
      const { context: c, width, height } = this.canvas;
      if (!width || !this.facts || !this.xs) return;
      const ink = labs.colours(), g = this.geometry(), { frame, xs } = this;
      this.drawn = g;
      c.clearRect(0, 0, width, height);
      c.lineJoin = "round";
      c.font = `11px ${ink.font}`;

      // the grid and the axis of x
      c.lineWidth = 1;
      c.textAlign = "center";
      for (let x = -6; x <= 6; x += 1) {
        const at = Math.round(g.across(x)) + 0.5;
        c.strokeStyle = ink.line;
        c.globalAlpha = x % 2 ? 0.4 : 1;
        c.beginPath();
        c.moveTo(at, g.top);
        c.lineTo(at, g.foot);
        c.stroke();
        c.globalAlpha = 1;
        c.fillStyle = ink.muted;
        if (x % 2 === 0) c.fillText(String(x).replace("-", "−"), at, g.foot + 14);
      }
      c.strokeStyle = ink["line-strong"];
      for (const y of [g.foot + 0.5, ...(g.mapped ? [g.top + 0.5] : [])]) {
        c.beginPath();
        c.moveTo(g.left, y);
        c.lineTo(g.right, y);
        c.stroke();
      }

      const trace = (values, down) => {
        c.beginPath();
        values.forEach((value, at) => { const x = g.across(xs[at]), y = down(value); if (at) c.lineTo(x, y); else c.moveTo(x, y); });
      };
      const area = (values, colour) => {
        c.save();
        c.beginPath();
        c.rect(g.left, g.top, g.right - g.left, g.foot - g.top + 1);
        c.clip();
        trace(values, g.down);
        c.strokeStyle = colour;
        c.lineWidth = 2;
        c.stroke();
        c.lineTo(g.across(xs.at(-1)), g.foot);
        c.lineTo(g.across(xs[0]), g.foot);
        c.closePath();
        c.globalAlpha = 0.15;
        c.fillStyle = colour;
        c.fill();
        c.restore();
      };
      area(g.density, ink.d);
      if (frame?.q) area(Array.from(frame.q), ink.g);
      if (frame?.d) this.drawD(c, g, ink);
      if (frame?.pull) this.drawPush(c, g, ink);
      if (g.mapped && frame?.x) this.drawMap(c, g, ink);
      this.drawProbe(c, g, ink);
      this.placeHandles(g);
    }

    // The scale of D: 0 to 1, or what a critic says where there is anything.
    scale(g) {
      const { frame } = this, kind = this.facts.contestant.surface_kind;
      if (kind === "probability") return { low: 0, high: 1, ticks: [[0, "0"], [0.5, "½"], [1, "1"]] };
      let low = Infinity, high = -Infinity;
      frame.d.forEach((value, at) => {
        if (g.density[at] + frame.q[at] < 1e-3) return;
        low = Math.min(low, value, frame.best?.[at] ?? value);
        high = Math.max(high, value, frame.best?.[at] ?? value);
      });
      if (!(high > low)) [low, high] = [Math.min(...frame.d), Math.max(...frame.d) + 1e-6];
      const room = 0.08 * (high - low || 1);
      return { low: low - room, high: high + room, ticks: [[low, pg.short(low)], [high, pg.short(high)]] };
    }

    drawD(c, g, ink) {
      const { frame, xs } = this, scale = this.scale(g);
      const room = 0.9 * (g.foot - g.top);
      const down = (value) => g.foot - ((value - scale.low) / (scale.high - scale.low)) * room;
      g.judged = down;
      c.textAlign = "left";
      c.fillStyle = ink.c5;
      for (const [value, text] of scale.ticks) c.fillText(text, g.right + 6, clamp(down(value) + 4, g.top + 8, g.foot));
      c.save();
      c.beginPath();
      c.rect(g.left, g.top, g.right - g.left, g.foot - g.top + 2);
      c.clip();
      c.strokeStyle = ink.c5;
      // faint where there is nothing to tell apart: no data and no fakes
      const piece = (values, dash) => {
        c.setLineDash(dash);
        for (const faint of [true, false]) {
          c.globalAlpha = faint ? 0.25 : 1;
          c.lineWidth = dash.length ? 2.2 : 2;
          c.beginPath();
          let open = false;
          for (let at = 0; at < values.length; at++) {
            const thin = g.density[at] + (frame.q?.[at] ?? 0) < 2e-3;
            if (thin !== faint) { open = false; continue; }
            const x = g.across(xs[at]), y = down(values[at]);
            if (open) c.lineTo(x, y); else c.moveTo(x, y);
            open = true;
          }
          c.stroke();
        }
      };
      if (frame.best) piece(frame.best, [7, 5]);
      piece(frame.d, []);
      c.restore();
      c.setLineDash([]);
      c.globalAlpha = 1;
    }

    drawPush(c, g, ink) {
      const { frame, xs } = this, y = g.foot + 34;
      const peak = Math.max(...Array.from(frame.q)) || 1;
      const sizes = Array.from(frame.pull, Math.abs).filter((_, at) => frame.q[at] > 0.01 * peak || g.density[at] > 0.01).sort((a, b) => a - b);
      const most = Math.max(1e-9, sizes[Math.floor(0.8 * (sizes.length - 1))] ?? 0); // a single peak would make the others invisible
      c.lineWidth = 1.6;
      const gap = Math.max(5, Math.round(xs.length / ((g.right - g.left) / 20)));
      for (let at = Math.floor(gap / 2); at < xs.length; at += gap) {
        const x = g.across(xs[at]), length = clamp(frame.pull[at] / most, -1, 1) * 16;
        c.strokeStyle = c.fillStyle = ink.g;
        const near = frame.q.subarray(Math.max(0, at - (gap >> 1)), at + (gap >> 1) + 1);
        c.globalAlpha = Math.max(...near) > 0.01 * peak ? 1 : 0.28;
        if (Math.abs(length) < 0.7) {
          c.fillRect(x - 1, y - 1, 2, 2);
          continue;
        }
        const head = Math.sign(length) * Math.min(4, Math.abs(length));
        c.beginPath();
        c.moveTo(x - length / 2, y);
        c.lineTo(x + length / 2, y);
        c.moveTo(x + length / 2 - head, y - 3);
        c.lineTo(x + length / 2, y);
        c.lineTo(x + length / 2 - head, y + 3);
        c.stroke();
      }
      c.globalAlpha = 1;
      c.fillStyle = ink.muted;
      c.textAlign = "left";
      c.fillText(`push on a fake${Number.isFinite(frame.arrow_norm) ? `; mean at the fakes ${frame.arrow_norm < 0.1 ? frame.arrow_norm.toPrecision(2) : pg.short(frame.arrow_norm)}` : ""}`, g.left, y + 21);
    }

    drawMap(c, g, ink) {
      const { z, x } = this.frame, up = 22, foot = g.top;
      const reach = Math.max(...z.map(Math.abs)) * 1.06, middle = (g.left + g.right) / 2, half = (g.right - g.left) / 2;
      const place = (value) => middle + (value / reach) * half * 0.94;
      c.strokeStyle = ink["line-strong"];
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(g.left, up + 0.5);
      c.lineTo(g.right, up + 0.5);
      c.stroke();
      c.save();
      c.beginPath();
      c.rect(g.left, 0, g.right - g.left, foot + 4);
      c.clip();
      c.strokeStyle = c.fillStyle = ink.g;
      z.forEach((value, at) => {
        const from = place(value), to = clamp(g.across(x[at]), g.left - 20, g.right + 20);
        c.globalAlpha = 0.5;
        c.lineWidth = 1.1;
        c.beginPath();
        c.moveTo(from, up);
        c.lineTo(to, foot - 1);
        c.stroke();
        c.globalAlpha = 1;
        c.beginPath();
        c.arc(from, up, 1.8, 0, 7);
        c.fill();
        c.fillRect(to - 0.75, foot - 5, 1.5, 8);
      });
      c.restore();
      c.fillStyle = ink.muted;
      c.textAlign = "left";
      c.fillText("z, equally likely values", g.left, 12);
      c.textAlign = "right";
      c.fillText("G(z)", g.width - 3, foot + 4);
    }

    setProbe(at) {
      this.probe = at === null || !this.drawn ? null : clamp(this.drawn.back(at), ...this.facts.bounds);
      this.later();
    }

    drawProbe(c, g, ink) {
      const { probe, frame, xs } = this;
      if (probe === null || probe === undefined || !frame?.d) { this.read.textContent = ""; return; }
      const at = clamp(Math.round(((probe - xs[0]) / (xs.at(-1) - xs[0])) * (xs.length - 1)), 0, xs.length - 1), x = Math.round(g.across(xs[at])) + 0.5;
      c.strokeStyle = ink["line-strong"];
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(x, g.top);
      c.lineTo(x, g.foot);
      c.stroke();
      const parts = [`x ${two(xs[at])}`, `p data ${three(g.density[at])}`, `p G ${three(frame.q[at])}`, `D ${three(frame.d[at])}`];
      if (frame.best) parts.push(`D* ${three(frame.best[at])}`);
      this.read.textContent = parts.join("   ");
    }

    // --- the handles on the curve of the target

    placeHandles(g) {
      const { target } = this, sum = target.weights.reduce((a, b) => a + b, 0);
      while (this.handles.length < target.means.length) this.handles.push(this.makeHandles(this.handles.length));
      this.handles.forEach(({ mean, sigma }, at) => {
        mean.hidden = sigma.hidden = at >= target.means.length;
        if (mean.hidden) return;
        const m = target.means[at], s = target.sigmas[at], peak = target.weights[at] / sum / (s * Math.sqrt(2 * Math.PI));
        Object.assign(mean.style, { left: `${g.across(m)}px`, top: `${g.down(peak)}px` });
        const side = m + s > 5.6 ? -1 : 1; // kept inside the picture
        Object.assign(sigma.style, { left: `${g.across(m + side * s)}px`, top: `${g.down(peak * Math.exp(-0.5))}px` });
        sigma.dataset.side = side;
        for (const [node, value, name] of [[mean, m, "Mean"], [sigma, s, "Deviation"]]) {
          node.setAttribute("aria-valuenow", two(value).replace("−", "-"));
          node.setAttribute("aria-label", `${name}${target.means.length > 1 ? ` of Gaussian ${at + 1}` : ""} of the data`);
        }
      });
    }

    makeHandles(at) {
      const handle = (kind, name, low, high, step, value) => {
        const node = el(`div.pg-ln-handle.${kind}`, { role: "slider", tabindex: 0, "aria-valuemin": low, "aria-valuemax": high });
        const put = (next) => {
          this.part = at;
          this.target[name][at] = +clamp(next, low, high).toFixed(3);
          this.setTarget(this.target);
        };
        let dragged = false;
        node.addEventListener("pointerdown", (event) => {
          if (event.button) return;
          event.preventDefault();
          node.focus({ preventScroll: true });
          node.setPointerCapture(event.pointerId);
          dragged = true;
          node.classList.add("dragging");
        });
        node.addEventListener("pointermove", (event) => { if (dragged) put(value(this.drawn.back(event.clientX - this.canvas.canvas.getBoundingClientRect().left))); });
        for (const done of ["pointerup", "pointercancel", "lostpointercapture"]) node.addEventListener(done, () => { dragged = false; node.classList.remove("dragging"); });
        node.addEventListener("keydown", (event) => {
          const by = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
          if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
          event.preventDefault();
          put(this.target[name][at] + by * step * (event.shiftKey ? 5 : 1));
        });
        this.place.append(node);
        return node;
      };
      const mean = handle("mean", "means", -5, 5, 0.1, (x) => x);
      const sigma = handle("sigma", "sigmas", 0.1, 2, 0.05, (x) => Math.abs(x - this.target.means[at]));
      return { mean, sigma };
    }
  }

  // Weights as the sliders have them: relative to the mean weight.
  const scaled = ({ means, sigmas, weights }) => {
    const share = weights.reduce((a, b) => a + b, 0) / weights.length;
    return { means: [...means], sigmas: [...sigmas], weights: weights.map((one) => +(one / share).toFixed(3)) };
  };

  labs.add({
    id: "line", title: "1-D lab", order: 30,
    hint: "Try first: press Run and watch the vermilion p G move onto the blue p data. Then drag the blue dot away, press “Train D to its best”, and see D come to lie on the dashed line that theory predicts.",
    build: (root) => (pg.line = new LineLab(root)),
  });
})();
