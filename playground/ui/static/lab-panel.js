// One contestant of the 2-D lab or the race: its plane with what it is called, how far it is and what went wrong, and the
// history of its numbers. The view it belongs to (lab-arena.js) owns layers and probe, which all contestants share.
"use strict";

(() => {
  const pg = window.playground;
  const { el, labs } = pg;
  const COLORS = ["c3", "c5", "c4", "c6"]; // of the contestants of a race
  const ROWS = 3000; // of history that are kept; beyond that every second one goes

  const percent = (labs.percent = (value) => `${Math.round(100 * value)} %`);
  const fine = (value) => (Math.abs(value) < 0.1 ? String(+value.toPrecision(2)) : pg.short(value));
  const dot = (labs.dot = (color) => { const mark = el("i.pg-lab-dot"); mark.style.background = `var(--pg-${color})`; return mark; });

  // --- the history of one contestant: columns of numbers that only grow, until a reset

  class History {
    constructor() { this.clear(); }

    clear() { this.columns = Object.fromEntries(["step", "loss_d", "loss_g", "modes", "high_quality", "reverse_kl", "js", "grad_norm"].map((name) => [name, []])); }

    get last() { return this.columns.step.at(-1) ?? -1; }

    take({ history, history_starts: starts }) {
      if (!history?.step?.length) return;
      if (starts || history.step[0] < this.last) this.clear();
      const { columns } = this;
      history.step.forEach((step, row) => {
        const again = step === columns.step.at(-1); // measured a second time: the newer row counts
        for (const name of Object.keys(columns)) {
          if (again) columns[name].pop();
          columns[name].push(history[name]?.[row] ?? NaN);
        }
      });
      if (columns.step.length > ROWS) for (const name of Object.keys(columns)) columns[name] = columns[name].filter((_, at) => at % 2 === 0);
    }

    line(key) { return { x: this.columns.step, y: this.columns[key] }; }
  }

  // --- one contestant: its plane, its name, what went wrong

  labs.Panel = class {
    constructor(arena, index) {
      this.arena = arena;
      this.index = index;
      this.history = new History();
      this.step = 0;
      this.color = COLORS[index];
      this.picker = labs.choice({ label: "", options: [["", "…"]], onchange: (preset) => arena.setPreset(this.index, preset) });
      this.counter = el("output.pg-lab-step", { title: "Steps trained" }, "step 0");
      this.remove = el("button.pg-mini", { type: "button", onclick: () => arena.drop(this.index) }, pg.icon("close"));
      this.stage = el("div.pg-lab-stage");
      this.scene = new labs.Scene(this.stage, "");
      this.problem = el("div.pg-lab-diverged", { hidden: true, role: "alert" },
        el("b", {}, "Diverged"), this.sentence = el("p"),
        el("button.pg-lab-primary", { type: "button", onclick: () => arena.reset() }, "Reset"));
      this.stage.append(this.problem);
      this.read = el("output.pg-lab-read");
      this.strip = el("canvas", { "aria-hidden": "true" });
      this.low = el("span");
      this.high = el("span");
      this.legend = el("div.pg-lab-legend", {}, this.low, this.strip, this.high);
      this.outside = el("span");
      this.summary = el("p.pg-fine");
      this.node = el("article.pg-lab-panel", {},
        el("header", {}, arena.race && dot(this.color), this.picker.node, this.counter, arena.race ? this.remove : arena.restart),
        this.stage, el("footer", {}, this.legend, this.outside, this.read), !arena.race && this.summary);
      this.listen();
    }

    listen() {
      const { canvas } = this.scene.plane;
      canvas.tabIndex = 0;
      const probe = (place) => this.arena.setProbe(place);
      canvas.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse") probe(this.scene.toPlane(event)); });
      canvas.addEventListener("pointerdown", (event) => { if (event.pointerType !== "mouse") probe(this.scene.toPlane(event)); });
      canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") probe(null); });
      canvas.addEventListener("blur", () => probe(null));
      canvas.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
        if (!step) return;
        event.preventDefault();
        const [x0, x1, y0, y1] = this.scene.bounds, side = x1 - x0;
        const [x, y] = this.scene.probe || [(x0 + x1) / 2, (y0 + y1) / 2], by = (event.shiftKey ? 0.1 : 0.025) * side;
        probe([Math.max(x0, Math.min(x1, x + step[0] * by)), Math.max(y0, Math.min(y1, y + step[1] * by))]);
      });
    }

    setFacts(facts) {
      const mine = facts.contestants[this.index];
      const presets = facts.presets.map(({ name, title, summary }) => [name, title, summary]);
      if (this.presets !== facts.presets.length) this.picker.fill(presets);
      this.presets = facts.presets.length;
      this.picker.set(mine.preset);
      this.title = mine.title;
      this.summary.textContent = facts.presets.find(({ name }) => name === mine.preset)?.summary || "";
      this.picker.node.querySelector("select").setAttribute("aria-label", this.arena.race ? `Preset of contestant ${this.index + 1}` : "Preset");
      this.remove.setAttribute("aria-label", `Remove ${mine.title}`);
      this.remove.disabled = facts.contestants.length <= 2;
      this.scene.plane.canvas.setAttribute("aria-label", `The plane of ${mine.title}: arrow keys read D's answer at a place`);
      this.scene.kind = mine.surface_kind;
      const named = { probability: ["fake", "real"], score: ["fake", "real"], energy: ["real", "fake"] }[mine.surface_kind] || ["", ""];
      this.ends = named;
    }

    take(frame) {
      if (frame.step < this.step) this.forget();
      this.step = frame.step;
      this.state = frame.state;
      this.metrics = frame.metrics || {};
      this.losses = frame.losses || {};
      this.histogram = frame.histogram || null;
      this.history.take(frame);
      this.scene.take(frame);
      this.counter.textContent = `step ${pg.number(frame.step)}`;
      const lost = frame.state === "diverged";
      this.problem.hidden = !lost;
      this.node.classList.toggle("lost", lost);
      if (lost && this.sentence.textContent !== frame.error) this.sentence.textContent = frame.error || "A loss is no number any more.";
      this.showScale(frame);
      this.showProbe();
      const away = frame.fake ? this.scene.countOutside(frame.fake) : 0, share = away / (frame.fake?.length / 2 || 1);
      this.outside.textContent = away ? `${share < 0.005 ? "<1 %" : percent(share)} of the fakes out of view` : "";
    }

    forget() {
      this.history.clear();
      this.scene.forget();
    }

    showScale(frame) {
      const { kind } = this.scene;
      this.legend.hidden = !this.arena.layers.has("surface") || !frame.surface;
      if (this.legend.hidden) return;
      const probable = kind === "probability";
      const [low, high] = probable ? ["0", "1"] : [fine(frame.surface_low), fine(frame.surface_high)];
      this.low.textContent = `${this.ends[0]} ${low}`;
      this.high.textContent = `${high} ${this.ends[1]}`;
      labs.paintScale(this.strip, kind, frame.surface_low, frame.surface_high);
    }

    showProbe() {
      const { probe, kind } = this.scene;
      if (!probe) { this.read.textContent = ""; return; }
      const value = this.scene.valueAt(probe), name = { probability: "D", score: "score", energy: "energy" }[kind] || "D";
      this.read.textContent = `x ${probe[0].toFixed(2)}  y ${probe[1].toFixed(2)}${value === null ? "" : `  ${name} ${kind === "probability" ? value.toFixed(3) : fine(value)}`}`;
    }
  };
})();
