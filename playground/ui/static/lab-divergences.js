// The divergence explorer: two mixtures on a line, what is between them, and what would pull one to the other.
"use strict";

(() => {
  const pg = window.playground;
  const { clamp, el, labs, theory } = pg;
  const { rounded, number, asker, painter, line, arrow, draggable, presets } = theory.tools;

  const EDGE = 10, NARROWEST = 0.15, WIDEST = 5, MOST = 4, FAR = 12; // of x, of sigma, of the bumps, of a sweep
  const SIDES = { p: { title: "P, the data", colour: "c3" }, q: { title: "Q, the generator", colour: "g" } };
  const bumps = (...rows) => rows.map(([m, s, w = 1]) => ({ m, s, w }));
  const PAIRS = [
    { name: "Overlapping", p: bumps([-0.5, 1]), q: bumps([1.2, 1]), tip: "All divergences fall towards P, and every loss pulls." },
    { name: "Far apart", p: bumps([-5, 0.8]), q: bumps([5, 0.8]), tip: "JS and total variation are flat here: the saturating loss is dead, W1 pulls as ever." },
    { name: "One mode of two", p: bumps([-4, 0.8], [4, 0.8]), q: bumps([-4, 0.8]), tip: "Mode collapse: KL(P‖Q) is huge, KL(Q‖P) hardly minds." },
    { name: "Covering both", p: bumps([-3, 0.7], [3, 0.7]), q: bumps([0, 3.1]), tip: "What KL(P‖Q) prefers: every mode covered, and samples in between." },
    { name: "Too narrow", p: bumps([0, 2]), q: bumps([0, 0.4]), tip: "The right place, too little variety: look at the slope for a scale." },
    { name: "Nearly there", p: bumps([-4, 0.6], [0, 0.6], [4, 0.6]), q: bumps([-3.7, 0.7], [0.2, 0.7], [3.6, 0.7]), tip: "Three modes found, each a little off." },
  ];
  const MEASURES = [
    ["kl", "KL(P‖Q)", "Forward KL, in nats: what maximum likelihood minimises. Large where P has mass and Q none."],
    ["reverse_kl", "KL(Q‖P)", "Reverse KL, in nats: large where Q has mass and P none; a missing mode costs it little."],
    ["js", "JS", "Jensen–Shannon divergence, in nats: what the original GAN's optimal discriminator measures. Never above log 2 = 0.693."],
    ["tv", "Total variation", "Half the area between the two curves: never above 1."],
    ["w1", "Earth mover W₁", "How far the mass has to travel on average: what Wasserstein critics measure."],
    ["w2", "Earth mover W₂", "The root of the mean squared way. Its closed form is known for one bump each."],
  ];
  const LOSSES = [
    ["saturating", "log(1 − D)", "c6", "The minimax loss. On average it descends 2 · JS."],
    ["non_saturating", "−log D", "c5", "The non-saturating loss. On average it descends KL(Q‖P) − 2 · JS."],
    ["wasserstein", "Wasserstein critic", "c7", "The optimal critic has slope 1 or −1 everywhere. On average it descends W₁."],
  ];

  class DivergenceView {
    constructor(root) {
      this.state = {};
      this.found = null;
      this.sweep = null; // {key, middles, and each measure over them}
      this.handles = [];
      this.ask = asker("labs/divergence", (answer, note) => this.take(answer, note));
      this.redraw = painter(() => this.draw());
      this.build(root);
      labs.onTheme(this.redraw);
      this.use(PAIRS[0]);
    }

    build(root) {
      this.stage = el("div.pg-th-bumps");
      this.chart = labs.canvas(this.stage, { fixed: 290, label: "The densities of P and Q, and the optimal discriminator between them" });
      this.chart.onresize = () => this.draw();
      const key = (colour, text, tip) => { const mark = el("i"); mark.style.background = `var(--pg-${colour})`; return el("span", { "data-tip": tip }, mark, text); };
      const legend = el("div.pg-th-legend", {}, key("c3", "p, the data"), key("g", "q, the generator"), key("d", "D* = p / (p + q)", "The best discriminator there can be: 1 where only data are, ½ where both are alike, 0 where only the generator is."),
        el("small", {}, "Drag a dot to move a bump, a bar to widen it."));

      // what the samples feel
      this.strips = LOSSES.map(([name, title, colour, tip]) => {
        const share = el("span.pg-th-share"), pull = el("small"), place = el("div");
        const node = el("figure.pg-th-strip", { "data-loss": name }, el("figcaption", {}, labs.words(title, tip), pull, share), place);
        const canvas = labs.canvas(place, { fixed: 38, label: `Which way ${title} pushes the generator's samples, and where it does not` });
        canvas.onresize = () => this.draw();
        return { name, colour, node, share, pull, canvas };
      });
      const strips = el("section.pg-lab-card.pg-th-strips", { "aria-label": "Gradients at the samples" },
        el("h3", {}, "What pushes a generated sample at x"),
        el("p.pg-fine", {}, "Under the best discriminator: arrows push the samples, hatched is less than 1 % of the strongest push. The vermilion line is where Q's samples are."),
        ...this.strips.map((strip) => strip.node));

      // the bumps as numbers
      this.editors = Object.fromEntries(Object.entries(SIDES).map(([side, { title, colour }]) => {
        const rows = el("div.pg-th-rows"), mark = el("i");
        mark.style.background = `var(--pg-${colour})`;
        const add = el("button.pg-link-button", { type: "button", onclick: () => this.add(side) }, "Add a bump");
        const node = el("section.pg-lab-card.pg-th-editor", { "aria-label": title }, el("h3", {}, mark, title, add),
          el("div.pg-th-row.head", { "aria-hidden": "true" }, el("span", {}, "mean"), el("span", {}, "sigma"), el("span", {}, "weight"), el("span")), rows);
        return [side, { node, rows, add, lines: [] }];
      }));

      // the numbers
      this.cells = Object.fromEntries(MEASURES.map(([name]) => [name, { value: el("td"), closed: el("td.closed"), shift: el("td"), scale: el("td") }]));
      const table = el("table.pg-th-table", {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Divergence"), el("th", { scope: "col" }, "value"),
          el("th.closed", { scope: "col" }, labs.words("closed form", "Known without integrating for one Gaussian each: the value must agree.")),
          el("th", { scope: "col" }, labs.words("slope, shift", "How much it changes for each unit that Q moves right.")),
          el("th", { scope: "col" }, labs.words("slope, scale", "How much it changes when Q is stretched about its mean.")))),
        el("tbody", {}, ...MEASURES.map(([name, title, tip]) => { const { value, closed, shift, scale } = this.cells[name]; return el("tr", { "data-measure": name }, el("th", { scope: "row" }, labs.words(title, tip)), value, closed, shift, scale); })));
      const numbers = el("section.pg-lab-card", { "aria-label": "Divergences" }, el("h3", {}, "How far apart"), el("div.pg-th-scroll", {}, table), this.note = el("p.pg-fine.pg-th-note"));

      // over the shift of Q
      this.sweeps = MEASURES.slice(0, 5).map(([name, title]) => {
        const place = el("div"), now = el("b");
        const node = el("figure.pg-th-sweep", { role: "slider", tabindex: 0, "aria-label": `${title} over the place of Q`, "aria-valuemin": -FAR, "aria-valuemax": FAR }, el("figcaption", {}, title, now), place);
        const canvas = labs.canvas(place, { fixed: 84 });
        canvas.onresize = () => this.draw();
        const point = (event) => this.shiftTo(((event.clientX - canvas.canvas.getBoundingClientRect().left) / canvas.width) * 2 * FAR - FAR);
        let held = false;
        node.addEventListener("pointerdown", (event) => { if (event.button) return; held = true; node.setPointerCapture(event.pointerId); point(event); });
        node.addEventListener("pointermove", (event) => { if (held) point(event); });
        for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) node.addEventListener(end, () => { held = false; });
        node.addEventListener("keydown", (event) => {
          const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
          if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
          event.preventDefault();
          this.shiftTo(this.apart() + by * (event.shiftKey ? 1 : 0.1));
        });
        return { name, node, now, canvas };
      });
      const sweeps = el("section.pg-lab-card", { "aria-label": "Sweep" },
        el("h3", {}, labs.words("As Q moves past P", "Each divergence over the distance of the means. The dot is where Q is now, the short line its slope: the gradient. Drag to move all of Q.")),
        el("div.pg-th-sweeps", {}, ...this.sweeps.map((one) => one.node), el("p.pg-fine", {}, "Drag any of these to move all of Q. The short line is the slope: the gradient that a generator gets.")));

      this.examples = presets(PAIRS, (row) => this.use(row));
      root.append(this.examples.node,
        el("div.pg-th-explorer", {},
          el("div.pg-th-left", {}, el("section.pg-lab-card.pg-th-curves", { "aria-label": "Densities" }, legend, this.stage), strips),
          el("div.pg-th-right", {}, numbers, sweeps),
          el("div.pg-th-editors", {}, this.editors.p.node, this.editors.q.node)));
    }

    // --- the two mixtures

    use(row) {
      for (const side of ["p", "q"]) this.state[side] = row[side].map((bump) => ({ ...bump }));
      this.lay();
      this.changed();
      this.examples.mark(row);
    }

    add(side) {
      const rows = this.state[side];
      if (rows.length >= MOST) return;
      const taken = rows.map(({ m }) => m), places = [0, 3, -3, 6, -6, 8];
      const free = places.reduce((best, place) => (Math.min(...taken.map((m) => Math.abs(m - place))) > Math.min(...taken.map((m) => Math.abs(m - best))) + 0.5 ? place : best));
      rows.push({ m: free, s: 0.8, w: Math.max(...rows.map(({ w }) => w)) });
      this.lay();
      this.changed();
    }

    remove(side, at) {
      if (this.state[side].length < 2) return;
      this.state[side].splice(at, 1);
      if (!this.state[side].some(({ w }) => w > 0)) this.state[side][0].w = 1;
      this.lay();
      this.changed();
      this.editors[side].add.focus();
    }

    set(side, at, part) {
      const bump = this.state[side][at];
      Object.assign(bump, part);
      bump.m = rounded(clamp(bump.m, -EDGE, EDGE));
      bump.s = rounded(clamp(bump.s, NARROWEST, WIDEST));
      bump.w = clamp(bump.w, 0, 1);
      if (!this.state[side].some(({ w }) => w > 0)) bump.w = 0.01;
      this.changed();
    }

    mean(side) {
      const rows = this.state[side], total = rows.reduce((sum, { w }) => sum + w, 0);
      return rows.reduce((sum, { m, w }) => sum + m * w, 0) / total;
    }

    apart() { return this.mean("q") - this.mean("p"); }

    // Moves all of Q, as far as its bumps stay in view.
    shiftTo(apart) {
      const rows = this.state.q, wanted = clamp(apart, -FAR, FAR) - this.apart();
      const by = clamp(wanted, Math.max(...rows.map(({ m }) => -EDGE - m)), Math.min(...rows.map(({ m }) => EDGE - m)));
      for (const row of rows) row.m = rounded(row.m + by, 4);
      this.changed();
    }

    // Handles and fields for as many bumps as there are.
    lay() {
      for (const { node } of this.handles) node.remove();
      this.handles = [];
      for (const [side, { colour }] of Object.entries(SIDES)) {
        const editor = this.editors[side], rows = this.state[side];
        rows.forEach((_, at) => {
          for (const kind of ["mean", "sigma"]) this.handles.push(this.handleFor(side, at, kind, colour));
        });
        editor.lines = rows.map((_, at) => {
          const box = (name, label, low, high, step) => {
            const input = el("input", { type: "number", min: low, max: high, step, "aria-label": `${side.toUpperCase()} ${at + 1}: ${label}, as a number` });
            input.addEventListener("input", () => { if (input.value !== "" && Number.isFinite(+input.value)) this.set(side, at, { [name]: +input.value }); });
            input.addEventListener("change", () => this.fill(true));
            return input;
          };
          const weight = el("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": `${side.toUpperCase()} ${at + 1}: weight` });
          weight.addEventListener("input", () => this.set(side, at, { w: +weight.value }));
          const share = el("output"), away = el("button.pg-mini", { type: "button", "aria-label": `Remove bump ${at + 1} of ${side.toUpperCase()}`, title: "Remove this bump", onclick: () => this.remove(side, at) }, pg.icon("close"));
          away.disabled = rows.length < 2;
          const line = { m: box("m", "mean", -EDGE, EDGE, 0.1), s: box("s", "sigma", NARROWEST, WIDEST, 0.05), weight, share };
          line.node = el("div.pg-th-row", {}, line.m, line.s, el("span.pg-th-weight", {}, weight, share), away);
          weight.disabled = rows.length < 2;
          return line;
        });
        editor.rows.replaceChildren(...editor.lines.map((line) => line.node));
        editor.add.disabled = rows.length >= MOST;
        editor.add.title = rows.length >= MOST ? `At most ${MOST} bumps` : "";
      }
    }

    handleFor(side, at, kind, colour) {
      const node = el(`div.pg-th-handle.${kind}`, { role: "slider", tabindex: 0, "aria-label": `${side.toUpperCase()} ${at + 1}: ${kind}`, "aria-valuemin": kind === "mean" ? -EDGE : NARROWEST, "aria-valuemax": kind === "mean" ? EDGE : WIDEST });
      node.style.setProperty("--own", `var(--pg-${colour})`);
      let grabbed = null;
      const scale = () => this.chart.width / (2 * EDGE);
      const name = kind === "mean" ? "m" : "s", nudge = kind === "mean" ? 0.1 : 0.05;
      draggable(node, {
        grab: () => { grabbed = this.state[side][at][name]; },
        move: (dx) => this.set(side, at, { [name]: grabbed + dx / scale() }),
        key: (right, up) => this.set(side, at, { [name]: this.state[side][at][name] + nudge * (right + up) }),
      });
      this.stage.append(node);
      return { node, side, at, kind };
    }

    changed() {
      this.examples.mark(null);
      this.fill();
      this.draw();
      const mixture = (rows) => ({ means: rows.map(({ m }) => m), sigmas: rows.map(({ s }) => s), weights: rows.map(({ w }) => w) });
      const body = { p: mixture(this.state.p), q: mixture(this.state.q), window: [-EDGE, EDGE] };
      // moving all of Q leaves the curves of the sweep as they are
      const shape = (side) => this.state[side].map(({ m, s, w }) => [rounded(m - this.mean(side), 2), s, w]);
      const key = JSON.stringify([shape("p"), shape("q")]);
      const apart = this.apart();
      if (key !== this.sweep?.key) body.sweep = [-FAR - apart, FAR - apart];
      this.ask(body, { key, apart });
    }

    take(answer, { key, apart }) {
      this.found = answer;
      if (answer.sweep) this.sweep = { ...answer.sweep, key, middles: answer.sweep.shift.map((shift) => shift + apart) };
      this.say();
      this.redraw();
    }

    // --- numbers

    fill(all = false) {
      for (const side of ["p", "q"]) {
        const rows = this.state[side], total = rows.reduce((sum, { w }) => sum + w, 0);
        this.editors[side].lines.forEach((line, at) => {
          for (const name of ["m", "s"]) if (all || document.activeElement !== line[name]) line[name].value = rounded(rows[at][name], 2);
          line.weight.value = rows[at].w;
          line.share.textContent = `${Math.round((100 * rows[at].w) / total)} %`;
        });
      }
    }

    say() {
      const { value, shift, scale, closed, vanishing } = this.found;
      for (const [name] of MEASURES) {
        const cells = this.cells[name];
        cells.value.textContent = number(value[name]);
        cells.closed.textContent = number(closed[name]);
        cells.shift.textContent = number(shift[name]);
        cells.scale.textContent = number(scale[name]);
      }
      const notes = ["KL and JS are in nats, W₁ and W₂ in units of x."];
      if (value.js > 0.99 * Math.LN2) notes.push("JS is at its ceiling of log 2: it no longer says how far apart the two are.");
      if (value.w2 === null) notes.push("W₂ has its closed form for one bump each.");
      if (value.js < 1e-9) notes.push("P and Q are the same: every divergence is 0, and TV, W₁ and W₂ have a kink here instead of a slope.");
      if (value.kl > 1000 || value.reverse_kl > 1000) notes.push("Bumps never quite end, so KL is finite however far apart they are; without tails it would be infinite.");
      this.note.textContent = notes.join(" ");
      for (const { name, share, pull } of this.strips) {
        const one = vanishing[name];
        share.textContent = one.share === null ? "nothing left to learn" : one.share > 0.995 ? "all of Q feels nothing" : one.share < 0.005 ? "felt by all of Q" : `${Math.round(100 * one.share)} % of Q feels nothing`;
        share.className = `pg-th-share ${one.share === null || one.share < 0.05 ? "ok" : one.share > 0.5 ? "bad" : "warn"}`;
        pull.textContent = one.share === null ? "" : `mean slope ${number(one.pull)}`;
      }
      for (const { name, now, node } of this.sweeps) {
        now.textContent = number(value[name]);
        node.setAttribute("aria-valuenow", rounded(this.apart(), 2));
        node.setAttribute("aria-valuetext", `distance ${number(this.apart(), 2)}, value ${number(value[name])}`);
      }
    }

    // --- drawing

    density(side, x) {
      const rows = this.state[side], total = rows.reduce((sum, { w }) => sum + w, 0);
      return rows.reduce((sum, { m, s, w }) => sum + (w / total / s) * Math.exp(-0.5 * ((x - m) / s) ** 2), 0) / Math.sqrt(2 * Math.PI);
    }

    show() { this.redraw(); }

    draw() {
      if (this.chart.width) this.drawChart();
      if (!this.found) return;
      for (const strip of this.strips) if (strip.canvas.width) this.drawStrip(strip);
      for (const one of this.sweeps) if (one.canvas.width && this.sweep) this.drawSweep(one);
    }

    drawChart() {
      const { context, width, height } = this.chart, colours = labs.colours();
      const TOP = 16, foot = height - 22, across = (x) => ((x + EDGE) / (2 * EDGE)) * width;
      const grid = Array.from({ length: Math.max(200, Math.round(width / 2)) + 1 }, (_, at) => -EDGE + (2 * EDGE * at) / Math.max(200, Math.round(width / 2)));
      const curves = { p: grid.map((x) => this.density("p", x)), q: grid.map((x) => this.density("q", x)) };
      const peak = (side) => Math.max(...this.state[side].map(({ m }) => this.density(side, m)), ...curves[side]);
      const most = Math.max(0.2, peak("p"), peak("q")) * 1.08, down = (value) => foot - (value / most) * (foot - TOP);
      context.clearRect(0, 0, width, height);
      context.font = `11px ${colours.font}`;
      context.lineWidth = 1;
      context.textAlign = "center";
      for (let x = -8; x <= 8; x += 2) {
        context.strokeStyle = colours.line;
        line(context, [[Math.round(across(x)) + 0.5, TOP], [Math.round(across(x)) + 0.5, foot]]);
        context.fillStyle = colours.muted;
        context.fillText(number(x, 0), across(x), height - 6);
      }
      context.strokeStyle = colours["line-strong"];
      line(context, [[0, foot + 0.5], [width, foot + 0.5]]);
      context.textAlign = "right";
      for (const [value, text] of [[1, "D = 1"], [0.5, "½"]]) {
        const y = Math.round(foot - value * (foot - TOP)) + 0.5;
        context.setLineDash([3, 4]);
        context.strokeStyle = colours["line-strong"];
        line(context, [[0, y], [width, y]]);
        context.setLineDash([]);
        context.fillStyle = colours.d;
        context.fillText(text, width - 2, y - 4);
      }
      for (const side of ["p", "q"]) {
        const colour = colours[SIDES[side].colour], points = grid.map((x, at) => [across(x), down(curves[side][at])]);
        context.fillStyle = colour;
        context.globalAlpha = 0.15;
        context.beginPath();
        context.moveTo(0, foot);
        for (const [x, y] of points) context.lineTo(x, y);
        context.lineTo(width, foot);
        context.fill();
        context.globalAlpha = 1;
        context.strokeStyle = colour;
        context.lineWidth = 2.2;
        line(context, points);
      }
      if (this.found) {
        context.strokeStyle = colours.d;
        context.lineWidth = 1.7;
        const { x, discriminator } = this.found;
        line(context, x.map((one, at) => [across(one), foot - discriminator[at] * (foot - TOP)]));
      }
      // the handles follow
      for (const { node, side, at, kind } of this.handles) {
        const bump = this.state[side][at];
        const x = kind === "mean" ? across(bump.m) : Math.max(across(bump.m + bump.s), across(bump.m) + 20);
        node.style.left = `${x > width - 4 ? 2 * across(bump.m) - x : x}px`;
        node.style.top = `${down(this.density(side, kind === "mean" ? bump.m : bump.m + bump.s))}px`;
        const value = kind === "mean" ? bump.m : bump.s;
        node.setAttribute("aria-valuenow", rounded(value, 2));
      }
    }

    drawStrip({ name, colour, canvas }) {
      const { context, width, height } = canvas, colours = labs.colours();
      const { x, gradients, vanishing, q } = this.found, gradient = gradients[name], { largest } = vanishing[name];
      const tall = height - 7, across = (at) => ((at + EDGE) / (2 * EDGE)) * width;
      context.clearRect(0, 0, width, height);
      context.fillStyle = colours.sunken;
      context.fillRect(0, 0, width, tall);
      const size = (at) => (largest ? Math.min(1, Math.abs(gradient[at]) / largest) : 0);
      context.fillStyle = colours[colour];
      const edges = x.map((one, at) => Math.round((across(one) + across(x[at - 1] ?? one)) / 2)).concat(width);
      const column = (at, top, bottom) => context.rect(edges[at], top, edges[at + 1] - edges[at], bottom - top);
      const shade = (at, alpha, top, bottom) => { context.globalAlpha = alpha; if (alpha > 0.004) context.fillRect(edges[at], top, edges[at + 1] - edges[at], bottom - top); };
      for (let at = 0; at < x.length; at++) shade(at, 0.3 * size(at), 0, tall);
      context.globalAlpha = 1;
      if (largest) {
        context.save();
        context.beginPath();
        for (let at = 0; at < x.length; at++) if (size(at) < 0.01) column(at, 0, tall);
        context.clip();
        context.strokeStyle = colours["line-strong"];
        context.lineWidth = 1;
        for (let at = -tall; at < width; at += 7) line(context, [[at, tall], [at + tall, 0]]);
        context.restore();
      }
      const count = Math.round(width / 30), gap = width / count;
      context.strokeStyle = colours[colour];
      context.lineWidth = 1.8;
      for (let one = 0; one < count; one++) {
        const at = Math.round(((one + 0.5) / count) * (x.length - 1)), length = 0.78 * gap * size(at);
        if (length > 2.5) arrow(context, (one + 0.5) * gap, tall / 2, -Math.sign(gradient[at]) * length, 0, Math.min(5, 2 + length / 4));
      }
      const most = Math.max(...q, 1e-9);
      context.fillStyle = colours.g;
      for (let at = 0; at < x.length; at++) shade(at, Math.min(1, q[at] / most), height - 5, height);
      context.globalAlpha = 1;
    }

    drawSweep({ name, canvas }) {
      const { context, width, height } = canvas, colours = labs.colours(), { middles } = this.sweep, values = this.sweep[name];
      const TOP = 11, foot = height - 15, now = this.apart();
      const ceiling = { js: Math.LN2, tv: 1 }[name];
      const most = (ceiling ?? Math.max(...values, 1e-6)) * 1.08;
      const across = (x) => ((x + FAR) / (2 * FAR)) * width, down = (y) => foot - (y / most) * (foot - TOP);
      context.clearRect(0, 0, width, height);
      context.lineWidth = 1;
      context.strokeStyle = colours.line;
      line(context, [[Math.round(width / 2) + 0.5, TOP], [Math.round(width / 2) + 0.5, foot]]);
      context.strokeStyle = colours["line-strong"];
      line(context, [[0, foot + 0.5], [width, foot + 0.5]]);
      context.font = `10.5px ${colours.font}`;
      context.fillStyle = colours.muted;
      context.textAlign = "center";
      context.fillText("0", width / 2, height - 3);
      context.textAlign = "left";
      context.fillText(`−${FAR}`, 0, height - 3);
      if (!ceiling) context.fillText(number(most / 1.08, 1), 2, TOP + 2);
      context.textAlign = "right";
      context.fillText(String(FAR), width, height - 3);
      if (ceiling) {
        context.setLineDash([3, 4]);
        context.strokeStyle = colours.muted;
        line(context, [[0, down(ceiling)], [width, down(ceiling)]]);
        context.setLineDash([]);
        context.textAlign = "left";
        context.fillText(name === "js" ? "log 2" : "1", 2, down(ceiling) - 3);
      }
      context.strokeStyle = colours.ink;
      context.lineWidth = 1.7;
      context.globalAlpha = 0.75;
      line(context, middles.map((x, at) => [across(x), down(values[at])]));
      context.globalAlpha = 1;
      const value = this.found.value[name], slope = this.found.shift[name], x = clamp(across(now), 4, width - 4), y = clamp(down(value), 4, foot);
      context.strokeStyle = context.fillStyle = colours.accent;
      if (slope !== null) {
        const tilt = -slope * ((foot - TOP) / most) * ((2 * FAR) / width), length = 22 / Math.hypot(1, tilt);
        context.lineWidth = 2.2;
        line(context, [[x - length, y - length * tilt], [x + length, y + length * tilt]]);
      }
      context.beginPath();
      context.arc(x, y, 4.2, 0, 7);
      context.fill();
    }
  }

  labs.add({
    id: "divergences",
    title: "Divergences",
    order: 50,
    hint: "How far apart are the data P and the generator Q, and what would pull Q over? Try first: drag the vermilion dot far to the right. JS stops at log 2 and its loss falls silent, while the earth mover's distance keeps its slope.",
    build: (root) => (theory.divergences = new DivergenceView(root)),
  });
})();
