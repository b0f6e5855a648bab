// The minimax game V = xy: seven ways of stepping, their orbits, and what the algebra says of them.
"use strict";

(() => {
  const pg = window.playground;
  const { clamp, el, labs, theory } = pg;
  const { calm, rounded, number, asker, painter, line, arrow, draggable, presets } = theory.tools;

  const REACH = 3; // of the plane that is shown, to each side
  const COLOURS = { simultaneous: "g", alternating: "d", extragradient: "c3", optimistic: "c4", consensus: "c5", averaged: "c6", continuous: "muted" };
  const METHODS = [["simultaneous", "Simultaneous"], ["alternating", "Alternating"], ["extragradient", "Extra-gradient"], ["optimistic", "Optimistic"], ["consensus", "Consensus"], ["averaged", "Averaged"], ["continuous", "Continuous time"]];
  const FATES = { converges: "ok", cycles: "warn", diverges: "bad" };
  const GAMES = [
    { name: "Three ways", methods: ["simultaneous", "alternating", "extragradient"], start: [1.2, 0.6], rate: 0.2, steps: 80, a: 0, b: 0, tip: "The same game and the same step size: one leaves, one circles, one arrives." },
    { name: "Small steps", methods: ["simultaneous", "alternating", "continuous"], start: [1.2, 0.6], rate: 0.05, steps: 250, a: 0, b: 0, tip: "With small steps all follow the circle of continuous time, at first." },
    { name: "Too large a step", methods: ["extragradient", "alternating"], start: [0.4, 0.2], rate: 1.05, steps: 40, a: 0, b: 0, tip: "Extra-gradient only converges below a step size of 1." },
    { name: "Four cures", methods: ["extragradient", "optimistic", "consensus", "averaged"], start: [2, 1], rate: 0.3, steps: 80, a: 0, b: 0, tip: "Four ways to stop the circling, and how fast each is." },
    { name: "Regularised", methods: ["simultaneous", "alternating"], start: [2, 1], rate: 0.2, steps: 80, a: 0.4, b: 0.4, tip: "Curved costs, such as a penalty on the discriminator gives, make plain descent converge." },
  ];

  class GameView {
    constructor(root) {
      this.state = { ...GAMES[0], gamma: 1, at: 0 };
      this.found = [];
      this.playing = false;
      this.ask = asker("labs/game", (answer, body) => this.take(answer, body));
      this.redraw = painter(() => this.draw());
      this.build(root);
      labs.onTheme(this.redraw);
      this.use(GAMES[0]);
    }

    build(root) {
      // the plane
      this.stage = el("div.pg-th-plane");
      this.plane = labs.canvas(this.stage, { ratio: 1, label: "The plane of x and y, with the orbit of each method" });
      this.plane.onresize = () => this.draw();
      this.handle = el("div.pg-th-handle.start", { role: "slider", tabindex: 0, "aria-label": "Start point", "aria-valuemin": -REACH, "aria-valuemax": REACH });
      this.stage.append(this.handle);
      let grabbed = null;
      const scale = () => this.plane.width / (2 * REACH);
      draggable(this.handle, {
        grab: () => { grabbed = [...this.state.start]; },
        move: (dx, dy) => this.place(grabbed[0] + dx / scale(), grabbed[1] - dy / scale()),
        key: (right, up) => this.place(this.state.start[0] + 0.1 * right, this.state.start[1] + 0.1 * up),
      });
      this.plane.canvas.addEventListener("click", (event) => this.place(event.offsetX / scale() - REACH, REACH - event.offsetY / scale()));

      // the transport
      this.play = el("button.pg-button.pg-th-play", { type: "button", onclick: () => this.setPlaying(!this.playing) });
      this.scrub = el("input", { type: "range", min: 0, max: 1, step: 1, "aria-label": "Step of the orbit" });
      this.scrub.addEventListener("input", () => { this.setPlaying(false); this.seek(+this.scrub.value); });
      this.when = el("output.pg-th-when");
      const transport = el("div.pg-th-transport", {}, this.play, this.scrub, this.when);

      // what is played
      this.chips = METHODS.map(([name, title]) => {
        const mark = el("i");
        mark.style.background = `var(--pg-${COLOURS[name]})`;
        return el("button", { type: "button", "data-method": name, onclick: () => this.toggle(name) }, mark, title);
      });
      const slider = (name, label, options) => labs.slider({ label, value: this.state[name], ...options, oninput: (value) => this.change({ [name]: value }) });
      this.fields = {
        rate: slider("rate", "Step size η", { min: 0.01, max: 2.5, log: true, format: (value) => number(value, 2), help: "How far each player goes along its gradient." }),
        steps: slider("steps", "Steps", { min: 5, max: 500, log: true, step: 1, format: (value) => String(Math.round(value)) }),
        a: slider("a", "Curvature of x's cost, a", { min: 0, max: 1, step: 0.05, format: (value) => number(value, 2), help: "Adds a/2 · x²: x is pulled to 0, as by weight decay." }),
        b: slider("b", "Curvature of y's cost, b", { min: 0, max: 1, step: 0.05, format: (value) => number(value, 2), help: "Subtracts b/2 · y²: y is pulled to 0, as a discriminator is by a gradient penalty." }),
        gamma: slider("gamma", "Weight of consensus, γ", { min: 0, max: 3, step: 0.1, format: (value) => number(value, 1), help: "How strongly both players also make the squared gradient norm small." }),
      };
      this.equation = el("p.pg-th-equation");
      const controls = el("section.pg-lab-card.pg-th-controls", { "aria-label": "The game" },
        el("h3", {}, "Methods"), el("div.pg-th-methods", { role: "group", "aria-label": "Methods" }, ...this.chips),
        el("div.pg-lab-fields", {}, ...Object.values(this.fields).map((field) => field.node)));

      // what is known
      this.circle = labs.canvas(this.circlePlace = el("div.pg-th-circle"), { ratio: 1, label: "Eigenvalues in the complex plane" });
      this.circle.onresize = () => this.draw();
      this.radii = labs.canvas(this.radiiPlace = el("div.pg-th-radii"), { fixed: 168, label: "Distance from the middle over the steps, on a logarithmic scale" });
      this.radii.onresize = () => this.draw();
      const probe = (event) => { if (event.buttons || event.type === "pointerdown") { this.setPlaying(false); this.seek(Math.round(clamp((event.offsetX - 38) / (this.radii.width - 46), 0, 1) * this.state.steps)); } };
      for (const name of ["pointerdown", "pointermove"]) this.radii.canvas.addEventListener(name, probe);
      this.cards = el("div.pg-th-cards");
      const known = el("section.pg-lab-card.pg-th-known", { "aria-label": "Closed form" },
        el("h3", {}, "Played, and predicted without playing"),
        el("div.pg-th-charts", {},
          el("figure", {}, el("figcaption", {}, labs.words("Radius", "The distance from the middle. Lines are played step by step; rings are the closed form. The scale is logarithmic: a straight line is a constant factor a step."), el("span.pg-th-key", {}, el("b", {}, "played"), el("i"), "predicted")), this.radiiPlace),
          el("figure", {}, el("figcaption", {}, labs.words("Eigenvalues", "Of the matrix that makes each step. Inside the unit circle the orbit shrinks, on it it goes round, outside it grows.")), this.circlePlace)),
        this.cards);
      this.examples = presets(GAMES, (row) => this.use(row));
      root.append(this.examples.node,
        el("div.pg-th-game", {}, controls, el("div.pg-th-middle", {}, this.equation, this.stage, transport), known));
    }

    use(row) {
      const { methods, start, rate, steps, a, b } = row;
      Object.assign(this.state, { methods: [...methods], start: [...start], rate, steps, a, b, gamma: 1 });
      for (const [name, field] of Object.entries(this.fields)) field.set(this.state[name]);
      this.again = true;
      this.request();
      this.examples.mark(row);
    }

    change(part) {
      Object.assign(this.state, part);
      this.state.steps = Math.round(this.state.steps);
      this.request();
    }

    place(x, y) {
      this.change({ start: [rounded(clamp(x, -REACH, REACH)), rounded(clamp(y, -REACH, REACH))] });
    }

    toggle(name) {
      const { methods } = this.state;
      if (methods.includes(name) && methods.length === 1) return; // one remains to be seen
      this.change({ methods: METHODS.map(([one]) => one).filter((one) => methods.includes(one) !== (one === name)) });
    }

    request() {
      this.examples.mark(null);
      const { methods, start, rate, steps, a, b, gamma } = this.state;
      for (const chip of this.chips) chip.setAttribute("aria-pressed", String(methods.includes(chip.dataset.method)));
      this.fields.gamma.node.hidden = !methods.includes("consensus");
      const term = (weight, sign, name) => (weight ? ` ${sign} ${number(weight / 2, 3).replace(/0+$/, "")} ${name}²` : "");
      this.equation.replaceChildren(el("b", {}, `V(x, y) = x y${term(a, "+", "x")}${term(b, "−", "y")}`), el("span", {}, "x makes it small, y makes it large"));
      this.draw();
      this.ask({ methods, start, rate, steps, a, b, gamma });
    }

    take(answer, body) {
      const grown = this.state.at >= this.length;
      this.found = answer.methods;
      this.length = body.steps;
      this.scrub.max = body.steps;
      const { again } = this;
      if (this.seen) this.again = false;
      if (again && this.seen && !calm()) {
        this.seek(0);
        this.setPlaying(true);
      } else if (!this.playing) {
        this.seek(grown || again || this.state.at > body.steps ? body.steps : this.state.at);
      }
      this.layCards();
      this.redraw();
    }

    // --- time

    setPlaying(playing) {
      this.playing = playing && this.length > 0;
      this.play.replaceChildren(pg.icon(this.playing ? "pause" : "play"), el("span", {}, this.playing ? "Pause" : "Play"));
      if (!this.playing) return;
      if (this.state.at >= this.length) this.state.at = 0;
      let last = performance.now();
      const turn = (now) => {
        if (!this.playing) return;
        const speed = clamp(this.length / 5, 8, 60); // steps a second
        this.seek(Math.min(this.length, this.state.at + (Math.max(0, now - last) / 1000) * speed)); // the first frame may have begun earlier
        last = now;
        if (this.state.at >= this.length) this.setPlaying(false);
        else requestAnimationFrame(turn);
      };
      requestAnimationFrame(turn);
    }

    seek(at) {
      this.state.at = at;
      this.scrub.value = Math.floor(at);
      this.when.textContent = `step ${Math.floor(at)} of ${this.length ?? 0}`;
      this.sayRadii();
      this.redraw();
    }

    show() {
      this.seen = true;
      if (this.again && this.found.length) {
        this.again = false;
        if (!calm()) { this.seek(0); this.setPlaying(true); return; }
      }
      if (!this.playing) this.setPlaying(false);
      this.redraw();
    }

    hide() {
      this.seen = false;
      this.setPlaying(false);
    }

    // --- what is said of each method

    layCards() {
      const { gamma } = this.state;
      const eigen = (values) => {
        const shown = values.filter(([, imaginary]) => imaginary >= -1e-12).map(([real, imaginary]) => (imaginary > 1e-9 ? `${number(real)} ± ${number(imaginary)}i` : number(real)));
        return [...new Set(shown)].join(", ");
      };
      const raised = (formula) => formula.split("^").flatMap((part, at) => (at ? [el("sup", {}, "n/2"), part.slice("(n/2)".length)] : [part]));
      this.rows = this.found.map((one) => {
        const mark = el("i");
        mark.style.background = `var(--pg-${COLOURS[one.name]})`;
        const played = el("b"), foretold = el("b");
        const limit = one.limit === null ? null : `${one.name === "alternating" ? "Bounded" : "Converges"} for η < ${+one.limit.toPrecision(3)}${one.name === "consensus" ? ` at γ = ${number(gamma, 1)}` : ""}`;
        const matrix = one.matrix.length === 2 ? el("span.pg-th-matrix", { "aria-label": `Iteration matrix ${one.matrix.join("; ")}` }, ...one.matrix.flat().map((value) => el("span", {}, number(value)))) : el("span.pg-th-muted", { "data-tip": "Its state is this point and the last one." }, "a 4 × 4 matrix");
        const node = el("article.pg-th-card", { "data-method": one.name },
          el("header", {}, mark, el("h4", {}, one.title), el(`span.pg-th-fate.${FATES[one.verdict]}`, {}, one.verdict)),
          el("p.pg-th-rule", {}, one.rule),
          el("dl", {},
            el("dt", {}, "radius"), el("dd", {}, played, el("small", {}, " played"), el("br"), foretold, el("small", {}, " predicted")),
            el("dt", {}, "M"), el("dd", {}, matrix),
            el("dt", {}, "λ"), el("dd.wide", {}, eigen(one.eigenvalues), el("small", {}, `|λ| = ${number(one.spectral_radius, 4)}`)),
            one.formula && el("dt", {}, "law"), one.formula && el("dd.wide", {}, el("span", {}, ...raised(one.formula)), limit && el("small", {}, limit))),
          el("p.pg-th-why", {}, one.why));
        return { node, played, foretold, one };
      });
      this.cards.replaceChildren(...this.rows.map((row) => row.node));
      this.sayRadii();
    }

    sayRadii() {
      const at = Math.floor(this.state.at);
      const say = (value) => (value === null || value === undefined ? "beyond 10³⁰" : number(value, 4));
      for (const { played, foretold, one } of this.rows || []) {
        played.textContent = say(one.radii[at]);
        foretold.textContent = say(one.predicted[at]);
      }
    }

    // --- drawing

    draw() {
      const [x, y] = this.state.start;
      this.handle.style.left = `${(50 * (x + REACH)) / REACH}%`;
      this.handle.style.top = `${(50 * (REACH - y)) / REACH}%`;
      this.handle.setAttribute("aria-valuenow", x);
      this.handle.setAttribute("aria-valuetext", `x ${number(x, 2)}, y ${number(y, 2)}`);
      if (this.plane.width) this.drawPlane();
      if (this.radii.width) this.drawRadii();
      if (this.circle.width) this.drawCircle();
    }

    drawPlane() {
      const { context, width } = this.plane, colours = labs.colours(), scale = width / (2 * REACH);
      const at = (x, y) => [(x + REACH) * scale, (REACH - y) * scale];
      context.clearRect(0, 0, width, width);
      context.lineWidth = 1;
      for (let tick = -REACH; tick <= REACH; tick++) {
        context.strokeStyle = tick ? colours.line : colours["line-strong"];
        line(context, [at(tick, -REACH), at(tick, REACH)]);
        line(context, [at(-REACH, tick), at(REACH, tick)]);
      }
      context.fillStyle = colours.muted;
      context.font = `11px ${colours.font}`;
      context.textAlign = "center";
      for (let tick = 1 - REACH; tick < REACH; tick++) if (tick) {
        context.fillText(number(tick, 0), at(tick, 0)[0], at(0, 0)[1] + 14);
        context.fillText(number(tick, 0), at(0, 0)[0] - 11, at(0, tick)[1] + 4);
      }
      context.font = `italic 600 13px ${colours.font}`;
      context.fillText("x", width - 11, at(0, 0)[1] - 8);
      context.fillText("y", at(0, 0)[0] + 12, 15);

      // where both would go
      const { a, b } = this.state, cells = width < 420 ? 12 : 15, size = (2 * REACH) / cells;
      context.strokeStyle = colours.muted;
      context.globalAlpha = 0.4;
      for (let row = 0; row < cells; row++) for (let column = 0; column < cells; column++) {
        const x = -REACH + size * (column + 0.5), y = -REACH + size * (row + 0.5);
        const dx = -(a * x + y), dy = x - b * y, speed = Math.hypot(dx, dy);
        if (speed < 1e-6) continue;
        const length = (0.3 + 0.5 * Math.min(1, speed / 4)) * size * scale;
        arrow(context, ...at(x, y), (dx / speed) * length, (-dy / speed) * length, 3.5);
      }
      context.globalAlpha = 1;

      context.save();
      context.beginPath();
      context.rect(0, 0, width, width);
      context.clip();
      for (const one of this.found) {
        const colour = colours[COLOURS[one.name]];
        context.strokeStyle = colour;
        context.fillStyle = colour;
        // the curve that the closed form draws
        if (one.ellipse || one.name === "continuous" && !a && !b) {
          const [long, short] = one.ellipse || [one.radii[0], one.radii[0]];
          context.lineWidth = 1.2;
          context.setLineDash([5, 5]);
          context.beginPath();
          context.ellipse(...at(0, 0), long * scale, short * scale, -Math.PI / 4, 0, 7);
          context.stroke();
          context.setLineDash([]);
        }
        const last = Math.min(Math.floor(this.state.at), one.points.length - 1), points = [];
        for (let step = 0; step <= last; step++) {
          const [x, y] = one.points[step];
          if (x === null || Math.abs(x) + Math.abs(y) > 1e4) break;
          points.push(at(x, y));
        }
        const next = one.points[last + 1], share = this.state.at - last;
        if (share > 0 && next?.[0] != null && points.length === last + 1 && Math.abs(next[0]) < 1e4 && Math.abs(next[1]) < 1e4) {
          const [x, y] = at(...next), [x0, y0] = points.at(-1);
          points.push([x0 + (x - x0) * share, y0 + (y - y0) * share]);
        }
        if (!points.length) continue;
        context.lineWidth = 1.8;
        context.globalAlpha = 0.75;
        line(context, points);
        context.globalAlpha = 1;
        const dots = one.name === "continuous" ? [] : points;
        const apart = points.length > 1 ? Math.hypot(points[1][0] - points[0][0], points[1][1] - points[0][1]) : 99;
        if (apart > 5) for (const [x, y] of dots) { context.beginPath(); context.arc(x, y, 2.1, 0, 7); context.fill(); }
        const [x, y] = points.at(-1);
        context.beginPath();
        context.arc(x, y, 6, 0, 7);
        context.fill();
        context.lineWidth = 2;
        context.strokeStyle = colours.panel;
        context.stroke();
      }
      context.restore();
    }

    drawRadii() {
      const { context, width, height } = this.radii, colours = labs.colours();
      const LEFT = 38, RIGHT = 8, TOP = 8, BOTTOM = 20, steps = this.length || 1;
      context.clearRect(0, 0, width, height);
      const start = Math.hypot(...this.state.start) || 1;
      const seen = this.found.flatMap((one) => one.radii.filter((value) => value > 0)).map(Math.log10);
      let low = Math.max(Math.log10(start) - 5, Math.min(...seen, Math.log10(start)) - 0.1), high = Math.min(Math.log10(start) + 5, Math.max(...seen, Math.log10(start)) + 0.1);
      if (high - low < 0.8) [low, high] = [(low + high) / 2 - 0.4, (low + high) / 2 + 0.4];
      const across = (step) => LEFT + (step / steps) * (width - LEFT - RIGHT);
      const down = (value) => TOP + ((high - Math.log10(value)) / (high - low)) * (height - TOP - BOTTOM);
      context.font = `10.5px ${colours.font}`;
      context.lineWidth = 1;
      const ticks = high - low > 2.4 ? [1] : high - low > 1.2 ? [1, 3] : [1, 2, 5];
      context.textAlign = "right";
      context.textBaseline = "middle";
      for (let power = Math.floor(low); power <= Math.ceil(high); power++) for (const tick of ticks) {
        const value = tick * 10 ** power;
        if (Math.log10(value) < low || Math.log10(value) > high) continue;
        const y = Math.round(down(value)) + 0.5;
        context.strokeStyle = colours.line;
        line(context, [[LEFT, y], [width - RIGHT, y]]);
        context.fillStyle = colours.muted;
        context.fillText(value >= 1e-3 && value < 1e4 ? String(+value.toPrecision(1)) : value.toExponential(0).replace("-", "−"), LEFT - 5, y);
      }
      context.textBaseline = "alphabetic";
      context.textAlign = "left";
      context.fillText("0", LEFT, height - 5);
      context.textAlign = "right";
      context.fillText(`step ${steps}`, width - RIGHT, height - 5);
      context.save();
      context.beginPath();
      context.rect(LEFT, 0, width - LEFT, height - BOTTOM + 4);
      context.clip();
      for (const one of this.found) {
        context.strokeStyle = colours[COLOURS[one.name]];
        context.lineWidth = 1.8;
        line(context, one.radii.map((value, step) => [across(step), value > 0 ? down(value) : NaN]).filter(([, y]) => Number.isFinite(y)));
        context.lineWidth = 1.3;
        const rings = 9;
        for (let ring = 0; ring <= rings; ring++) {
          const step = Math.round((steps * ring) / rings), value = one.predicted[step];
          if (!(value > 0)) continue;
          context.beginPath();
          context.arc(across(step), down(value), 3.4, 0, 7);
          context.fillStyle = colours.panel;
          context.fill();
          context.stroke();
        }
      }
      context.strokeStyle = colours.muted;
      context.lineWidth = 1;
      const now = Math.round(across(this.state.at)) + 0.5;
      line(context, [[now, TOP], [now, height - BOTTOM]]);
      context.restore();
    }

    drawCircle() {
      const { context, width } = this.circle, colours = labs.colours(), middle = width / 2;
      const all = this.found.flatMap((one) => one.eigenvalues);
      // close to what there is to see, but no further out than a circle that fills the place
      const reals = [1, ...all.map(([real]) => real)], centre = (Math.min(...reals) + Math.max(...reals)) / 2;
      const half = Math.max(0.12, ...all.map(([real, imaginary]) => Math.max(Math.abs(real - centre), Math.abs(imaginary)))) * 1.4;
      const [from, unit] = half < 0.85 ? [centre, middle / half] : [0, (middle - 8) / clamp(half / 1.3, 1.1, 3)];
      const at = (real, imaginary) => [middle + unit * (real - from), middle - unit * imaginary];
      context.clearRect(0, 0, width, width);
      context.save();
      context.beginPath();
      context.roundRect(0, 0, width, width, 8);
      context.clip();
      context.lineWidth = 1;
      context.fillStyle = colours.sunken;
      context.strokeStyle = colours.muted;
      context.beginPath();
      context.arc(...at(0, 0), unit, 0, 7);
      context.fill();
      context.strokeStyle = colours.line;
      line(context, [[0, middle], [width, middle]]);
      context.strokeStyle = colours.muted;
      context.beginPath();
      context.arc(...at(0, 0), unit, 0, 7);
      context.stroke();
      context.fillStyle = colours.muted;
      context.font = `10.5px ${colours.font}`;
      context.textAlign = "left";
      context.fillText("1", at(1, 0)[0] + 4, middle - 4);
      if (at(0, 0)[0] > 0) {
        context.textAlign = "center";
        context.fillText("0", at(0, 0)[0], middle - 4);
      }
      for (const one of this.found) for (const value of one.eigenvalues) {
        const [x, y] = at(...value);
        context.beginPath();
        context.arc(clamp(x, 5, width - 5), clamp(y, 5, width - 5), 3.9, 0, 7);
        context.fillStyle = colours[COLOURS[one.name]];
        context.fill();
        context.lineWidth = 1.2;
        context.strokeStyle = colours.panel;
        context.stroke();
      }
      context.restore();
    }
  }

  labs.add({
    id: "game",
    title: "Minimax game",
    order: 40,
    hint: "The smallest GAN there is: x and y play V = x·y, whose only equilibrium is the middle. Try first: press Play, then drag the white start point, and see which way of stepping ever arrives.",
    build: (root) => (theory.game = new GameView(root)),
  });
})();
