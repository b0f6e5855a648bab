// The further panels of Explore: steering with a classifier, teaching a direction, a picture of one's own, and bias.
"use strict";

(() => {
  const pg = window.playground;
  const { el, parts, recipes } = pg;
  const panels = pg.explorePanels;
  const POLL = 350; // ms between two looks at a job
  const SAMPLES = 20;
  const hasReadings = (info) => info.attributes.length > 0;
  const nameOf = (attribute) => parts.words(attribute.label || attribute.name);

  // ------------------------------------------------------------------------------------------------------------------
  // 5. Steer with the classifier

  class Steer {
    constructor(app, panel) {
      Object.assign(this, { app, key: null, targets: new Map(), held: new Set(), result: null });
      this.chips = el("div.pgx-wishes", { role: "group", "aria-label": "What it shall show" });
      this.hold = parts.segment("What stays", [["others", "hold all others", "Everything that may stay, stays"], ["pick", "hold some", "Choose what stays"], ["none", "hold nothing"]], "others", () => { this.holdChips.hidden = this.holding !== "pick"; });
      this.holdChips = el("div.pgx-chips", { role: "group", "aria-label": "What is held", hidden: true });
      this.stepSize = parts.slider({ label: "Step size", min: 0.05, max: 2, step: 0.05, value: 0.5, neutral: 0.5, oninput: () => {}, format: (value) => `${value.toFixed(2)} σ`, hint: "How far one step may go, in standard deviations of the latents" });
      this.steps = parts.slider({ label: "Steps", min: 5, max: 120, step: 5, value: 80, neutral: 80, oninput: () => {}, format: String, hint: "At most so many; it rests when it is there" });
      this.weight = parts.slider({ label: "Hold", min: 0, max: 5, step: 0.1, value: 0.5, neutral: 0.5, oninput: () => {}, format: (value) => (value ? `× ${value.toFixed(1)}` : "off"), hint: "Weight of the L2 penalty on what shall stay" });
      this.still = parts.slider({ label: "Rest of the picture", min: 0, max: 2, step: 0.1, value: 0.3, neutral: 0.3, oninput: () => {}, format: (value) => (value ? `× ${value.toFixed(1)}` : "free"), hint: "How firmly backdrop, clothes and colours stay, wherever what you ask for can spare them" });
      this.go = parts.button("Steer", () => this.run(), { kind: "primary" });
      this.note = el("div");
      this.shown = el("div.pgx-result", { hidden: true });
      panel.body.append(parts.hint("Click once for more of it, again for less, again to leave it. The bar says what the classifier reads now."),
        this.chips, parts.field("Meanwhile", this.hold.node), this.holdChips, parts.fold("Step size, steps, hold", this.stepSize.node, this.steps.node, this.weight.node, this.still.node), el("div.pgx-row", {}, this.go), this.note, this.shown);
      this.readLater = parts.later(250, () => this.read());
    }

    get holding() {
      return this.hold.node.querySelector('[aria-pressed="true"]').dataset.value;
    }

    build(info) {
      this.targets.clear();
      this.held.clear();
      this.result = null;
      this.shown.hidden = true;
      this.wishes = new Map(info.attributes.map((attribute) => {
        const chip = el("button.pgx-wish", { type: "button", onclick: () => this.cycle(attribute) }, el("i", { "aria-hidden": "true" }), el("span", {}, nameOf(attribute)));
        return [attribute.name, chip];
      }));
      this.chips.replaceChildren(...this.wishes.values());
      this.holdChips.replaceChildren(...info.attributes.map((attribute) => {
        const chip = el("button.pgx-chip", { type: "button", "aria-pressed": "false", onclick: () => {
          if (!this.held.delete(attribute.name)) this.held.add(attribute.name);
          chip.setAttribute("aria-pressed", String(this.held.has(attribute.name)));
        } }, nameOf(attribute));
        return chip;
      }));
      info.attributes.forEach((attribute) => this.label(attribute));
    }

    cycle(attribute) {
      const next = new Map([[undefined, 1], [1, 0], [0, undefined]]).get(this.targets.get(attribute.name));
      if (next === undefined) this.targets.delete(attribute.name); else this.targets.set(attribute.name, next);
      this.label(attribute);
    }

    label(attribute) {
      const wish = this.targets.get(attribute.name), chip = this.wishes.get(attribute.name);
      chip.dataset.wish = wish === undefined ? "" : wish ? "more" : "less";
      chip.setAttribute("aria-label", `${nameOf(attribute)}: ${wish === undefined ? "left alone" : wish ? "wanted" : "unwanted"}`);
      this.go.disabled = !this.targets.size;
    }

    async read() {
      if (!pg.shown(this.chips)) return;
      try {
        const readings = await this.app.read();
        for (const [name, chip] of this.wishes) {
          chip.style.setProperty("--read", `${(readings[name] ?? 0) * 100}%`);
          chip.title = `The classifier reads ${parts.percent(readings[name] ?? 0)}`;
        }
      } catch { /* the large picture says what is wrong */ }
    }

    async run() {
      const { app } = this, before = app.recipe;
      const hold = { others: "others", none: null, pick: [...this.held].filter((name) => !this.targets.has(name)) }[this.holding];
      this.go.disabled = true;
      this.note.replaceChildren(parts.busy("Walking towards it…"));
      try {
        const result = await pg.api("explore/steer", { recipe: before, targets: Object.fromEntries(this.targets), hold, hold_weight: +this.weight.input.value, picture_weight: +this.still.input.value, step_size: +this.stepSize.input.value, steps: +this.steps.input.value });
        this.note.replaceChildren();
        if (app.recipe.model !== before.model) return;
        app.stage.stop();
        const wishes = [...this.targets].map(([name, wish]) => `${wish ? "+" : "−"} ${nameOf(app.info.attributes.find((one) => one.name === name)).toLowerCase()}`);
        const recipe = { ...result.recipe, a: { ...result.recipe.a, name: `steered: ${wishes.join(", ")}` } };
        this.result = { ...result, recipe, before };
        app.change(null, recipe);
        this.present();
      } catch (error) {
        this.note.replaceChildren(parts.problem(error.message));
      } finally {
        this.go.disabled = !this.targets.size;
      }
    }

    present() {
      const { result, app } = this;
      const last = result.path.length - 1, wanted = [...this.targets.keys()];
      const long = Math.max(1, (result.readings[wanted[0]] || []).length - 1);
      const before = parts.thumb("Before"), after = parts.thumb("After");
      const curves = parts.curves(result.readings, wanted, `Readings of the classifier along the way: ${wanted.map((name) => `${parts.words(name)} from ${parts.percent(result.readings[name][0])} to ${parts.percent(result.readings[name].at(-1))}`).join(", ")}`);
      const way = parts.slider({ label: "Along the way", min: 0, max: last, step: 1, value: last, neutral: last, format: (at) => `${Math.round((at / Math.max(1, last)) * long)} of ${long} steps`, onseal: () => app.seal(),
        oninput: (at, since) => {
          curves.move((at / Math.max(1, last)) * long);
          app.change("path", (recipe) => ({ ...recipe, space: result.recipe.space, a: { ...result.recipe.a, vector: result.path[at] }, b: null, t: 0, layer_t: null }), since);
        } });
      curves.move(long);
      this.shown.replaceChildren(
        el("div.pgx-pair", {}, el("figure", {}, before, el("figcaption", {}, "before")), el("figure", {}, after, el("figcaption", {}, "after")),
          el("ul.pgx-changes", {}, ...wanted.map((name) => el("li", {}, el("b", {}, parts.words(name)), ` ${parts.percent(result.readings[name][0])} → ${parts.percent(result.readings[name].at(-1))}`)))),
        way.node, curves.node);
      this.shown.hidden = false;
      for (const [canvas, recipe] of [[before, result.before], [after, result.recipe]]) pg.frame(recipe, canvas).catch(() => {});
    }

    update(info) {
      if (this.key !== info.key) { this.key = info.key; this.build(info); }
      this.readLater();
    }
  }

  panels.push({
    id: "steer", title: "Steer with a classifier", hint: "ask for it, hold the rest", side: "second", when: hasReadings,
    build(app, panel) {
      const steer = new Steer(app, panel);
      return (recipe, info) => steer.update(info);
    },
  });

  // ------------------------------------------------------------------------------------------------------------------
  // 6. Teach a direction

  class Teach {
    constructor(app, panel) {
      Object.assign(this, { app, votes: new Map(), seeds: [], key: null });
      this.grid = el("div.pgx-teach");
      this.name = el("input.pgx-text", { type: "text", maxlength: 40, placeholder: "what they have in common", "aria-label": "Name of the direction" });
      this.count = el("span.pgx-said", { role: "status" });
      this.make = parts.button("Make the slider", () => this.teach(), { kind: "primary" });
      this.note = el("div");
      panel.body.append(parts.hint("Thumbs up where you see it, down where you don't. Three of each are enough, more are better."),
        el("div.pgx-row", {}, parts.button("Show me 20", () => this.deal(), { picture: "dice" }), this.count), this.grid,
        el("div.pgx-row", {}, this.name, this.make), this.note);
      this.say();
    }

    deal() {
      this.seeds = Array.from({ length: SAMPLES }, recipes.newSeed);
      this.cards = this.seeds.map((seed, at) => this.card(seed, at));
      this.grid.replaceChildren(...this.cards.map((card) => card.node));
      this.draw();
    }

    card(seed, at) {
      const canvas = parts.thumb(`Sample ${at + 1}`);
      const button = (vote, picture, text) => parts.tool(picture, `${text}, sample ${at + 1}`, () => { if (this.votes.get(seed) === vote) this.votes.delete(seed); else this.votes.set(seed, vote); show(); this.say(); });
      const up = button(1, "up", "Has it"), down = button(-1, "down", "Has it not");
      const node = el("figure", {}, canvas, el("div", {}, up, down));
      const show = () => {
        const vote = this.votes.get(seed);
        node.dataset.vote = vote ? (vote > 0 ? "up" : "down") : "";
        up.setAttribute("aria-pressed", String(vote === 1));
        down.setAttribute("aria-pressed", String(vote === -1));
      };
      show();
      return { node, canvas };
    }

    async draw() {
      await pg.act(async () => {
        const sheet = await pg.sheet(this.seeds.map((seed) => recipes.alone(this.app.recipe, this.point(seed))));
        this.cards.forEach(({ canvas }, at) => pg.paintTile(canvas, sheet, at, { smooth: this.app.ui.smooth }));
      });
    }

    point(seed) {
      return recipes.seed(seed, this.app.recipe.a);
    }

    of(vote) {
      return [...this.votes].filter(([, value]) => value === vote).map(([seed]) => this.point(seed));
    }

    say() {
      const up = this.of(1).length, down = this.of(-1).length;
      this.count.textContent = up || down ? `${up} up, ${down} down` : "";
      this.make.disabled = up < 3 || down < 3;
    }

    async teach() {
      const { app } = this, { key } = app.info;
      this.make.disabled = true;
      this.note.replaceChildren(parts.busy("Learning from your thumbs…"));
      try {
        const known = app.ui.mine[key] || [];
        const name = this.name.value.trim() || `my direction ${known.length + 1}`;
        const { direction } = await pg.api("explore/teach", { recipe: app.recipe, up: this.of(1), down: this.of(-1), name });
        app.ui.mine = { ...app.ui.mine, [key]: [...known.filter((one) => one.name !== direction.name), { ...direction, label: direction.label || name, method: "taught" }] };
        app.ui.method = "taught";
        this.votes.clear();
        this.name.value = "";
        this.grid.replaceChildren();
        this.note.replaceChildren(el("p.pgx-good", { role: "status" }, `“${name}” is a slider now, under Change something: mine.`));
        app.show("change");
        app.keep();
      } catch (error) {
        this.note.replaceChildren(parts.problem(error.message));
      } finally {
        this.say();
      }
    }

    update(info) {
      if (this.key === info.key) return;
      if (this.key) this.grid.replaceChildren();
      this.key = info.key;
      this.votes.clear();
      this.say();
    }
  }

  panels.push({
    id: "teach", title: "Teach a direction", hint: "thumbs make a slider", side: "second",
    build(app, panel) {
      const teach = new Teach(app, panel);
      return (recipe, info) => teach.update(info);
    },
  });

  // ------------------------------------------------------------------------------------------------------------------
  // 8. Your picture

  const EFFORTS = [["80", "quick", "A few seconds"], ["250", "good", "About half a minute"], ["800", "best", "A minute or two"]];

  class Inversion {
    constructor(app, panel) {
      Object.assign(this, { app, job: null, found: null, model: null });
      const file = el("input", { type: "file", accept: "image/*", "aria-label": "Your picture" });
      file.addEventListener("change", () => { if (file.files[0]) this.take(file.files[0]); file.value = ""; });
      const zone = el("label.pgx-drop", {}, el("b", {}, "Drop a picture here"), el("span", {}, "or paste one, or click to choose"), file);
      zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
      zone.addEventListener("dragleave", () => zone.classList.remove("over"));
      zone.addEventListener("drop", (event) => {
        event.preventDefault();
        zone.classList.remove("over");
        if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
      });
      this.effort = parts.segment("Effort", EFFORTS, "250", () => {});
      this.layered = parts.check("a style for each layer", true, () => {}, "Comes closer to the picture; a single style is easier to change afterwards");
      this.bar = el("div.pgx-progress", { role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, el("i"));
      this.stop = parts.button("Stop here", () => this.cancel(), { kind: "small" });
      this.original = el("img.pgx-thumb", { alt: "Your picture" });
      this.rebuilt = parts.thumb("What the model can draw of it");
      this.numbers = el("p.pgx-numbers", { role: "status" });
      this.use = ["a", "b"].map((which) => parts.button(`Use as ${which.toUpperCase()}`, () => this.apply(which), { kind: which === "a" ? "primary" : "" }));
      this.work = el("div.pgx-result", { hidden: true }, el("div.pgx-pair", {}, el("figure", {}, this.original, el("figcaption", {}, "yours")), el("figure", {}, this.rebuilt, el("figcaption", {}, "found"))), el("div.pgx-row", {}, this.bar, this.stop), this.numbers, el("div.pgx-row", {}, ...this.use));
      this.note = el("div");
      panel.body.append(parts.hint("The model looks for the point whose picture is most like yours: a model of faces finds a face. Then every tool works on it."), zone,
        el("div.pgx-row.wrap", {}, parts.field("Effort", this.effort.node), this.layered.node), this.note, this.work);
      panel.take = (picture) => this.take(picture);
    }

    async take(file) {
      const { app } = this, model = app.info.key;
      await this.cancel();
      this.note.replaceChildren();
      const steps = this.effort.node.querySelector('[aria-pressed="true"]').dataset.value;
      const perLayer = app.info.styled && this.layered.node.firstChild.checked;
      const query = new URLSearchParams({ model, steps, per_layer: perLayer ? 1 : 0 });
      try {
        const { job } = await (await pg.fetchFile(`explore/invert?${query}`, file, { type: file.type || "application/octet-stream" })).json();
        Object.assign(this, { job, found: null, model });
        this.original.src = `explore/jobs/${job}/original.png`;
        this.work.hidden = false;
        this.stop.hidden = false;
        for (const button of this.use) button.disabled = true;
        this.watch(job);
      } catch (error) {
        this.note.replaceChildren(parts.problem(error.message));
      }
    }

    async watch(job) {
      while (this.job === job) {
        let state;
        try {
          state = await pg.api(`explore/jobs/${job}`);
        } catch (error) {
          this.job = null;
          this.note.replaceChildren(parts.problem(error.message));
          break;
        }
        if (this.job !== job) return;
        this.show(state);
        if (state.state !== "running") this.job = null;
        await new Promise((done) => setTimeout(done, POLL));
      }
      this.stop.hidden = true;
    }

    show({ state, step, total, distance, psnr, start_distance: first, measure, recipe, message }) {
      const share = state === "done" ? 1 : step / Math.max(1, total);
      this.bar.setAttribute("aria-valuenow", Math.round(share * 100));
      this.bar.firstChild.style.width = `${share * 100}%`;
      this.stop.hidden = state !== "running";
      const told = Number.isFinite(first) && first !== distance ? `${first.toFixed(3)} → ` : "";
      const numbers = [Number.isFinite(distance) && `distance (${measure || "features"}) ${told}${distance.toFixed(3)}`, Number.isFinite(psnr) && `PSNR ${psnr.toFixed(1)} dB`].filter(Boolean).join(" · ");
      this.numbers.textContent = [numbers, state === "running" && step ? `step ${step} of ${total}` : message].filter(Boolean).join(" · ");
      if (state === "failed") this.note.replaceChildren(parts.problem(message || "The picture could not be found in this model."));
      if (recipe) {
        this.found = recipe;
        pg.frame(recipe, this.rebuilt).catch(() => {});
      }
      for (const button of this.use) button.disabled = !this.found;
    }

    async cancel() {
      const { job } = this;
      this.job = null;
      if (!job) return;
      const last = await pg.act(async () => {
        await pg.api(`explore/jobs/${job}/cancel`, {});
        return pg.api(`explore/jobs/${job}`);
      });
      if (last) this.show({ ...last, state: last.state === "running" ? "cancelled" : last.state });
      this.stop.hidden = true;
    }

    // Bare, as it was found: what was set before would change it.
    apply(which) {
      const { app, found } = this;
      if (!found) return;
      const point = { ...found.a, name: "your picture" };
      app.stage.stop();
      app.change(null, (recipe) => (which === "a" ? { ...recipe, ...found, a: point } : recipes.withPoint(recipe, "b", point)));
    }

    update(info) {
      this.layered.node.hidden = !info.styled;
      if (this.model && this.model !== info.key) {
        this.cancel();
        Object.assign(this, { found: null, model: null });
        this.work.hidden = true;
      }
    }
  }

  panels.push({
    id: "picture", title: "Your picture", hint: "find it in the model", side: "first",
    build(app, panel) {
      const inversion = new Inversion(app, panel);
      return (recipe, info) => inversion.update(info);
    },
  });

  // ------------------------------------------------------------------------------------------------------------------
  // 9. Bias and disentanglement

  const SCORES = {
    disentanglement: ["Disentanglement", "Does each direction carry one attribute only? (DCI; 1 is best)"],
    completeness: ["Completeness", "Is each attribute carried by one direction only? (DCI; 1 is best)"],
    informativeness: ["Informativeness", "How well the attributes can be read from the latent (DCI; 1 is best)"],
    separability: ["Separability", "How much a straight border leaves unknown of each attribute (1 is best possible, more is worse)"],
  };
  const scoreTable = (spaces) => el("table.pgx-scores", {},
    el("thead", {}, el("tr", {}, el("th", {}), ...spaces.map(({ space }) => el("th", { scope: "col" }, space === "w" ? "w (styles)" : "z (noise)")))),
    el("tbody", {}, ...Object.entries(SCORES).filter(([key]) => spaces.some((row) => Number.isFinite(row[key]))).map(([key, [name, hint]]) => el("tr", { title: hint }, el("th", { scope: "row" }, name), ...spaces.map((row) => el("td", {}, pg.short(row[key])))))));

  panels.push({
    id: "bias", title: "Bias", hint: "what comes along unasked", side: "second", when: hasReadings,
    build(app, panel) {
      const holder = el("div"), result = el("div"), scores = el("div");
      panel.body.append(parts.hint("Among this model's own pictures: when there is more of one thing, what else is there more of? A fair model shows short bars."), holder, result,
        parts.fold("How well the model keeps things apart", parts.hint("Disentanglement: whether single directions of the latent space carry single attributes. Takes a while."), el("div.pgx-row", {}, parts.button("Measure", () => measure(), { kind: "small" })), scores));
      let key = null, target = null;

      const load = async () => {
        const wanted = `${app.info.key}|${target}`;
        result.replaceChildren(parts.busy("Drawing and reading some hundred pictures…"));
        try {
          const { names, labels, change } = await pg.api("explore/correlation", { model: app.info.key, target });
          if (wanted !== `${app.info.key}|${target}`) return;
          const rows = names.map((name, at) => [labels[at], change[at], name]).filter((row) => row[2] !== target);
          rows.sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
          result.replaceChildren(parts.hint(`For a full change of “${labels[names.indexOf(target)]}”, the others change by:`), parts.bars(rows, { label: `What changes with ${target}` }));
        } catch (error) {
          result.replaceChildren(parts.problem(error.message));
        }
      };

      const measure = async () => {
        scores.replaceChildren(parts.busy("Measuring…"));
        try {
          const { spaces } = await pg.api("explore/disentanglement", { model: app.info.key });
          scores.replaceChildren(scoreTable(spaces), parts.hint(`Measured on ${pg.number(spaces[0].count)} pictures.`));
        } catch (error) {
          scores.replaceChildren(parts.problem(error.message));
        }
      };

      return (recipe, info) => {
        if (key === info.key) return;
        key = info.key;
        target = null;
        result.replaceChildren();
        scores.replaceChildren();
        const choice = parts.select("More of what", [["", "choose…"], ...info.attributes.map((attribute) => [attribute.name, nameOf(attribute)])], "", (name) => { target = name || null; if (target) load(); else result.replaceChildren(); });
        holder.replaceChildren(parts.field("When there is more", choice.node));
      };
    },
  });
})();
