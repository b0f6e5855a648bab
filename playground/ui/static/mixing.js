// The Mix tab: styles of one picture in some layers, of another in the rest; a grid of them, or two pictures at a time.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;
  const { glyph, roll, wire, ready, settled, caption, spoken, save, showRing, Shares, MOST } = pg.mixParts;
  const STORE = "gan-playground-mix";
  const FAVOURITE = "faces-style";
  const INVERT_STEPS = 200;
  const NOISES = [["fixed", "on", "the same every time"], ["none", "off", "left out"], ["drawn", "resampled", "drawn anew with each roll"]];

  pg.mountMix = (element, trigger) => { pg.mix = new Mix(element.querySelector(".pg-mix"), trigger); };

  class Mix {
    constructor(root, trigger) {
      this.root = root;
      this.trigger = trigger;
      this.facts = null; // what the server says of the open model
      this.models = [];
      this.build();
      this.restore();
      new IntersectionObserver((entries) => { if (entries.at(-1).isIntersecting) this.appear(); }).observe(root);
      setInterval(() => this.followTraining(), 5000);
    }

    // --- what the page is made of

    build() {
      this.picker = el("select", { "aria-label": "Model" });
      this.picker.addEventListener("change", () => this.open(this.picker.value));
      const mode = (name, text, title) => el("button", { type: "button", title, "data-mode": name, onclick: () => this.setMode(name) }, text);
      this.modes = el("div.pg-segment", { role: "group", "aria-label": "How many pictures" },
        mode("grid", "Grid", "Every source with every destination"), mode("pair", "Two pictures", "One pair, large"));
      this.truncation = el("input", { type: "range", min: 0, max: 1.2, step: 0.05, "aria-label": "Truncation: how far from the average picture" });
      this.truncationValue = el("output");
      this.truncation.addEventListener("input", (event) => { this.state.truncation = +this.truncation.value; this.changed(event); });
      const truncation = el("label.pg-mix-truncation", { title: "Truncation ψ: 0 is the average picture, 1 leaves every picture as it is" }, el("span", {}, "Truncation"), this.truncation, this.truncationValue);
      this.fresh = el("button.pg-button", { type: "button", title: "New seeds for all pictures", onclick: () => this.rollAll() }, glyph("dice"), el("span", {}, "New pictures"));
      this.file = el("input", { type: "file", accept: "image/*", hidden: true });
      this.file.addEventListener("change", () => { const [file] = this.file.files; this.file.value = ""; if (file) this.fileFor?.(file); });
      this.upload = el("button.pg-button", { type: "button", title: "Find the styles of a picture of yours, and use it as a source", onclick: () => this.pickFile((file) => this.addUpload(file)) }, glyph("upload"), el("span", {}, "Your picture"));
      const bar = el("div.pg-mix-bar", {}, this.picker, this.modes, truncation, el("div.pg-mix-actions", {}, this.fresh, this.upload, this.file));

      // the crossover
      this.shares = new Shares((values, event) => { this.state.layers = values; this.changed(event); });
      this.shortcuts = el("div.pg-mix-shortcuts", { role: "group", "aria-label": "Which layers the source lends" });
      this.noises = el("div.pg-shares", { role: "group", "aria-label": "Noise in each layer" });
      this.noises.addEventListener("click", (event) => { const button = event.target.closest(".pg-share-noise"); if (button) this.cycleNoise(+button.dataset.layer, event); });
      this.explain = el("p.pg-mix-explain", { role: "status", "aria-live": "polite" });
      this.noiseAll = el("div.pg-segment", { role: "group", "aria-label": "Noise in all layers" }, ...NOISES.map(([kind, text, hint]) => el("button", { type: "button", title: `Noise ${hint}`, "data-noise": kind, onclick: (event) => this.setNoise(null, kind, event) }, text)));
      this.reroll = el("button.pg-mini", { type: "button", "aria-label": "Draw the resampled noise anew", title: "Draw the resampled noise anew", onclick: (event) => this.rollNoise(event) }, glyph("dice"));
      this.lend = el("section.pg-mix-lend", { "aria-label": "Crossover" }, this.crossTitle = el("h3"), this.shortcuts, this.explain);
      this.cross = el("section.pg-mix-card.pg-mix-cross", { "aria-label": "Layer by layer" },
        el("h3", {}, "Layer by layer"), el("p.pg-fine", {}, "Each bar is a layer, named by its side in pixels. Click to switch it, drag for a share, sweep to paint."), this.shares.node,
        this.grain = el("div.pg-mix-grain", {},
          el("div.pg-mix-noise", {}, el("h3", {}, "Noise"), this.noiseAll, this.reroll),
          this.noises, el("p.pg-fine", {}, "What carries no meaning: grain, stray strands. One dot a layer: full is on, hollow off, dashed resampled.")));

      this.grid = new pg.MixGrid(this);

      // one cell, large
      this.large = el("canvas.pg-mix-large", { role: "img" });
      this.largeName = el("p.pg-mix-name");
      this.largeCard = el("section.pg-mix-card.pg-mix-enlarged", { "aria-label": "Enlarged cell" }, el("div.pg-mix-stage", {}, this.large), this.largeName,
        this.buttonsFor(() => this.recipe(), el("button.pg-link-button", { type: "button", onclick: () => this.pairUp() }, glyph("pair"), "Just these two")));

      // two pictures
      this.slots = [0, 1].map((slot) => {
        const canvas = el("canvas", { role: "img" }), controls = el("div.pg-mix-controls"), ring = el("div.pg-mix-ring", { hidden: true });
        const node = el("div.pg-mix-slot", {}, el("h3", {}, slot ? "B: the source" : "A: the destination"), el("div.pg-mix-stage", {}, canvas, ring), controls);
        this.droppable(node, (file) => this.invert(file, "pair", slot));
        return { node, canvas, controls, ring };
      });
      this.result = el("canvas.pg-mix-large", { role: "img", "aria-label": "The mixed picture" });
      this.amount = el("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "All layers at once, from A to B" });
      this.amount.addEventListener("input", (event) => { this.state.layers = this.state.layers.map(() => +this.amount.value); this.changed(event); });
      this.swap = el("button.pg-button", { type: "button", "aria-label": "Swap A and B", title: "Swap A and B", onclick: (event) => { this.state.pair.reverse(); this.changed(event); } }, glyph("swap"), el("span", {}, "Swap"));
      this.pairPanel = el("section.pg-mix-main.pg-mix-pair", { "aria-label": "Two pictures", hidden: true },
        el("div.pg-mix-slots", {}, this.slots[0].node, this.slots[1].node),
        el("div.pg-mix-result", {}, el("div.pg-mix-stage", {}, this.result),
          el("div.pg-mix-amount", {}, el("b", {}, "A"), this.amount, el("b", {}, "B"), this.swap),
          this.buttonsFor(() => this.recipe())));

      this.problem = el("p.pg-mix-problem", { role: "alert", hidden: true });
      this.body = el("div.pg-mix-columns", {}, el("div.pg-mix-left", {}, this.lend, this.grid.panel, this.pairPanel), this.largeCard, this.cross);
      this.work = el("div.pg-mix-work", { hidden: true }, bar, this.problem, this.body, this.grid.editor);
      this.empty = el("div.pg-empty", { hidden: true },
        el("div.pg-empty-art", { "aria-hidden": "true" }, ...Array.from({ length: 25 }, () => el("i"))),
        el("h3", {}, "No model here can be mixed yet"),
        el("p", {}, "Mixing needs a generator that gets a style in each of its layers, as the style-based one does. Train one on any pictures: it can be mixed while it still learns."),
        el("button.pg-button.pg-mix-train", { type: "button", onclick: () => this.trigger("train", {}) }, "Train a style-based generator"));
      this.loading = el("p.pg-hint.pg-mix-loading", { role: "status" }, "Opening a model…");
      this.root.replaceChildren(this.loading, this.empty, this.work);
    }

    buttonsFor(recipe, ...more) {
      const explore = el("button.pg-link-button.strong", { type: "button", onclick: () => pg.explore.open(recipe()) }, glyph("compass"), "Open in Explore");
      const save = el("button.pg-link-button", { type: "button", onclick: (event) => this.savePicture(recipe(), event.currentTarget) }, "Download PNG");
      return el("div.pg-mix-buttons", {}, explore, save, ...more);
    }

    // --- models

    async appear() {
      await this.list();
      if (this.stale) this.redraw();
    }

    list() {
      const fill = () => pg.fillPicker(this.picker, this.models, this.facts?.key);
      return pg.offerModels(this, "explore/models", { favourite: FAVOURITE, suits: (models) => models.filter((model) => model.styled), fill });
    }

    async open(key) {
      this.root.classList.add("opening");
      try {
        const facts = await pg.api("explore/open", { model: key });
        const other = this.facts?.key !== facts.key;
        this.facts = facts;
        this.settle(key);
        this.picker.value = key;
        if (other) this.grid.forget();
        this.loading.hidden = true;
        this.work.hidden = false;
        this.shares.lay(facts);
        const sides = facts.layer_resolutions;
        this.grain.hidden = !facts.noisy; // some models leave noise out
        this.noises.replaceChildren(...sides.map((side, at) => el(`div.pg-share${at && side !== sides[at - 1] ? ".apart" : ""}`, {}, el("button.pg-share-noise", { type: "button", "data-layer": at }))));
        this.drawShortcuts();
        this.grid.lay();
        this.setMode(this.state.mode);
      } catch (error) {
        this.loading.textContent = error.message;
        this.loading.hidden = Boolean(this.facts);
        if (this.facts) {
          this.picker.value = this.facts.key;
          pg.toast(error.message, "error");
        }
      } finally {
        this.root.classList.remove("opening");
      }
    }

    // Makes the state fit the model: found pictures belong to the model that they were found for.
    settle(key) {
      const { state, facts } = this;
      const count = facts.layers, classes = facts.classes.length;
      const foreign = state.model !== key;
      const suits = (point, at) => {
        const keep = point.vector ? !foreign : Number.isInteger(point.seed);
        const next = keep ? point : { seed: roll() };
        const label = classes ? (Number.isInteger(next.label) && next.label < classes ? next.label : at % classes) : null;
        return next.label === label && !foreign ? next : { ...next, label, codes: foreign ? null : next.codes ?? null };
      };
      for (const kind of ["rows", "columns", "pair"]) state[kind] = settled(state[kind]).map(suits);
      if (state.layers?.length !== count) state.layers = this.shortcut("coarse");
      if (state.noise?.length !== count) state.noise = new Array(count).fill("fixed");
      if (foreign || state.truncation === null) state.truncation = facts.recipe.truncation ?? 1;
      state.model = key;
    }

    // A model in training is drawn anew when it has a newer snapshot.
    async followTraining() {
      if (!this.facts?.live || document.hidden || !pg.shown(this.grid.table) && !pg.shown(this.pairPanel)) return;
      try {
        const { models } = await pg.api("explore/models");
        const model = models.find((one) => one.key === this.facts.key);
        if (model && model.step !== this.step) { this.step = model.step; this.redraw(); }
      } catch { /* said elsewhere when the server is away */ }
    }

    // --- state

    restore() {
      const start = (from, count) => Array.from({ length: count }, (_, at) => ({ seed: from + at, label: null, codes: null }));
      this.state = { model: null, mode: "grid", rows: start(101, 4), columns: start(1, 5), pair: [...start(1, 1), ...start(101, 1)], layers: null, noise: null, truncation: null, picked: [0, 0] };
      try {
        const kept = JSON.parse(sessionStorage.getItem(STORE));
        if (kept && [kept.rows, kept.columns, kept.pair].every((points) => Array.isArray(points) && points.length >= 1 && points.length <= MOST)) Object.assign(this.state, kept);
      } catch { /* storage is closed to us, or holds something else */ }
    }

    keep() {
      const { rows, columns, pair, ...rest } = this.state;
      const kept = { ...rest, rows: settled(rows), columns: settled(columns), pair: settled(pair) };
      try {
        sessionStorage.setItem(STORE, JSON.stringify(kept));
      } catch { /* then a reload begins anew */ }
    }

    changed(event) {
      this.keep();
      this.redraw(event);
    }

    setMode(mode) {
      this.state.mode = mode === "pair" ? "pair" : "grid";
      const pair = this.state.mode === "pair";
      for (const button of this.modes.children) button.setAttribute("aria-pressed", String(button.dataset.mode === this.state.mode));
      this.grid.panel.hidden = this.largeCard.hidden = pair;
      this.pairPanel.hidden = !pair;
      this.body.classList.toggle("pair", pair);
      this.grid.closeEditor();
      this.drawShortcuts();
      this.changed();
    }

    pairUp() {
      const [row, column] = this.state.picked;
      const two = settled([this.state.columns[column], this.state.rows[row]]);
      if (two.length < 2) return; // a new source that is still being found
      this.state.pair = two;
      this.setMode("pair");
      this.root.scrollIntoView({ block: "start", behavior: "smooth" });
    }

    // --- recipes

    get noise() {
      const { noise } = this.state;
      return noise.every((one) => one === noise[0]) ? noise[0] : noise;
    }

    get psi() {
      return this.state.truncation === 1 ? null : this.state.truncation;
    }

    get ends() {
      const { state } = this;
      return state.mode === "pair" ? state.pair : [state.columns[state.picked[1]], state.rows[state.picked[0]]];
    }

    recipeOf(a, b = null) {
      return {
        format: 1, model: this.facts.key, space: "w", a: wire(a), b: b && wire(b), t: 0, path: "linear", layer_t: b ? this.state.layers.slice() : null,
        edits: [], truncation: this.psi, truncation_layers: null, noise: this.noise,
      };
    }

    recipe() {
      return this.recipeOf(...settled(this.ends));
    }

    // --- crossover

    shortcut(name) {
      const { layers, groups } = this.facts;
      const [first, last] = name === "all" ? [0, layers - 1] : groups[name] || [1, 0];
      return Array.from({ length: layers }, (_, at) => (at >= first && at <= last ? 1 : 0));
    }

    // What the source gives and what the destination keeps, for each shortcut.
    sentence(name) {
      const pair = this.state.mode === "pair";
      const source = pair ? "B" : "The row", keeper = pair ? "A" : "the column";
      const range = (group) => {
        const [first, last] = this.facts.groups[group];
        const [low, high] = [this.facts.layer_resolutions[first], this.facts.layer_resolutions[last]];
        return low === high ? `${low} px` : `${low} to ${high} px`;
      };
      if (name === "all") return `${source} lends every layer: the result is ${pair ? "B" : "the row's own picture"}.`;
      if (name === "none") return `${source} lends nothing: the result is ${pair ? "A" : "the column's own picture"}.`;
      if (name === null) return `${source} lends each layer as much as its bar is high: a crossover of your own.`;
      const gives = { coarse: "the big shapes: pose, outline, what is where", middle: "the parts and their form", fine: "the finish: colours and small texture" };
      return `${source} lends ${gives[name]} (${range(name)}); ${keeper} keeps the rest.`;
    }

    drawShortcuts() {
      if (!this.facts) return;
      const names = [...["coarse", "middle", "fine"].filter((name) => this.facts.groups[name]), "all", "none"];
      this.crossTitle.textContent = this.state.mode === "pair" ? "What A takes from B" : "What the rows lend";
      this.shortcuts.replaceChildren(...names.map((name) => el("button.pg-mix-chip", {
        type: "button", "data-shortcut": name, title: this.sentence(name),
        onclick: (event) => { this.state.layers = this.shortcut(name); this.changed(event); },
      }, name[0].toUpperCase() + name.slice(1))));
    }

    drawCross() {
      const { layers, noise, truncation } = this.state;
      this.shares.show(layers);
      let active = null;
      for (const chip of this.shortcuts.children) {
        const same = this.shortcut(chip.dataset.shortcut).every((value, at) => value === layers[at]);
        chip.setAttribute("aria-pressed", String(same));
        if (same) active = chip.dataset.shortcut;
      }
      const text = this.sentence(active);
      if (this.explain.textContent !== text) this.explain.textContent = text;
      const kinds = noise.map((one) => (typeof one === "number" ? "drawn" : one));
      for (const button of this.noiseAll.children) button.setAttribute("aria-pressed", String(kinds.every((kind) => kind === button.dataset.noise)));
      kinds.forEach((kind, at) => {
        const [, word, hint] = NOISES.find(([name]) => name === kind);
        const button = this.noises.children[at].firstChild;
        button.className = `pg-share-noise ${kind}`;
        button.setAttribute("aria-label", `Noise of ${this.facts.layer_names[at]}: ${word}`);
        button.title = `Noise ${word}: ${hint}`;
      });
      this.reroll.hidden = !kinds.includes("drawn");
      this.truncation.value = truncation;
      this.truncationValue.textContent = truncation === 1 ? "off" : truncation.toFixed(2);
      this.amount.value = layers.reduce((sum, value) => sum + value, 0) / layers.length;
    }

    setNoise(layer, kind, event) {
      const drawn = kind === "drawn" ? roll(1e6) : null;
      this.state.noise = this.state.noise.map((old, at) => (layer !== null && layer !== at ? old : drawn === null ? kind : drawn + (layer === null ? at : 0)));
      this.changed(event);
    }

    cycleNoise(layer, event) {
      const now = this.state.noise[layer];
      this.setNoise(layer, now === "fixed" ? "drawn" : now === "none" ? "fixed" : "none", event);
    }

    rollNoise(event) {
      this.state.noise = this.state.noise.map((old) => (typeof old === "number" ? roll(1e6) : old));
      this.changed(event);
    }

    // --- drawing

    // Draws what is to be seen; one request at a time, and after it only the newest state.
    async redraw(event) {
      if (!this.facts) return;
      this.stale = !pg.shown(this.work);
      if (this.stale) return;
      this.drawCross();
      const since = event?.timeStamp;
      if (this.state.mode === "pair") { this.drawPair(since); return; }
      this.grid.label();
      this.drawLarge(since);
      this.wanted = true;
      if (this.drawing) return;
      this.drawing = true;
      try {
        while (this.wanted) {
          this.wanted = false;
          await this.grid.draw();
        }
        this.say(null);
      } catch (error) {
        this.say(error.message);
      } finally {
        this.drawing = false;
      }
    }

    say(sentence) {
      this.problem.hidden = !sentence;
      this.problem.textContent = sentence || "";
    }

    drawLarge(since) {
      const [row, column] = this.state.picked;
      const [a, b] = [this.state.columns[column], this.state.rows[row]];
      const { classes } = this.facts;
      this.largeName.replaceChildren("Destination ", el("b", {}, caption(a, classes)), " with the styles of ", el("b", {}, caption(b, classes)));
      this.large.setAttribute("aria-label", `Destination ${spoken(a, classes)} with the styles of ${spoken(b, classes)}`);
      if (ready(a) && ready(b)) this.picture(this.recipeOf(a, b), this.large, since);
    }

    drawPair(since) {
      this.slots.forEach(({ canvas, controls, ring }, slot) => {
        const point = this.state.pair[slot];
        canvas.setAttribute("aria-label", `${slot ? "B" : "A"}: ${spoken(point, this.facts.classes)}`);
        showRing(ring, point);
        if (ready(point)) this.picture(this.recipeOf(point), canvas, since);
        if (controls.point === point) return;
        controls.point = point;
        controls.replaceChildren(...this.controlsFor(point, { change: (next, event) => { this.state.pair[slot] = next; this.changed(event); }, file: (file) => this.invert(file, "pair", slot), cancel: () => this.cancel("pair", slot) }));
      });
      if (this.state.pair.every(ready)) this.picture(this.recipe(), this.result, since);
    }

    picture(recipe, canvas, since) {
      pg.frame(recipe, canvas, { since }).then((shown) => { if (shown) this.say(null); }, (error) => this.say(error.message));
    }

    // --- what one picture is chosen with: a seed, a class, a picture of one's own

    controlsFor(point, { change, file, cancel, remove }) {
      if (point.pending) return [el("p", {}, `Finding the styles of “${point.pending.name}”…`), el("button.pg-link-button", { type: "button", onclick: cancel }, "Cancel")];
      const { classes } = this.facts;
      const again = (next, event) => change({ label: point.label ?? null, codes: point.codes ?? null, ...next }, event);
      const field = el("input", { type: "number", min: 0, max: 2147483647, step: 1, value: point.seed ?? "", placeholder: point.vector ? point.name || "picture" : "", "aria-label": "Seed" });
      field.addEventListener("change", (event) => {
        const seed = Math.round(+field.value);
        if (field.value !== "" && seed >= 0 && seed <= 2147483647) again({ seed }, event);
        else field.value = point.seed ?? "";
      });
      const dice = el("button.pg-mini", { type: "button", "aria-label": "New seed", title: "New seed", onclick: (event) => again({ seed: roll() }, event) }, glyph("dice"));
      const choice = classes.length > 0 && el("select", { "aria-label": "Class" }, ...classes.map((name, at) => el("option", { value: at }, name)));
      if (choice) {
        choice.value = point.label ?? 0;
        choice.addEventListener("change", (event) => change({ ...wire(point), label: +choice.value }, event));
      }
      const own = el("button.pg-link-button", { type: "button", onclick: () => this.pickFile(file) }, glyph("upload"), "A picture of yours");
      const away = remove && el("button.pg-link-button.danger", { type: "button", onclick: remove }, "Remove");
      return [el("div.pg-mix-seed", {}, el("label", {}, el("span", {}, "Seed"), field), dice), choice, el("div.pg-mix-more-controls", {}, own, away)].filter(Boolean);
    }

    rollAll() {
      const fresh = (point) => (ready(point) && !point.vector ? { seed: roll(), label: point.label ?? null, codes: point.codes ?? null } : point);
      for (const kind of this.state.mode === "pair" ? ["pair"] : ["rows", "columns"]) this.state[kind] = this.state[kind].map(fresh);
      this.grid.closeEditor();
      if (this.state.mode === "grid") this.grid.paint();
      this.changed();
    }

    // --- pictures of one's own: the server looks for the styles that draw them

    pickFile(use) {
      this.fileFor = use;
      this.file.click();
    }

    droppable(node, use) {
      const over = (event) => { if ([...(event.dataTransfer?.types || [])].includes("Files")) { event.preventDefault(); node.classList.add("dropping"); } };
      node.addEventListener("dragenter", over);
      node.addEventListener("dragover", over);
      node.addEventListener("dragleave", () => node.classList.remove("dropping"));
      node.addEventListener("drop", (event) => {
        node.classList.remove("dropping");
        const [file] = event.dataTransfer?.files || [];
        if (file) { event.preventDefault(); use(file); }
      });
    }

    addUpload(file) {
      if (this.state.mode === "pair") { this.invert(file, "pair", 1); return; }
      if (this.state.rows.length < MOST) this.invert(file, "rows", null);
      else this.invert(file, "rows", MOST - 1);
    }

    // Replaces one picture (`at` null: adds one) by the point whose picture comes nearest to the file.
    async invert(file, kind, at) {
      const { key } = this.facts;
      const points = () => this.state[kind];
      const name = file.name.replace(/\.[^.]*$/, "").slice(0, 24) || "picture";
      const pending = { share: 0, url: URL.createObjectURL(file), name, job: null, cancelled: false };
      const before = at === null ? null : points()[at].before ?? points()[at];
      const mine = { pending, before };
      if (at === null) points().push(mine); else points()[at] = mine;
      const lay = () => { if (kind === "pair") this.changed(); else { this.grid.lay(); this.changed(); } };
      const put = (point) => {
        const place = points().indexOf(mine);
        if (place < 0) return;
        if (point) points()[place] = point; else points().splice(place, 1);
        lay();
      };
      lay();
      try {
        const { job } = await (await pg.fetchFile(`explore/invert?model=${encodeURIComponent(key)}&steps=${INVERT_STEPS}&per_layer=1`, file, { type: file.type || "application/octet-stream" })).json();
        pending.job = job;
        const address = `explore/jobs/${encodeURIComponent(job)}`;
        for (;;) {
          if (pending.cancelled || points().indexOf(mine) < 0) { await pg.api(`${address}/cancel`, {}).catch(() => {}); break; }
          const state = await pg.api(address);
          pending.share = state.total ? state.step / state.total : 0;
          this.grid.label();
          if (kind === "pair") this.slots.forEach(({ ring }, slot) => showRing(ring, points()[slot]));
          if (state.state === "done") {
            const place = points().indexOf(mine);
            const pulled = this.psi !== null; // towards the average picture: it would not be theirs any more
            if (pulled) this.state.truncation = 1;
            if (kind !== "pair" && place >= 0) this.state.picked[kind === "rows" ? 0 : 1] = place;
            put({ label: null, codes: null, ...wire(state.recipe.a), name });
            pg.toast(`The styles of “${name}” are found${Number.isFinite(state.psnr) ? ` (PSNR ${pg.short(state.psnr)} dB: more is closer)` : ""}.${pulled ? " Truncation is off now, so that it stays as it is." : ""}`);
            return;
          }
          if (state.state === "failed") throw new Error(state.message || "The picture could not be fitted: try another one.");
          if (state.state === "cancelled") break;
          await new Promise((resolve) => setTimeout(resolve, 350));
        }
        put(before);
      } catch (error) {
        put(before);
        pg.toast(error.message, "error");
      } finally {
        URL.revokeObjectURL(pending.url);
      }
    }

    cancel(kind, at) {
      const { pending } = this.state[kind][at];
      if (pending) pending.cancelled = true;
    }

    // --- taking away

    savePicture(recipe, button) {
      pg.act(async () => {
        button.classList.add("busy");
        try {
          const answer = await pg.fetchFile("explore/export", { kind: "png", recipe, size: 512 });
          save(await answer.blob(), `${this.facts.key}-mix.png`);
        } finally {
          button.classList.remove("busy");
        }
      });
    }
  }
})();
