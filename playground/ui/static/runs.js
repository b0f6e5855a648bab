// The list of runs: rename, resume, fine-tune, take away, delete, and the comparison of several.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;
  const STATES = { starting: "Starting", running: "Running", paused: "Paused", stopping: "Stopping", waiting: "Waiting", finished: "Finished", stopped: "Stopped", failed: "Failed", interrupted: "Interrupted", unreadable: "Unreadable", unknown: "Unknown" };
  const METRICS = { loss_d: "Discriminator loss", loss_g: "Generator loss", loss_c: "Classifier loss", accuracy: "Class accuracy, held out", attribute_accuracy: "Attribute accuracy, held out", attribute_error: "Attribute error, held out", grad_norm_c: "Gradient norm of C", score_real: "D(real)", score_fake: "D(fake)", grad_norm_d: "Gradient norm of D", grad_norm_g: "Gradient norm of G", accuracy_d: "Accuracy of D", diversity: "Diversity", sigma_max: "Largest singular value" };
  const metricName = (name) => METRICS[name] || name.replace(/^term_([dg])_/, (_, who) => `${who.toUpperCase()} term: `).replaceAll("_", " ");

  pg.mountRuns = (element, trigger) => new Runs(element.querySelector(".pg-runs"), trigger);

  class Runs {
    constructor(root, trigger) {
      this.root = root;
      this.trigger = trigger;
      this.runs = [];
      this.ticked = new Set();
      this.histories = new Map();
      this.metric = "loss_g";
      this.axis = "step";
      this.weight = 0.6;
      this.list = el("div.pg-run-list", { role: "list" });
      this.compare = el("section.pg-compare", { hidden: true });
      this.hint = el("p.pg-hint");
      root.replaceChildren(el("div.pg-runs-columns", {}, el("div", {}, this.hint, this.list), this.compare));
      this.buildCompare();
      new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) this.refresh(); }).observe(root);
      setInterval(() => { if (pg.shown(this.root) && !document.hidden && !this.editing && this.runs.some((run) => run.active)) this.refresh(); }, 4000);
      pg.listen(() => { if (pg.shown(this.root)) this.refresh(); });
      this.refresh();
    }

    async refresh() {
      let answer;
      try {
        answer = await pg.api("runs");
      } catch (error) {
        this.hint.textContent = error.message;
        return;
      }
      if (this.editing) return;
      this.runs = answer.runs;
      const keys = new Set(this.runs.map((run) => run.key));
      for (const key of this.ticked) if (!keys.has(key)) this.ticked.delete(key);
      this.hint.textContent = this.runs.length
        ? "Try first: tick two runs to compare their curves. Every run can be resumed or fine-tuned, also after the server was restarted."
        : "No runs yet. Try first: start a training in the Train tab. It is listed here, with its curves and samples.";
      const focus = document.activeElement?.dataset?.focus;
      this.list.replaceChildren(...this.runs.map((run) => this.row(run)));
      if (focus) this.list.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
      for (const run of this.runs) if (run.active) this.histories.delete(run.key);
      this.drawCompare();
    }

    row(run) {
      const tick = el("input", { type: "checkbox", "aria-label": `Compare ${run.name}`, "data-focus": `tick-${run.key}` });
      tick.checked = this.ticked.has(run.key);
      tick.addEventListener("change", () => {
        if (tick.checked) this.ticked.add(run.key); else this.ticked.delete(run.key);
        node.classList.toggle("ticked", tick.checked);
        this.drawCompare();
      });
      const picture = run.sample === null ? el("div.pg-thumb.none", { "aria-hidden": "true" })
        : el("img.pg-thumb", { src: `runs/${encodeURIComponent(run.key)}/samples/${run.sample}.png`, alt: "", loading: "lazy" });
      const name = el("button.pg-run-name", { type: "button", title: "Rename", "aria-label": `Rename ${run.name}`, "data-focus": `name-${run.key}`, onclick: () => this.rename(run, name) }, run.name);
      const facts = [run.title || run.preset, run.data, run.steps ? `${pg.number(run.step)} of ${pg.number(run.steps)} steps` : `${pg.number(run.step)} steps`, pg.duration(run.seconds), pg.ago(run.updated)];
      const action = (text, act, extra = {}) => el("button.pg-link-button", { type: "button", onclick: act, "data-focus": `${text}-${run.key}`, ...extra }, text);
      const file = (text, path) => action(text, (event) => pg.download(`runs/${encodeURIComponent(run.key)}/${path}`, event.currentTarget));
      const actions = el("div.pg-run-actions", {},
        run.open && action(run.active ? "Watch" : "View", () => { pg.openTab("train"); pg.attach(run.key); }),
        pg.draws(run.preset) && (run.has_model || (run.open && run.sample !== null)) && action("Explore", () => pg.explore.open({ model: run.key })),
        !run.active && run.has_checkpoint && action(run.step >= run.steps && run.steps ? "Train on" : "Resume", () => pg.reopen(run.key, run)),
        !run.active && (run.has_model || run.has_checkpoint) && action("Fine-tune", () => this.trigger("finetune", { key: run.key })),
        run.sample !== null && file("GIF", "timelapse.gif"),
        run.sample !== null && file("MP4", "timelapse.mp4"),
        run.has_model && file("Model", "model.zip"),
        !run.active && action("Delete", (event) => this.remove(run, event.currentTarget), { class: "pg-link-button danger" }));
      const node = el(`article.pg-run${tick.checked ? ".ticked" : ""}`, { role: "listitem", "data-run": run.key },
        tick, picture,
        el("div.pg-run-text", {},
          el("div.pg-line", {}, name, el(`span.pg-badge.${run.state}`, {}, STATES[run.state] || run.state)),
          el("p", {}, facts.filter(Boolean).join(" · ")),
          run.message && ["failed", "interrupted"].includes(run.state) ? el("p.pg-run-message", {}, run.message) : null,
          actions));
      return node;
    }

    rename(run, name) {
      this.editing = true;
      const field = el("input.pg-run-field", { type: "text", value: run.name, maxlength: 80, "aria-label": "New name of the run" });
      let done = false;
      const finish = async (save) => {
        if (done) return;
        done = true;
        if (save && field.value.trim() !== run.name) await pg.act(() => pg.api(`runs/${encodeURIComponent(run.key)}/rename`, { name: field.value }));
        this.editing = false;
        this.refresh();
      };
      field.addEventListener("keydown", (event) => {
        if (event.key === "Enter") finish(true);
        if (event.key === "Escape") finish(false);
      });
      field.addEventListener("blur", () => finish(true));
      name.replaceWith(field);
      field.focus();
      field.select();
    }

    // The first click asks, the second deletes.
    async remove(run, button) {
      if (!button.classList.contains("sure")) {
        button.classList.add("sure");
        button.textContent = "Delete for good?";
        setTimeout(() => { button.classList.remove("sure"); button.textContent = "Delete"; }, 4000);
        return;
      }
      await pg.act(() => pg.api(`runs/${encodeURIComponent(run.key)}/delete`, {}));
      this.histories.delete(run.key);
      await this.refresh();
      pg.attach();
    }

    // --- comparison

    buildCompare() {
      this.select = el("select", { "aria-label": "Metric to compare" });
      this.select.addEventListener("change", () => { this.metric = this.select.value; this.plotCurves(); });
      const axes = el("select", { "aria-label": "Horizontal axis" }, el("option", { value: "step" }, "steps"), el("option", { value: "seconds" }, "seconds"), el("option", { value: "images" }, "images seen"));
      axes.addEventListener("change", () => { this.axis = axes.value; this.plotCurves(); });
      const smoothing = el("input", { type: "range", min: 0, max: 0.98, step: 0.02, value: this.weight, "aria-label": "Smoothing of the curves" });
      smoothing.addEventListener("input", () => { this.weight = +smoothing.value; this.plotCurves(); });
      this.plot = el("div.pg-plot.tall", { role: "img", "aria-label": "Curves of the ticked runs" });
      this.samples = el("div.pg-compare-samples");
      this.compare.replaceChildren(
        el("h3", {}, "Compare"),
        el("div.pg-chart-controls", {}, this.select, axes, el("label.pg-smooth", {}, "smoothing", smoothing)),
        this.plot, this.samples);
      new MutationObserver(() => this.plotCurves()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    }

    async drawCompare() {
      const chosen = this.runs.filter((run) => this.ticked.has(run.key));
      this.compare.hidden = chosen.length === 0;
      this.root.classList.toggle("comparing", chosen.length > 0);
      if (!chosen.length) return;
      await pg.act(() => Promise.all(chosen.filter((run) => !this.histories.has(run.key)).map(async (run) => {
        this.histories.set(run.key, (await pg.api(`runs/${encodeURIComponent(run.key)}/metrics`)).columns);
      })));
      const names = [...new Set(chosen.flatMap((run) => Object.keys(this.histories.get(run.key) || {})))].filter((name) => !["step", "seconds", "images"].includes(name));
      names.sort((a, b) => (a in METRICS ? 0 : 1) - (b in METRICS ? 0 : 1));
      if (names.length && !names.includes(this.metric)) this.metric = names[0];
      const key = names.join();
      if (key !== this.metricKey) {
        this.metricKey = key;
        this.select.replaceChildren(...names.map((name) => el("option", { value: name }, metricName(name))));
      }
      this.select.value = this.metric;
      this.samples.replaceChildren(...chosen.filter((run) => run.sample !== null).map((run) => {
        const at = chosen.indexOf(run);
        const caption = el("figcaption", {}, el("i", { style: `background:${pg.palette(at)}` }), run.name);
        return el("figure", {}, el("img", { src: `runs/${encodeURIComponent(run.key)}/samples/${run.sample}.png`, alt: `Newest samples of ${run.name}`, loading: "lazy" }), caption);
      }));
      this.plotCurves();
    }

    async plotCurves() {
      const chosen = this.runs.filter((run) => this.ticked.has(run.key));
      if (!chosen.length || !pg.shown(this.plot)) return;
      await pg.act(async () => {
        const Plotly = await pg.plotly();
        const traces = [];
        chosen.forEach((run, at) => {
          const columns = this.histories.get(run.key);
          if (!columns?.[this.metric]) return;
          const soft = pg.smoother(this.weight);
          const line = { type: "scatter", mode: "lines", name: run.name, connectgaps: true, x: columns[this.axis], line: { color: pg.palette(at), width: 2 } };
          if (this.weight) traces.push({ ...line, y: columns[this.metric], opacity: 0.2, line: { ...line.line, width: 1 }, showlegend: false, hoverinfo: "skip" });
          traces.push({ ...line, y: columns[this.metric].map(soft), hovertemplate: "%{y:.4g}" });
        });
        const key = `${this.metric}|${this.axis}`;
        await Plotly.react(this.plot, traces, pg.layout({ xaxis: { title: { text: this.axis, font: { size: 11 }, standoff: 4 } }, yaxis: { title: { text: metricName(this.metric), font: { size: 11 } } }, showlegend: true, uirevision: key }), pg.plotConfig);
      });
    }
  }
})();
