// Curves and histograms over one history of columns; new points are appended, so that zoom and pan stay.
"use strict";

(() => {
  const pg = window.playground;
  const ROLES = { d: "--pg-d", g: "--pg-g", real: "--pg-d", fake: "--pg-g" };
  const PALETTE = ["--pg-g", "--pg-d", "--pg-c3", "--pg-c4", "--pg-c5", "--pg-c6", "--pg-c7", "--pg-c8"];
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim() || "#888";
  pg.palette = (index) => colour(PALETTE[index % PALETTE.length]);

  const curve = (column, name, role) => ({ column, name, role });
  // A classifier plays no game: it has a loss and an accuracy, but no scores of real and fake and no samples of its own.
  const reads = (run) => "loss_c" in run.history.columns;
  const plays = (run) => !reads(run);
  const present = (run, curves) => curves.filter((one) => one.column in run.history.columns);
  const CHARTS = [
    { id: "losses", title: "Losses", curves: (run) => (reads(run) ? [curve("loss_c", "classifier", "g")] : [curve("loss_d", "discriminator", "d"), curve("loss_g", "generator", "g")]) },
    {
      id: "scores",
      title: "Scores",
      needs: plays,
      curves: () => [curve("score_real", "D(real)", "real"), curve("score_fake", "D(fake)", "fake")],
      range: (run) => (run.critic ? null : [-0.02, 1.02]),
      note: (run) => (run.critic ? "D(real) and D(fake) of a critic: any number, higher is more real." : "D(real) and D(fake), how sure D is that a picture is real: 0.5 is a guess."),
    },
    { id: "gradients", title: "Gradients", curves: (run) => (reads(run) ? [curve("grad_norm_c", "classifier", "g")] : [curve("grad_norm_d", "discriminator", "d"), curve("grad_norm_g", "generator", "g")]), log: true, note: () => "Norm of each network's gradient, logarithmic." },
    { id: "histogram", title: "Histogram", kind: "histogram", needs: plays, note: () => "D on the real and fake pictures of one batch: overlap means that it can't tell." },
    { id: "diversity", title: "Diversity", needs: plays, curves: () => [curve("diversity", "diversity of a batch", "g")], note: () => "Distance between the samples of a batch: a fall means mode collapse." },
    { id: "accuracy", title: "Accuracy", needs: plays, curves: () => [curve("accuracy_d", "accuracy of D", "d")], range: () => [-0.02, 1.02] },
    {
      id: "reading",
      title: "Accuracy",
      needs: reads,
      curves: (run) => present(run, [
        curve("accuracy", "class, pictures held out", "g"), curve("accuracy_taught", "class, its own batch", "d"),
        { ...curve("attribute_accuracy", "attributes, pictures held out"), index: 2 }, { ...curve("attribute_accuracy_taught", "attributes, its own batch"), index: 3 },
      ]),
      range: () => [-0.02, 1.02],
      note: () => "Share of right answers; the one on pictures held out from training is the one that counts.",
    },
    {
      id: "error",
      title: "Error",
      needs: (run) => "attribute_error" in run.history.columns,
      curves: () => [curve("attribute_error", "pictures held out", "g"), curve("attribute_error_taught", "its own batch", "d")],
      note: () => "Mean distance of the attributes read from the true ones, each between 0 and 1.",
    },
    { id: "terms", title: "Terms", curves: (run) => termCurves(run.history) },
    { id: "sigma", title: "Spectral", kind: "sigma", needs: (run) => Boolean(run.sigma), note: () => "Largest singular value of each weight of D before its spectral normalisation." },
  ];

  // "term_d_gradient_penalty" is drawn as "D: gradient penalty"; the adversarial terms keep their player's colour.
  const termCurves = (history) =>
    Object.keys(history.columns)
      .filter((name) => name.startsWith("term_"))
      .map((column, at) => {
        const [, who, term] = /^term_([dgc])_(.*)$/.exec(column) || [null, "", column.slice(5)];
        const name = `${who ? `${who.toUpperCase()}: ` : ""}${term.replaceAll("_", " ")}`;
        return term === "adversarial" ? { column, name, role: who } : { column, name, index: 2 + (at % 6) };
      });

  // A moving average that starts unbiased, passes gaps through, and can be continued point by point.
  pg.smoother = (weight) => {
    let mean = 0, mass = 0;
    return (value) => {
      if (value === null || !Number.isFinite(value)) return value;
      mean = weight * mean + (1 - weight) * value;
      mass = weight * mass + (1 - weight);
      return mean / mass;
    };
  };

  pg.layout = (extra = {}) => {
    const ink = colour("--pg-muted"), line = colour("--pg-line");
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickfont: { size: 11 }, automargin: true };
    return {
      margin: { l: 44, r: 12, t: 8, b: 34 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { size: 11 }, bgcolor: "rgba(0,0,0,0)" },
      hovermode: "x unified",
      hoverlabel: { bgcolor: colour("--pg-panel"), bordercolor: line, font: { color: colour("--pg-ink"), size: 12 } },
      uirevision: "keep",
      ...extra,
      xaxis: { ...axis, showgrid: false, ...extra.xaxis },
      yaxis: { ...axis, ...extra.yaxis },
    };
  };
  pg.plotConfig = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false, doubleClick: "reset" };

  // One chart with a row of choices above it. `run` is the live run: {history, histogram, sigma, critic}.
  class Slot {
    constructor(parent, first, label) {
      this.chosen = first;
      this.drawnRows = 0;
      this.chips = pg.el("div.pg-chips", { role: "tablist", "aria-label": label });
      this.note = pg.el("p.pg-note");
      this.plot = pg.el("div.pg-plot", { role: "img", "aria-label": label });
      this.node = pg.el("section.pg-slot", {}, this.chips, this.plot, this.note);
      parent.append(this.node);
    }

    charts(run) {
      return CHARTS.filter((chart) => !chart.needs || chart.needs(run));
    }

    // What is shown: the choice, or what comes nearest for a run that has no such chart.
    current(run) {
      const available = this.charts(run);
      const named = (id) => available.find((chart) => chart.id === id);
      return named(this.chosen) || (this.chosen === "losses" ? null : named("reading")) || available[0];
    }

    drawChips(run, redraw) {
      const available = this.charts(run), current = this.current(run).id;
      const key = available.map((chart) => chart.id).join() + current;
      if (key === this.chipsKey) return;
      this.chipsKey = key;
      this.chips.replaceChildren(
        ...available.map((chart) => {
          const on = chart.id === current;
          return pg.el(`button.pg-chip${on ? ".on" : ""}`, {
            type: "button", role: "tab", "aria-selected": String(on), tabindex: on ? 0 : -1,
            onclick: () => { this.chosen = chart.id; redraw(); this.chips.querySelector(".on")?.focus(); },
            onkeydown: (event) => {
              const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
              if (!move) return;
              const at = available.findIndex((other) => other.id === current);
              this.chosen = available[(at + move + available.length) % available.length].id;
              redraw();
              this.chips.querySelector(".on")?.focus();
              event.preventDefault();
            },
          }, chart.title);
        }),
      );
    }
  }

  pg.Charts = class {
    constructor(parent) {
      this.axis = "step";
      this.weight = 0.6;
      const axes = pg.el("div.pg-segment", { role: "group", "aria-label": "Horizontal axis" });
      for (const [name, text] of [["step", "steps"], ["seconds", "seconds"]]) {
        axes.append(pg.el("button", {
          type: "button", "aria-pressed": String(name === this.axis),
          onclick: (event) => {
            this.axis = name;
            for (const other of axes.children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
            this.redraw();
          },
        }, text));
      }
      const smoothing = pg.el("input", { type: "range", min: 0, max: 0.98, step: 0.02, value: this.weight, "aria-label": "Smoothing of the curves" });
      smoothing.addEventListener("input", () => { this.weight = +smoothing.value; this.redraw(); });
      const controls = pg.el("div.pg-chart-controls", {}, axes, pg.el("label.pg-smooth", {}, "smoothing", smoothing));
      this.node = pg.el("div.pg-charts");
      this.slots = [new Slot(this.node, "losses", "First chart"), new Slot(this.node, "scores", "Second chart")];
      this.node.append(controls);
      parent.append(this.node);
      this.run = null;
      this.busy = false;
      new MutationObserver(() => this.redraw()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    }

    // Called after each poll; draws only what is visible and new.
    async update(run, restarted) {
      if (run !== this.run || restarted) for (const slot of this.slots) slot.drawn = null;
      this.run = run;
      if (this.busy || !pg.shown(this.node)) return;
      this.busy = true;
      try {
        const Plotly = await pg.plotly();
        for (const slot of this.slots) {
          slot.drawChips(run, () => this.redraw());
          await this.draw(Plotly, slot, run);
        }
      } catch (error) {
        this.slots[0].note.textContent = error.message;
      } finally {
        this.busy = false;
      }
    }

    redraw() {
      for (const slot of this.slots) slot.drawn = null;
      if (this.run) this.update(this.run, true);
    }

    async draw(Plotly, slot, run) {
      const chart = slot.current(run);
      slot.note.textContent = chart.note ? chart.note(run) : "";
      slot.plot.setAttribute("aria-label", `Chart: ${chart.title}`);
      if (chart.kind === "histogram") return this.drawHistogram(Plotly, slot, run, chart);
      if (chart.kind === "sigma") return this.drawSigma(Plotly, slot, run, chart);
      const curves = chart.curves(run);
      const key = [chart.id, this.axis, this.weight, curves.map((one) => one.column)].join("|");
      const columns = run.history.columns, x = columns[this.axis] || [], total = x.length;
      if (slot.drawn === key && slot.drawnRows <= total) {
        if (slot.drawnRows === total) return;
        const from = slot.drawnRows, xs = [], ys = [], indices = [];
        curves.forEach((one, at) => {
          const raw = (columns[one.column] || []).slice(from);
          const soft = raw.map(slot.soft[at]);
          for (const [offset, values] of this.weight ? [[0, raw], [1, soft]] : [[0, soft]]) {
            xs.push(x.slice(from)); ys.push(values);
            indices.push(at * (this.weight ? 2 : 1) + offset);
          }
        });
        slot.drawnRows = total;
        await Plotly.extendTraces(slot.plot, { x: xs, y: ys }, indices);
        return;
      }
      slot.soft = curves.map(() => pg.smoother(this.weight));
      const traces = [];
      curves.forEach((one, at) => {
        const tint = one.role ? colour(ROLES[one.role]) : pg.palette(one.index);
        const raw = (columns[one.column] || []).slice();
        const soft = raw.map(slot.soft[at]);
        const line = { type: "scatter", mode: "lines", name: one.name, connectgaps: true };
        if (this.weight) traces.push({ ...line, x: x.slice(), y: raw, line: { color: tint, width: 1 }, opacity: 0.22, showlegend: false, hoverinfo: "skip" });
        traces.push({ ...line, x: x.slice(), y: soft, line: { color: tint, width: 2 }, hovertemplate: "%{y:.4g}" });
      });
      const range = chart.range?.(run);
      const layout = pg.layout({
        xaxis: { title: { text: this.axis === "step" ? "step" : "seconds", font: { size: 11 }, standoff: 4 }, rangemode: "tozero" },
        yaxis: { ...(range ? { range } : {}), ...(chart.log ? { type: "log", dtick: 1, exponentformat: "power" } : {}) },
        showlegend: curves.length > 1,
        uirevision: key,
      });
      slot.drawn = key;
      slot.drawnRows = total;
      await Plotly.react(slot.plot, traces, layout, pg.plotConfig);
    }

    async drawHistogram(Plotly, slot, run, chart) {
      const histogram = run.histogram;
      const key = `histogram|${histogram ? histogram.step : ""}|${document.body.className}`;
      if (slot.drawn === key) return;
      slot.drawn = key;
      const centres = histogram ? histogram.edges.slice(1).map((edge, at) => (edge + histogram.edges[at]) / 2) : [];
      const bars = (values, name, role) => ({ type: "bar", x: centres, y: values, name, marker: { color: colour(ROLES[role]) }, opacity: 0.62, hovertemplate: "%{y}" });
      const traces = histogram ? [bars(histogram.real, "real", "real"), bars(histogram.fake, "fake", "fake")] : [];
      const label = run.critic ? "score" : "score before the sigmoid";
      await Plotly.react(slot.plot, traces, pg.layout({ barmode: "overlay", bargap: 0.04, xaxis: { title: { text: label, font: { size: 11 }, standoff: 4 } }, uirevision: chart.id }), pg.plotConfig);
    }

    async drawSigma(Plotly, slot, run, chart) {
      const layers = Object.entries(run.sigma || {});
      const key = `sigma|${JSON.stringify(layers)}|${document.body.className}`;
      if (slot.drawn === key) return;
      slot.drawn = key;
      const trace = { type: "bar", orientation: "h", x: layers.map(([, value]) => value), y: layers.map(([name]) => name), marker: { color: colour("--pg-d") }, hovertemplate: "%{x:.3f}<extra></extra>" };
      await Plotly.react(slot.plot, [trace], pg.layout({ xaxis: { showgrid: true, rangemode: "tozero" }, yaxis: { autorange: "reversed", ticklabelposition: "outside" }, hovermode: "closest", uirevision: chart.id }), pg.plotConfig);
    }
  };
})();
