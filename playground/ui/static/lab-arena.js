// The 2-D lab and the race: one contestant, or two to four side by side, on the same points from the same seed. The
// server trains and sends frames; the page asks for the next one as soon as it has one, and draws what it was told.
"use strict";

(() => {
  const pg = window.playground;
  const { el, labs } = pg;
  const { dot, percent } = labs;
  const MOST = 4; // contestants
  const START = { arena: { data: "gaussians", presets: ["vanilla-gan"] }, race: { data: "ring", presets: ["vanilla-gan", "wgan-gp", "r3gan"] } };
  const SPEEDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 0]; // steps a second; 0: as fast as it can
  const LAYERS = [
    ["real", "Real", "d", "Points of the data: what the generator should learn to make."],
    ["fake", "Fakes", "g", "Points that the generator makes of random latents. Each keeps its latent, so you can follow it."],
    ["surface", "D's opinion", null, "The discriminator's answer everywhere: blue where it takes a point for real, vermilion where it takes it for a fake, no colour where it can't tell."],
    ["manifold", "Manifold", "c3", "The latent space as the generator bends it into the plane. The deeper the shade, the more samples land there. For latents of one or two dimensions."],
    ["arrows", "Arrows", "ink", "The way in which each fake is told to move: against the gradient of the generator's loss. No arrows, no learning."],
    ["trails", "Trails", null, "Where the fakes have just been."],
  ];
  const CHARTS = [ // key, title, explanation, options
    ["modes", "Modes covered", "How many of the data's clusters have at least one good sample, within three standard deviations of the centre. Fewer than all: mode collapse.", { floor: 0, whole: true, format: (value) => String(Math.round(value)) }],
    ["high_quality", "High quality", "Share of samples within three standard deviations of the nearest cluster. A perfect generator reaches 98.9 %.", { floor: 0, ceiling: 1, format: (value) => percent(value), axis: (value) => percent(value) }],
    ["reverse_kl", "Reverse KL", "How unevenly the samples are spread over the clusters, each counted to its nearest: KL from the even spread. 0 is even; all in one of eight is 2.08.", { floor: 0 }],
    ["js", "JS divergence", "Jensen-Shannon divergence between real and generated points, counted on a grid. 0: the same; 0.69 = ln 2: nothing in common.", { floor: 0 }],
    ["grad_norm", "Arrow length", "Mean length of the arrows: how strong a pull the generator feels. Near 0 it learns nothing (vanishing gradient).", { floor: 0 }],
  ];
  const SIGMA = "Spread of the samples inside the clusters, divided by the true spread. 1 is right; below, the generator only makes the middle of each cluster.";
  const LOSS = "What each player tries to make small. They need not fall: when one wins, the other loses. The scales of two methods can't be compared.";

  const SHORT = { sample: "Sample", generate: "Generate", judge: "Judge", "learn-d": "D learns", "judge-again": "Judge again", gradient: "Gradient", "learn-g": "G learns" };
  const SIGNS = { // drawn with lines
    again: "M4 5v5h5M4.6 14.5A8 8 0 1 0 6.3 6.3L4 10",
    dice: "M6.5 4h11A2.5 2.5 0 0 1 20 6.5v11a2.5 2.5 0 0 1-2.5 2.5h-11A2.5 2.5 0 0 1 4 17.5v-11A2.5 2.5 0 0 1 6.5 4zM8.5 8.5h.01M15.5 15.5h.01M12 12h.01",
  };
  const glyph = (name) => {
    const icon = pg.icon("play");
    icon.classList.add("drawn");
    icon.firstChild.setAttribute("d", SIGNS[name]);
    return icon;
  };

  const middle = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

  // --- the view

  class Arena {
    constructor(root, kind) {
      this.root = root;
      this.kind = kind;
      this.race = kind === "race";
      this.panels = [];
      this.facts = null;
      this.times = []; // when frames were drawn, for measuring
      this.store = `gan-playground-${kind}`;
      this.link = new labs.Link(this);
      this.restore();
      this.build();
      labs.keys(() => this.link.awake && this.facts, { " ": () => this.run(), d: () => this.step("discriminator"), g: () => this.step("generator"), b: () => this.step("both"), s: () => this.setSlow(!this.slow) });
    }

    show() { this.link.show(); }

    hide() { this.link.hide(); }

    // --- what the page is made of

    build() {
      const button = (name, text, tip, action, icon) => el(`button.pg-button.${name}`, { type: "button", "data-tip": tip, "aria-label": text, onclick: action }, icon, el("span", {}, text));
      this.sets = el("div.pg-lab-sets", { role: "group", "aria-label": "Data" });
      this.about = el("p.pg-fine.pg-lab-about");
      const data = el("section.pg-lab-card.pg-lab-data", { "aria-label": "Data" }, el("h3", {}, "Data"), this.sets, this.about);

      this.runner = labs.runner(() => this.run());
      this.steps = el("div.pg-lab-steps", { role: "group", "aria-label": "One step" },
        button("d", "Step D", "Let only the discriminator learn once: the fakes stay where they are. Key: D", () => this.step("discriminator")),
        button("g", "Step G", "Let only the generator learn once: D's opinion stays as it is. Key: G", () => this.step("generator")),
        button("both", "Step both", "One full round. Key: B", () => this.step("both")));
      this.slower = el("button.pg-button.pg-lab-slow", { type: "button", "aria-pressed": "false", "data-tip": "Go through a step stage by stage, each named as it happens. Key: S", onclick: () => this.setSlow(!this.slow) }, "Slow motion");
      const fastest = SPEEDS.length - 1;
      this.speed = labs.slider({ label: "Speed", min: 0, max: fastest, step: 1, value: fastest, format: (at) => (SPEEDS[at] ? `${SPEEDS[at]} steps/s` : "full"), oninput: (at) => this.link.later("speed", { do: "speed", steps_per_second: SPEEDS[at] }), help: "Steps a second; at the right end as fast as the machine can." });
      this.pace = labs.slider({ label: "Per stage", min: 0.2, max: 4, log: true, value: 1, format: (value) => `${value.toFixed(1)} s`, oninput: (value) => this.link.later("slow", { do: "slow", on: true, seconds: value }), help: "How long each stage is shown." });
      this.again = button("pg-lab-reset", "Reset", "Reset: start again from the same first weights.", () => this.reset(), glyph("again"));
      this.fresh = button("pg-lab-fresh", "New seed", "New seed: start again from other first weights.", () => this.reset(Math.floor(Math.random() * 1e6)), glyph("dice"));
      this.restart = el("div.pg-lab-restart", {}, this.again, this.fresh);
      this.bar = el("div.pg-lab-bar", { role: "toolbar", "aria-label": "Training" },
        this.runner.node, this.steps, this.slower, el("div.pg-lab-pace", {}, this.speed.node, this.pace.node), this.race && this.restart);
      this.strip = el("ol", { "aria-label": "Stages of a step" });
      this.stageTitle = el("p", { role: "status" });
      this.stages = el("div.pg-lab-stages", { hidden: true }, this.strip, this.stageTitle);
      this.chips = el("div.pg-lab-layers", { role: "group", "aria-label": "Layers" }, ...LAYERS.map(([name, text, color, tip]) => el("button.pg-lab-layer", { type: "button", "data-layer": name, "data-tip": tip, onclick: () => this.toggle(name) },
        name === "surface" ? el("i.pg-lab-dot.surface") : name === "trails" ? el("i.pg-lab-dot.trails") : dot(color), text)));
      this.adder = el("button.pg-link-button.pg-lab-add", { type: "button", onclick: () => this.add() }, "+ Add a contestant");
      this.planes = el("div.pg-lab-planes");
      this.lost = el("p.pg-lab-problem", { role: "alert", hidden: true });
      const stage = el("section.pg-lab-main", { "aria-label": "The game" }, this.bar, this.lost, this.stages, el("div.pg-lab-above", {}, this.chips, this.race && this.adder), this.planes);

      this.charts = new Map(CHARTS.map(([key, title, help, options]) => [key, labs.chart({ title, help, ...options })]));
      const losses = this.race
        ? [["loss_d", "Loss of D"], ["loss_g", "Loss of G"]]
        : [["losses", "Losses"]];
      for (const [key, title] of losses) this.charts.set(key, labs.chart({ title, help: LOSS }));
      const order = this.race ? ["js", "modes", "high_quality", "reverse_kl", "loss_d", "loss_g", "grad_norm"] : ["losses", "js", "modes", "high_quality", "reverse_kl", "grad_norm"];
      const nodes = order.map((key) => this.charts.get(key).node);
      if (!this.race) {
        this.histogram = labs.histogram({ title: "D says", help: "How often the discriminator gives which answer: to real points (blue) and to fakes (vermilion). One heap over the other: it can't tell them apart." });
        nodes.push(this.histogram.node);
      }
      this.sigma = labs.figure({ label: "Spread in clusters", help: SIGMA });
      this.table = el("tbody");
      const ranking = this.race && el("section.pg-lab-card.pg-lab-ranking", { "aria-label": "Who is ahead" },
        el("h3", {}, "Who is ahead"), el("div.pg-lab-scroll", {}, el("table", {}, el("thead", {}, el("tr", {}, ...[["", null], ["Steps", null], ["JS", CHARTS[3][2]], ["Modes", CHARTS[0][2]], ["High quality", CHARTS[1][2]], ["Reverse KL", CHARTS[2][2]], ["Spread", SIGMA]].map(([text, help]) => el("th", { scope: "col" }, text && labs.words(text, help))))), this.table)),
        el("p.pg-fine", {}, "Ahead is who has the smallest JS divergence over the last few measurements: it counts missing clusters as well as stray points."));
      const numbers = el("section.pg-lab-card.pg-lab-numbers", { "aria-label": "Measures" }, el("h3", {}, "How well it learns"), el("div.pg-lab-charts", {}, ...nodes, !this.race && this.sigma.node));

      this.target = labs.choice({ label: "Settings of", options: [["all", "all"]], value: "all", onchange: () => this.showKnobs() });
      this.target.node.hidden = !this.race;
      this.settings = labs.settings(this.link, this.target.node, (name, value) => this.setKnob(name, value));

      this.loading = el("p.pg-hint", { role: "status" }, "Setting up the lab…");
      this.work = el(`div.pg-arena${this.race ? ".race" : ""}`, { hidden: true }, data, stage, ranking || "", numbers, this.settings.node);
      this.root.replaceChildren(this.loading, this.work);
      this.showLayers();
      this.showSlow();
    }

    // --- what the link to the server asks for

    options() {
      const { data, presets, seed, knobs, drawing } = this.state;
      return { kind: "arena", data, presets, seed, knobs, drawing: data === "drawing" ? drawing : null };
    }

    startOver() { Object.assign(this.state, { ...START[this.kind], knobs: {}, seed: 0 }); }

    async opened() {
      this.running = false;
      for (const panel of this.panels) panel.forget();
      const at = this.speed.value;
      if (SPEEDS[at]) await this.link.send({ do: "speed", steps_per_second: SPEEDS[at] });
      if (this.slow) await this.link.send({ do: "slow", on: true, seconds: this.pace.value });
    }

    wanted() {
      const wanted = ["fake", "surface", "manifold", "arrows"].filter((name) => this.layers.has(name) || (name === "fake" && this.layers.has("trails")));
      return this.race ? wanted : [...wanted, "histogram"];
    }

    // --- frames and facts

    take(frame) {
      if (frame.contestants.length !== this.panels.length) return; // the facts are on their way
      if (!this.ordering) this.running = frame.running; // else it may be older than the click
      this.showRunning();
      frame.contestants.forEach((one, at) => {
        const decoded = { ...one };
        for (const name of ["fake", "surface", "manifold", "arrows"]) decoded[name] = labs.array(one[name]);
        if (one.histogram) decoded.histogram = { ...one.histogram, real: labs.array(one.histogram.real), fake: labs.array(one.histogram.fake) };
        this.panels[at].take(decoded);
      });
      this.showStages(frame);
      this.times.push(performance.now());
      if (this.times.length > 600) this.times.shift();
      this.numbersAsked ||= requestAnimationFrame(() => { this.numbersAsked = 0; this.showNumbers(); });
    }

    useFacts(facts) {
      const { data, contestants } = facts, before = this.facts;
      this.facts = facts;
      this.work.hidden = false;
      this.loading.hidden = true;
      while (this.panels.length > contestants.length) this.panels.pop().node.remove();
      while (this.panels.length < contestants.length) {
        const panel = new labs.Panel(this, this.panels.length);
        panel.scene.layers = this.layers;
        this.panels.push(panel);
        this.planes.append(panel.node);
        panel.fresh = true;
      }
      this.planes.dataset.count = contestants.length;
      const moved = !before || before.data.name !== data.name || before.data.real !== data.real;
      if (moved) this.real = labs.array(data.real);
      for (const panel of this.panels) {
        panel.setFacts(facts);
        if (!moved && !panel.fresh) continue;
        panel.fresh = false;
        panel.history.clear();
        panel.step = 0;
        panel.scene.setData({ bounds: data.bounds, real: this.real });
      }
      if (!before || before.datasets.length !== facts.datasets.length) this.drawSets();
      for (const tile of this.sets.children) tile.setAttribute("aria-pressed", String(tile.dataset.name === data.name));
      this.about.textContent = data.help;
      this.work.classList.toggle("no-modes", !data.modes?.length);
      for (const key of ["modes", "high_quality", "reverse_kl"]) this.charts.get(key).node.hidden = !data.modes?.length || (key !== "modes" && !data.sigma);
      this.sigma.node.hidden = !data.sigma;
      this.adder.disabled = contestants.length >= MOST;
      const flat = contestants.some((one) => one.latent_dim <= 2);
      const chip = this.chips.querySelector("[data-layer=manifold]");
      chip.classList.toggle("idle", !flat);
      Object.assign(this.state, { data: data.name, presets: contestants.map((one) => one.preset), seed: facts.seed });
      this.keep();
      this.drawKnobs();
    }

    // --- data

    drawSets() {
      const own = { name: "drawing", title: "Draw your own", help: "Spray points where you want them: the networks learn that." };
      this.sets.replaceChildren(...[...this.facts.datasets.filter(({ name }) => name !== own.name), own].map(({ name, title, help }) => {
        const picture = el("canvas", { "aria-hidden": "true" });
        return el(`button.pg-lab-set${name === own.name ? ".own" : ""}`, { type: "button", "data-name": name, "data-tip": help, onclick: () => (name === own.name ? this.draw() : this.setData(name)) }, picture, el("span", {}, title));
      }));
      this.paintSets();
      if (this.themed) return;
      this.themed = true;
      labs.onTheme(() => { this.paintSets(); this.showScales(); });
    }

    showScales() {
      for (const panel of this.panels) if (panel.scene.frame) panel.showScale(panel.scene.frame);
    }

    paintSets() {
      for (const tile of this.sets.children) {
        const { name } = tile.dataset, own = name === "drawing";
        const points = own && this.state.drawing?.length ? this.state.drawing : null;
        labs.paintThumbnail(tile.querySelector("canvas"), name, points);
        tile.classList.toggle("blank", own && !points);
      }
    }

    setData(name) {
      return this.link.act({ do: "data", data: name });
    }

    draw() {
      labs.drawing(this.state.drawing || [], async (points) => {
        await this.link.send({ do: "data", data: "drawing", drawing: points });
        this.state.drawing = points;
        this.keep();
        this.paintSets();
      });
    }

    // --- contestants

    setPreset(index, preset) {
      return pg.act(async () => {
        try {
          await this.link.send({ do: "preset", contestant: index, preset });
          this.state.knobs = {};
          this.keep();
        } catch (error) {
          this.panels[index].picker.set(this.facts.contestants[index].preset);
          throw error;
        }
      });
    }

    add() {
      const taken = this.facts.contestants.map((one) => one.preset), { presets } = this.facts;
      const wanted = ["vanilla-gan", "wgan-gp", "r3gan", "hinge-gan", ...presets.map((one) => one.name)].find((name) => !taken.includes(name) && presets.some((one) => one.name === name));
      return this.link.act({ do: "add", preset: wanted || presets[0].name });
    }

    drop(index) {
      return this.link.act({ do: "remove", contestant: index });
    }

    // --- training

    async run() {
      this.running = !this.running;
      this.showRunning();
      this.ordering = (this.ordering || 0) + 1;
      await this.link.act({ do: this.running ? "run" : "pause" });
      this.ordering -= 1;
    }

    showRunning() {
      this.runner.set(this.running);
      this.root.classList.toggle("running", Boolean(this.running));
    }

    step(phase) {
      return this.link.act({ do: "step", phase });
    }

    setSlow(on) {
      this.slow = on;
      this.showSlow();
      return this.link.act({ do: "slow", on, seconds: this.pace.value });
    }

    showSlow() {
      this.slower.setAttribute("aria-pressed", String(Boolean(this.slow)));
      this.work.classList.toggle("slow", Boolean(this.slow));
      this.speed.node.hidden = Boolean(this.slow);
      this.pace.node.hidden = !this.slow;
      if (!this.slow) this.stages.hidden = true;
    }

    showStages({ slow, stage }) {
      const { stages } = this.facts;
      if (Boolean(slow) !== Boolean(this.slow) && !this.link.waiting.size) { this.slow = slow; this.showSlow(); }
      this.stages.hidden = !this.slow;
      if (!this.slow) return;
      const key = stages.map(({ id }) => id).join();
      if (key !== this.staged) {
        this.staged = key;
        this.strip.replaceChildren(...stages.map(({ id, title }) => el("li", { "data-stage": id, "data-tip": title }, el("span", {}, SHORT[id] || title))));
      }
      for (const item of this.strip.children) {
        if (item.dataset.stage === stage) item.setAttribute("aria-current", "step");
        else item.removeAttribute("aria-current");
      }
      const title = stages.find(({ id }) => id === stage)?.title || "Press Run: each stage of a step is named here while it happens.";
      if (this.stageTitle.textContent !== title) this.stageTitle.textContent = title;
    }

    reset(seed) {
      return pg.act(async () => {
        await this.link.send({ do: "reset", ...(seed === undefined ? {} : { seed }) });
        for (const panel of this.panels) panel.forget();
      });
    }

    // --- layers

    toggle(name) {
      if (this.layers.has(name)) this.layers.delete(name);
      else this.layers.add(name);
      this.showLayers();
      this.keep();
      for (const panel of this.panels) panel.scene.draw();
      this.link.refresh();
    }

    showLayers() {
      for (const chip of this.chips.children) chip.setAttribute("aria-pressed", String(this.layers.has(chip.dataset.layer)));
      this.showScales();
    }

    setProbe(place) {
      for (const panel of this.panels) {
        panel.scene.probe = place;
        panel.scene.draw();
        panel.showProbe();
      }
    }

    // --- numbers

    showNumbers() {
      const { panels } = this;
      const lines = (key) => panels.map((panel) => ({ name: panel.title, color: panel.color, ...panel.history.line(key) }));
      for (const [key, chart] of this.charts) {
        if (chart.node.hidden) continue;
        if (key === "losses") {
          const { history } = panels[0];
          chart.set([{ name: "discriminator", color: "d", ...history.line("loss_d") }, { name: "generator", color: "g", ...history.line("loss_g") }]);
        } else {
          const total = key === "modes" ? this.facts.data.modes.length : undefined;
          chart.set(this.race ? lines(key) : lines(key).map((one) => ({ ...one, color: "accent" })), total);
        }
      }
      const [first] = panels;
      if (!this.race) {
        this.histogram.set(first.histogram);
        this.sigma.set(Number.isFinite(first.metrics.sigma_ratio) ? `${first.metrics.sigma_ratio.toFixed(2)} ×` : "–");
      } else {
        this.rank();
      }
    }

    // Who has the smallest JS over the last five measurements is ahead.
    rank() {
      const score = (panel) => {
        const recent = panel.history.columns.js.slice(-5).filter(Number.isFinite);
        return panel.state === "diverged" ? Infinity : recent.length ? middle(recent) : panel.metrics?.js ?? Infinity;
      };
      const rows = this.panels.map((panel) => ({ panel, score: score(panel) })).sort((a, b) => a.score - b.score || a.panel.index - b.panel.index);
      const started = this.panels.some((panel) => panel.step > 0);
      this.table.replaceChildren(...rows.map(({ panel, score: points }, place) => {
        const { metrics } = panel, show = (value, format) => el("td", {}, Number.isFinite(value) ? format(value) : "–");
        const ahead = started && place === 0 && Number.isFinite(points);
        return el("tr", { class: ahead ? "ahead" : null },
          el("th", { scope: "row" }, dot(panel.color), panel.title, panel.state === "diverged" ? el("em.bad", {}, "diverged") : ahead && el("em", {}, "ahead")),
          el("td", {}, pg.number(panel.step)), show(Number.isFinite(points) ? points : null, pg.short), el("td", {}, Number.isFinite(metrics.modes) ? `${metrics.modes} / ${metrics.modes_total}` : "–"),
          show(metrics.high_quality, percent), show(metrics.reverse_kl, pg.short), show(metrics.sigma_ratio, (value) => `${value.toFixed(2)} ×`));
      }));
    }

    // --- settings

    drawKnobs() {
      const { facts } = this;
      const options = [["all", "all contestants"], ...facts.contestants.map((one, at) => [String(at), `${at + 1}: ${one.title}`])];
      const listed = options.map(([, text]) => text).join();
      if (listed !== this.listed) this.target.fill(options);
      this.listed = listed;
      this.settings.fill(facts.knobs);
      this.showKnobs();
    }

    showKnobs() {
      const { contestants } = this.facts, target = this.target.value;
      this.settings.show(target === "all" ? contestants : [contestants[+target] || contestants[0]]);
    }

    setKnob(name, value) {
      const target = this.target.value, contestant = target === "all" ? null : +target;
      if (contestant === null) { this.state.knobs[name] = value; this.keep(); }
      return this.link.later(`${name} ${target}`, { do: "knob", name, value, contestant });
    }

    // --- what is kept over a reload

    restore() {
      this.state = { ...START[this.kind], knobs: {}, seed: 0, drawing: [], layers: ["real", "fake", "surface", ...(this.race ? [] : ["arrows"])] };
      try {
        const kept = JSON.parse(sessionStorage.getItem(this.store));
        if (kept && Array.isArray(kept.presets) && Array.isArray(kept.layers) && kept.presets.length >= (this.race ? 2 : 1) && kept.presets.length <= (this.race ? MOST : 1)) Object.assign(this.state, kept);
      } catch { /* storage is closed to us, or holds something else */ }
      this.layers = new Set(this.state.layers);
    }

    keep() {
      this.state.layers = [...this.layers];
      try {
        sessionStorage.setItem(this.store, JSON.stringify(this.state));
      } catch { /* then a reload begins anew */ }
    }
  }

  labs.add({
    id: "arena", title: "2-D lab", order: 10,
    hint: "Try first: press Run and watch the vermilion fakes chase the blue data. Then slow down, step D and G by themselves, or draw data of your own.",
    build: (root) => (pg.arena = new Arena(root, "arena")),
  });
  labs.add({
    id: "race", title: "Race", order: 20,
    hint: "Try first: press Run and see which method covers all the clusters. All of them get the same points and the same seed, and take each step together.",
    build: (root) => (pg.race = new Arena(root, "race")),
  });
})();
