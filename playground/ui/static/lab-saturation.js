// Where a loss saturates: what each D says of real points and fakes over time, and the gradient that reaches the fakes.
// With G frozen, D becomes sure of itself; under the minimax loss the gradient then vanishes, a critic's does not.
"use strict";

(() => {
  const pg = window.playground;
  const { el, labs } = pg;
  const START = ["vanilla-gan-minimax", "vanilla-gan", "wgan-gp"];
  const COLORS = ["c3", "c5", "c4"];
  const SETS = [["blobs", "Blobs", "Two clusters: one D tells them from the fakes almost at once."], ["ring", "Ring", "Eight narrow clusters on a circle."]];
  const SPEEDS = [5, 10, 20, 40, 100, 0]; // rounds a second; 0: as fast as it can
  const COLUMNS = 480; // that are kept; beyond that every second one of the older half goes
  const CELLS = 24; // of a histogram
  const LEVELS = 48; // rows of a strip
  const LOWEST = 1e-9;
  const LEFT = 44, RIGHT = 10, TOP = 8, BOTTOM = 20;

  const sized = (value) => (!Number.isFinite(value) ? "–" : value === 0 ? "0" : value < 1e-3 || value >= 1e4 ? value.toExponential(0).replace("e", " · 10^").replace("+", "").replace(/\^(-?\d+)/, (_, power) => [...power].map((one) => "⁰¹²³⁴⁵⁶⁷⁸⁹"["0123456789".indexOf(one)] ?? "⁻").join("")) : value < 0.1 ? value.toPrecision(2) : value.toFixed(2));
  const times = (value) => (value >= 10 ? pg.number(+value.toPrecision(2)) : value.toFixed(1));
  const share = (left) => (left >= 0.1 ? `${Math.round(100 * left)} %` : `${(100 * left).toPrecision(2)} %`);
  const median = (values) => { const sorted = values.filter(Number.isFinite).sort((a, b) => a - b); return sorted.length ? sorted[sorted.length >> 1] : null; };
  const dot = (color) => { const mark = el("i.pg-lab-dot"); mark.style.background = `var(--pg-${color})`; return mark; };

  // The answers of one D over time, as a strip: darker is more often.
  class Strip {
    constructor(place, label, colour) {
      this.colour = colour;
      this.canvas = labs.canvas(place, { fixed: 76, label });
      this.small = document.createElement("canvas");
      this.canvas.onresize = () => this.paint();
    }

    // `columns`: [{step, counts, low, high}] in order; steps from..to and values low..high fill the strip.
    draw(columns, from, to, low, high) {
      const width = Math.min(360, Math.max(60, Math.round(this.canvas.width || 300)));
      Object.assign(this.small, { width, height: LEVELS });
      const context = this.small.getContext("2d"), picture = context.createImageData(width, LEVELS);
      const probe = document.createElement("canvas").getContext("2d");
      probe.fillStyle = labs.colours()[this.colour];
      const [r, g, b] = probe.fillStyle.match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
      let at = 0;
      for (let x = 0; x < width; x++) {
        const step = from + ((x + 0.5) / width) * (to - from);
        while (at + 1 < columns.length && columns[at + 1].step <= step) at += 1;
        const one = columns[at];
        if (!one || one.step > step) continue;
        const total = one.counts.reduce((sum, count) => sum + count, 0) || 1;
        for (let y = 0; y < LEVELS; y++) {
          const value = low + (1 - (y + 0.5) / LEVELS) * (high - low);
          const cell = Math.floor(((value - one.low) / (one.high - one.low)) * CELLS);
          const share = cell >= 0 && cell < CELLS ? one.counts[cell] / total : 0;
          const place = 4 * (y * width + x);
          picture.data.set([r, g, b, share > 0 ? 40 + 215 * Math.min(1, Math.sqrt(share)) : 0], place);
        }
      }
      context.putImageData(picture, 0, 0);
      this.paint();
    }

    paint() {
      const { context, width } = this.canvas, { height } = this.canvas;
      if (!width) return;
      context.clearRect(0, 0, width, height);
      context.imageSmoothingEnabled = false;
      if (this.small.width) context.drawImage(this.small, 0, 0, width, height);
    }
  }

  class Saturation {
    constructor(root) {
      this.root = root;
      this.state = { data: "blobs", presets: START, seed: 0 };
      this.columns = [];
      this.link = new labs.Link(this);
      this.build();
      labs.onTheme(() => this.later());
      labs.keys(() => this.link.awake && this.facts, { " ": () => this.play(false), t: () => this.play(true) });
    }

    show() { this.link.show(); }

    hide() { this.link.hide(); }

    options() { return { kind: "arena", ...this.state }; }

    wanted() { return ["histogram", "arrows"]; }

    build() {
      const button = (text, tip, action) => el("button.pg-button", { type: "button", "data-tip": tip, onclick: action }, text);
      this.alone = el("button.pg-button.pg-ln-alone", { type: "button", "aria-pressed": "false", "data-tip": "G stays as it is, and only the discriminators learn, round after round. Press again to stop. Key: T", onclick: () => this.play(true) }, el("span", {}, "Train D alone"));
      this.runner = labs.runner(() => this.play(false), "Run both");
      this.data = labs.choice({ label: "Data", segment: true, options: SETS, value: "blobs", onchange: (data) => { this.state.data = data; this.clear(); this.link.act({ do: "data", data }); } });
      this.speed = labs.slider({ label: "Speed", min: 0, max: SPEEDS.length - 1, step: 1, value: 2, format: (at) => (SPEEDS[at] ? `${SPEEDS[at]} rounds/s` : "full"), oninput: () => this.pace(), help: "Rounds a second, at most: in each, every D learns (a critic five times), and G too unless it is frozen." });
      const bar = el("div.pg-lab-bar.pg-sat-bar", { role: "toolbar", "aria-label": "Training" }, this.runner.node, this.alone, this.data.node, el("div.pg-lab-pace", {}, this.speed.node),
        el("div.pg-lab-restart", {}, button("Reset", "Start again from the same first weights.", () => this.reset()), button("New seed", "Start again from other first weights.", () => this.reset(Math.floor(Math.random() * 1e6)))));
      this.lost = el("p.pg-lab-problem", { role: "alert", hidden: true });
      this.says = el("p.pg-sat-says", { "aria-live": "polite" });
      this.rows = el("div.pg-sat-rows");
      const place = el("div.pg-lab-plot");
      this.names = el("h3", {}, labs.words("Push on the fakes", "The mean length of the gradient of G's loss at the fakes: all that G ever learns from. On a logarithmic scale: each line is ten times the one below."));
      this.chart = labs.canvas(place, { fixed: 210, label: "The mean gradient that reaches the fakes, over time, on a logarithmic scale" });
      this.chart.onresize = () => this.drawChart();
      const log = el("section.pg-lab-card.pg-sat-log", { "aria-label": "Push on the fakes" }, this.names, place);
      this.loading = el("p.pg-hint", { role: "status" }, "Setting up the lab…");
      this.work = el("div.pg-sat", { hidden: true }, bar, this.lost, this.says, this.rows, log);
      this.root.replaceChildren(this.loading, this.work);
      this.panels = [];
    }

    panel(at) {
      const picker = labs.choice({ label: "", options: [["", "…"]], onchange: (preset) => this.setPreset(at, preset) });
      const strips = ["real", "fake"].map((side) => {
        const place = el("div.pg-sat-strip"), range = el("span");
        const words = side === "real" ? labs.words("D on real points", "What the discriminator answers to real points, over time. Up: surely real.") : labs.words("D on fakes", "What it answers to the fakes. All of it at the bottom: D is sure, and a loss that is flat there teaches G nothing.");
        return { nodes: [el("h4", {}, words, range), place], range, strip: new Strip(place, `What D says of ${side === "real" ? "real points" : "fakes"} over time`, side === "real" ? "d" : "g") };
      });
      const push = labs.figure({ label: "Push on the fakes", help: "The mean length of the gradient of G's loss at the fakes, now." });
      const since = labs.figure({ label: "Of its strongest", help: "How much is left of the strongest push since G was frozen." });
      const problem = el("p.bad", { role: "alert", hidden: true });
      const counter = el("output.pg-lab-step", {}, "round 0");
      const node = el("article.pg-lab-card.pg-sat-one", {}, el("header", {}, dot(COLORS[at]), picker.node, counter), problem, ...strips.flatMap((one) => one.nodes), el("dl.pg-lab-figures", {}, push.node, since.node));
      return { node, picker, strips, push, since, problem, counter };
    }

    // --- orders

    // Both learn, or D alone; the same button again stops.
    async play(frozen) {
      if (this.running && this.frozen === frozen) return this.link.act({ do: "pause" });
      if (frozen !== this.frozen) await this.link.act({ do: "freeze", on: frozen });
      return this.link.act({ do: "run" });
    }

    pace() { return this.link.later("speed", { do: "speed", steps_per_second: SPEEDS[this.speed.value] }); }

    reset(seed) {
      this.clear();
      if (seed !== undefined) this.state.seed = seed;
      return this.link.act({ do: "reset", ...(seed === undefined ? {} : { seed }) });
    }

    setPreset(contestant, preset) {
      this.state.presets = this.state.presets.map((one, at) => (at === contestant ? preset : one));
      this.clear();
      return pg.act(async () => {
        await this.link.send({ do: "preset", contestant, preset });
        await this.link.send({ do: "reset" }); // all begin together
      });
    }

    clear() { this.columns = []; this.frozenAt = null; }

    // --- facts and frames

    opened() {
      this.clear();
      this.pace();
    }

    useFacts(facts) {
      const first = !this.facts;
      this.facts = facts;
      this.work.hidden = false;
      if (first) this.loading.hidden = true;
      this.data.set(facts.data.name);
      while (this.panels.length < facts.contestants.length) {
        const one = this.panel(this.panels.length);
        this.panels.push(one);
        this.rows.append(one.node);
      }
      facts.contestants.forEach((one, at) => {
        const { picker } = this.panels[at];
        if (picker.node.querySelectorAll("option").length !== facts.presets.length) picker.fill(facts.presets.map(({ name, title, summary }) => [name, title, summary]));
        picker.set(one.preset);
        picker.node.querySelector("select").setAttribute("aria-label", `Preset ${at + 1}`);
      });
      this.names.replaceChildren(this.names.firstChild, ...facts.contestants.map((one, at) => el("span", {}, dot(COLORS[at]), one.title)));
      this.state.presets = facts.contestants.map((one) => one.preset);
      this.later();
    }

    take(frame) {
      this.running = frame.running;
      this.frozen = Boolean(frame.frozen);
      this.runner.set(frame.running && !frame.frozen);
      this.alone.setAttribute("aria-pressed", String(frame.running && this.frozen));
      this.alone.firstChild.textContent = frame.running && this.frozen ? "Stop D" : "Train D alone";
      const { step } = frame.contestants[0], last = this.columns.at(-1);
      if (last && step < last.step) this.clear();
      const column = {
        step, frozen: this.frozen,
        sides: frame.contestants.map((one) => ({
          ...one.histogram, real: labs.array(one.histogram?.real), fake: labs.array(one.histogram?.fake), norm: length(labs.array(one.arrows)), state: one.state, error: one.error,
        })),
      };
      if (this.columns.at(-1)?.step === step) this.columns.pop();
      this.columns.push(column);
      if (this.columns.length > COLUMNS) this.columns = this.columns.filter((_, at) => at % 2 === 0 || at > COLUMNS / 2);
      if (!this.frozen) this.frozenAt = null;
      else {
        this.frozenAt ||= { step, peaks: column.sides.map((side) => ({ step, norm: side.norm })) };
        column.sides.forEach(({ norm }, at) => { if (norm > this.frozenAt.peaks[at].norm) this.frozenAt.peaks[at] = { step, norm }; });
      }
      this.later();
    }

    later() { this.asked ||= requestAnimationFrame(() => { this.asked = 0; this.draw(); }); }

    // --- what is seen

    draw() {
      const { columns, panels, facts } = this, last = columns.at(-1);
      if (!last || !facts) return;
      const from = columns[0].step, to = Math.max(last.step + 1, from + 20);
      panels.forEach((panel, at) => {
        const kind = facts.contestants[at]?.surface_kind, side = last.sides[at];
        if (!side?.real) return;
        let [low, high] = [0, 1];
        if (kind !== "probability") {
          low = Math.min(...columns.map((one) => one.sides[at]?.low ?? Infinity));
          high = Math.max(...columns.map((one) => one.sides[at]?.high ?? -Infinity));
        }
        panel.strips.forEach(({ strip, range }, which) => {
          strip.draw(columns.map((one) => ({ step: one.step, counts: one.sides[at][which ? "fake" : "real"], low: one.sides[at].low, high: one.sides[at].high })), from, to, low, high);
          range.textContent = kind === "probability" ? "0 to 1" : `${pg.short(low).replace("-", "−")} to ${pg.short(high).replace("-", "−")}`;
        });
        panel.counter.textContent = `round ${pg.number(last.step)}`;
        panel.push.set(sized(side.norm));
        panel.since.set(this.frozenAt && last.step > this.frozenAt.step ? share(this.left(at)) : "–");
        const lost = side.state === "diverged";
        panel.problem.hidden = !lost;
        if (lost) panel.problem.textContent = side.error;
      });
      this.drawChart();
      this.speak();
    }

    // The push now (of the last three frames) over the strongest since G was frozen.
    left(at) { return Math.min(1, median(this.columns.slice(-3).map((one) => one.sides[at].norm)) / this.frozenAt.peaks[at].norm); }

    speak() {
      const { columns, facts, frozenAt } = this, last = columns.at(-1);
      const name = (at) => facts.contestants[at].title;
      let text = "";
      if (frozenAt && last.step > frozenAt.step) {
        const told = facts.contestants.map((one, at) => {
          const left = this.left(at), { step } = frozenAt.peaks[at];
          return `${one.title} ${sized(last.sides[at].norm)}, ${left > 0.85 ? "as strong as ever" : left > 0.33 ? `still ${share(left)} of its strongest` : `${times(1 / Math.max(left, 1e-9))} times weaker than at round ${pg.number(step)}`}`;
        });
        text = `G has been frozen for ${pg.number(last.step - frozenAt.step)} rounds. The push that reaches its fakes: ${told.join("; ")}.`;
        facts.contestants.forEach((one, at) => {
          const { fake } = last.sides[at], sure = fake[0] / fake.reduce((a, b) => a + b, 0);
          if (one.knobs.objective === "minimax" && this.left(at) < 0.3 && sure > 0.5) text += ` ${name(at)}: D gives ${Math.round(100 * sure)} % of the fakes less than ${(1 / CELLS).toFixed(2)}, and there log(1 − D) is flat.`;
        });
      } else if (last.step > 0) {
        text = `Both learn, round ${pg.number(last.step)}. The push on the fakes: ${facts.contestants.map((one, at) => `${one.title} ${sized(last.sides[at].norm)}`).join("; ")}. Now let D learn alone.`;
      } else {
        text = "Press “Train D alone”: G stays as it is while the discriminators learn. See whose push on the fakes survives a D that is sure of itself.";
      }
      if (this.says.textContent !== text) this.says.textContent = text;
    }

    drawChart() {
      const { context: c, width, height } = this.chart, { columns, facts } = this;
      if (!width || !columns.length || !facts) return;
      const ink = labs.colours(), foot = height - BOTTOM;
      const all = columns.flatMap((one) => one.sides.map((side) => Math.max(LOWEST, side.norm))).filter(Number.isFinite);
      const low = Math.floor(Math.log10(Math.min(...all, 0.1))), high = Math.ceil(Math.log10(Math.max(...all, 1.001)));
      const from = columns[0].step, to = Math.max(columns.at(-1).step, from + 20);
      const across = (step) => LEFT + ((step - from) / (to - from)) * (width - LEFT - RIGHT);
      const down = (value) => TOP + (1 - (Math.log10(Math.max(LOWEST, value)) - low) / (high - low)) * (foot - TOP);
      c.clearRect(0, 0, width, height);
      c.font = `11px ${ink.font}`;
      c.fillStyle = ink.d; // where G is frozen
      c.globalAlpha = 0.09;
      c.beginPath(); // as one, or the seams between the pieces show
      columns.forEach((one, at) => {
        if (!one.frozen || !at || columns[at - 1].frozen && at > 1 && columns[at - 2].frozen) return;
        let end = at;
        while (columns[end + 1]?.frozen) end += 1;
        if (!columns[at - 1].frozen || at === 1) c.rect(across(columns[at - 1].step), TOP, across(columns[end].step) - across(columns[at - 1].step), foot - TOP);
      });
      c.fill();
      c.globalAlpha = 1;
      c.lineWidth = 1;
      c.textAlign = "right";
      c.textBaseline = "middle";
      const skip = Math.ceil((high - low) / 7);
      for (let power = low; power <= high; power += skip) {
        const y = Math.round(down(10 ** power)) + 0.5;
        c.strokeStyle = ink.line;
        c.beginPath();
        c.moveTo(LEFT, y);
        c.lineTo(width - RIGHT, y);
        c.stroke();
        c.fillStyle = ink.muted;
        c.fillText(power >= -2 && power <= 3 ? String(+(10 ** power).toFixed(2)) : `10${[...String(power)].map((one) => "⁰¹²³⁴⁵⁶⁷⁸⁹"["0123456789".indexOf(one)] ?? "⁻").join("")}`, LEFT - 7, y);
      }
      c.textBaseline = "alphabetic";
      c.fillText(`round ${pg.number(columns.at(-1).step)}`, across(columns.at(-1).step) < LEFT + 90 ? LEFT + 90 : across(columns.at(-1).step), height - 4);
      c.textAlign = "left";
      if (columns.at(-1).step > from + 4) c.fillText(pg.number(from), LEFT, height - 4);
      const start = columns.find((one) => one.frozen);
      if (start) { c.fillStyle = ink.d; c.fillText("G frozen", across(start.step) + 5, foot - 6); }
      c.lineWidth = 2;
      c.lineJoin = "round";
      facts.contestants.forEach((_, which) => {
        c.strokeStyle = c.fillStyle = ink[COLORS[which]];
        c.beginPath();
        columns.forEach((one, at) => { const x = across(one.step), y = down(one.sides[which].norm); if (at) c.lineTo(x, y); else c.moveTo(x, y); });
        c.stroke();
        const end = columns.at(-1);
        c.beginPath();
        c.arc(across(end.step), down(end.sides[which].norm), 3.4, 0, 7);
        c.fill();
      });
    }
  }

  // The mean length of arrows [x, y, dx, dy, …].
  const length = (arrows) => {
    if (!arrows?.length) return NaN;
    let sum = 0;
    for (let at = 0; at < arrows.length; at += 4) sum += Math.hypot(arrows[at + 2], arrows[at + 3]);
    return sum / (arrows.length / 4);
  };

  labs.add({
    id: "saturation", title: "Saturation", order: 60,
    hint: "Try first: press “Train D alone”. The minimax loss stops pushing the fakes as soon as D is sure of them; the Wasserstein critic pushes on.",
    build: (root) => (pg.saturation = new Saturation(root)),
  });
})();
