// The Translate tab: pictures of one's own through a translator, one by one or many at a time; the way back, and where
// it differs. The page sends each picture by itself and asks how far the batch is.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;
  const { glyph, roll } = pg.mixParts;
  const { Compare, Camera } = pg.translateParts;
  const STORE = "gan-playground-translate";
  const FAVOURITE = "edges-to-faces";
  const BEGIN = 4; // examples that are there at first
  const MAX_BYTES = 20 * 2 ** 20;
  const TOO_LARGE = `This file is too large: a picture has at most ${MAX_BYTES / 2 ** 20} MB.`;
  const VIEWS = { output: "Result", cycle: "There and back", error: "Where it differs", identity: "Left alone?" };
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  pg.mountTranslate = (element, trigger) => { pg.translate = new Translate(element.querySelector(".pg-tr"), trigger); };

  class Translate {
    constructor(root, trigger) {
      this.root = root;
      this.trigger = trigger;
      this.facts = null; // what the server says of the open model
      this.sources = []; // {file} or {example}, each with what became of it
      this.run = { id: null, number: 0 }; // the batch on the server; `number` tells an old one from the newest
      this.view = "output";
      this.picked = 0;
      this.restore();
      this.build();
      new IntersectionObserver((entries) => { if (entries.at(-1).isIntersecting) this.list(); }).observe(root);
      document.addEventListener("paste", (event) => this.paste(event));
      setInterval(() => this.followTraining(), 5000);
    }

    // --- what the page is made of

    build() {
      this.picker = el("select", { "aria-label": "Model" });
      this.picker.addEventListener("change", () => this.open(this.picker.value));
      this.directions = el("div.pg-segment", { role: "group", "aria-label": "Direction" });
      this.sizes = el("div.pg-segment", { role: "group", "aria-label": "Size" });
      this.edges = el("input", { type: "checkbox" });
      this.edges.addEventListener("change", () => { this.state.edges = this.edges.checked; this.start(); });
      this.edgesLabel = el("label.pg-tr-check", { title: "This model starts from line drawings; drawings are taken as they are" }, this.edges, "Photos: take their edges first");
      this.variant = el("button.pg-button", { type: "button", onclick: () => { this.state.seed = roll(1e6); this.forgetStyle(); this.start(); } }, glyph("dice"), el("span"));
      this.styleFile = el("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "Picture whose style is taken" });
      this.styleFile.addEventListener("change", () => { const [file] = this.styleFile.files; this.styleFile.value = ""; if (file) this.takeStyle(file); });
      this.styleChoose = el("button.pg-button", { type: "button", onclick: () => this.styleFile.click() }, glyph("upload"), "Style of a picture");
      this.styleChip = el("span.pg-tr-style", { hidden: true }, el("img", { alt: "" }), el("span"), el("button", { type: "button", "aria-label": "Let go of this style", title: "Let go of this style", onclick: () => { this.forgetStyle(); this.start(); } }, "×"));
      const bar = el("div.pg-tr-bar", {}, this.picker, this.directions, this.sizes, this.edgesLabel, this.variant, this.styleChoose, this.styleChip, this.styleFile);

      this.file = el("input", { type: "file", accept: "image/*", multiple: true, hidden: true, "aria-label": "Pictures to translate" });
      this.file.addEventListener("change", () => { const files = [...this.file.files]; this.file.value = ""; this.bring(files); });
      this.camera = new Camera((file) => this.bring([file]));
      const choose = el("button.pg-button.pg-tr-choose", { type: "button", onclick: () => this.file.click() }, glyph("upload"), "Choose pictures");
      const shoot = Camera.available && el("button.pg-button", { type: "button", onclick: () => this.camera.open() }, glyph("camera"), "Camera");
      this.examples = el("div.pg-tr-examples", { role: "group", "aria-label": "Examples" });
      this.drop = el("section.pg-tr-drop", { "aria-label": "Your pictures" },
        el("div.pg-tr-bring", {}, choose, shoot, el("span.pg-fine.pg-tr-hint", {}, "or drop them here, or paste with Ctrl+V")),
        el("div.pg-tr-try", {}, el("span.pg-fine", {}, "Examples"), this.examples), this.file, this.camera.node);
      this.droppable(this.root);

      this.compare = new Compare();
      this.note = el("p.pg-tr-note", { role: "status", "aria-live": "polite" });
      this.save = el("a.pg-link-button", { download: "" }, "Download PNG");
      this.stage = el("section.pg-tr-stage", { "aria-label": "Before and after" }, this.compare.node, el("div.pg-tr-foot", {}, this.note, this.save));
      this.views = el("section.pg-tr-views", { "aria-label": "What to compare with" });
      this.body = el("div.pg-tr-columns", {}, this.stage, this.views);

      this.count = el("p.pg-tr-count", { role: "status", "aria-live": "polite" });
      this.progress = el("div.pg-progress", { role: "progressbar", "aria-label": "Pictures translated", "aria-valuemin": 0, "aria-valuemax": 100 }, el("i"));
      this.stop = el("button.pg-link-button", { type: "button", onclick: () => this.cancel() }, "Cancel");
      this.zip = el("a.pg-link-button.strong", { download: "" }, "Download all (zip)");
      this.clear = el("button.pg-link-button", { type: "button", onclick: () => this.beginAnew() }, "Clear");
      this.grid = el("div.pg-tr-grid", { role: "listbox", "aria-label": "Pictures" });
      this.grid.addEventListener("keydown", (event) => this.walk(event));
      this.many = el("section.pg-tr-many", { "aria-label": "All pictures", hidden: true },
        el("div.pg-tr-many-head", {}, this.count, el("div.pg-tr-many-actions", {}, this.stop, this.zip, this.clear)), this.progress, this.grid);

      this.problem = el("p.pg-tr-problem", { role: "alert", hidden: true });
      this.work = el("div.pg-tr-work", { hidden: true }, bar, this.drop, this.problem, this.body, this.many);
      this.empty = el("div.pg-empty", { hidden: true },
        el("div.pg-empty-art", { "aria-hidden": "true" }, ...Array.from({ length: 25 }, () => el("i"))),
        el("h3", {}, "No model here translates pictures yet"),
        el("p", {}, "A translator turns pictures of one kind into another: drawings into faces, photos into paintings. Train one, and it works here while it still learns."),
        el("button.pg-button.pg-tr-train", { type: "button", onclick: () => this.trigger("train", {}) }, "Train a translator"));
      this.loading = el("p.pg-hint.pg-tr-loading", { role: "status" }, "Opening a model…");
      this.root.replaceChildren(this.loading, this.empty, this.work);
    }

    segment(node, choices, chosen, choose) {
      node.replaceChildren(...choices.map(([value, text, title]) => el("button", { type: "button", title, "data-value": value, "aria-pressed": String(value === chosen), onclick: () => choose(value) }, text)));
    }

    // --- models

    list() {
      return pg.offerModels(this, "translate/models", { favourite: FAVOURITE, fill: () => pg.fillPicker(this.picker, this.models, this.facts?.key) });
    }

    async open(key) {
      this.root.classList.add("opening");
      try {
        this.facts = await pg.api("translate/open", { model: key });
        this.step = this.facts.step;
        this.state.model = key;
        if (!this.facts.directions.includes(this.state.direction)) this.state.direction = this.facts.directions[0];
        this.picker.value = key;
        this.loading.hidden = true;
        this.work.hidden = false;
        if (!this.sources.length) this.sources = Array.from({ length: BEGIN }, (_, example) => ({ example }));
        this.settings();
        this.start();
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

    // A model in training translates anew when it has a newer snapshot, as long as that is little work.
    async followTraining() {
      if (!this.facts?.live || document.hidden || !pg.shown(this.work) || this.busy || this.sources.length > 6) return;
      try {
        const { models } = await pg.api("translate/models");
        const model = models.find((one) => one.key === this.facts.key);
        if (model && model.step !== this.step) { this.step = model.step; this.start(); }
      } catch { /* said elsewhere when the server is away */ }
    }

    // --- settings

    restore() {
      this.state = { model: null, direction: "AB", size: null, edges: true, seed: 0 };
      try {
        Object.assign(this.state, JSON.parse(sessionStorage.getItem(STORE)) || {});
      } catch { /* storage is closed to us, or holds something else */ }
    }

    sides(direction = this.state.direction) {
      const [from, to] = [...direction].map((letter) => this.facts.sides["AB".indexOf(letter)]);
      return { from, to };
    }

    // What suits the model, until one is chosen: line drawings and label maps mean most at the size it was trained on.
    get size() {
      const { state, facts } = this;
      return state.size ?? (facts.lines.includes(state.direction) || this.sides().from.labels > 0 ? "crop" : "full");
    }

    settings() {
      const { facts, state } = this;
      const way = (direction) => { const { from, to } = this.sides(direction); return facts.scale > 1 ? `${facts.scale} times larger` : `${from.name} → ${to.name}`; };
      this.segment(this.directions, facts.directions.map((direction) => [direction, way(direction), facts.directions.length > 1 ? "" : "This model translates one way"]), state.direction, (direction) => { state.direction = direction; this.view = "output"; this.settings(); this.start(); });
      const own = `${this.sides().from.size} px`;
      this.segment(this.sizes, [
        ["full", "Full size", `The whole picture in tiles, up to ${facts.max_side} pixels`],
        ["crop", `Crop to ${own}`, "The model's own size: a square from the middle"],
        ["pad", `Fit into ${own}`, "The model's own size: all of the picture, with its border continued"],
      ], this.size, (size) => { state.size = size; this.settings(); this.start(); });
      this.edgesLabel.hidden = !facts.lines.includes(state.direction);
      this.edges.checked = state.edges;
      this.variant.hidden = !facts.varied;
      this.variant.lastChild.textContent = facts.styled ? "Another style" : "Another variant";
      this.variant.title = facts.styled ? "The same pictures in a style drawn by chance" : "The same pictures with other dropout noise";
      this.styleChoose.hidden = !facts.styled;
      this.styleChoose.title = `Takes the style of a picture of the kind “${this.sides().to.name}”`;
      if (this.style && (this.style.model !== facts.key || this.style.direction !== state.direction)) this.forgetStyle();
      const address = (number) => `translate/example.jpg?model=${encodeURIComponent(facts.key)}&direction=${state.direction}&number=${number}&v=${facts.step}`;
      const examples = Array.from({ length: facts.examples }, (_, number) => el("button.pg-tr-example", { type: "button", title: "Translate this one", "aria-label": `Example ${number + 1}`, onclick: () => this.useExample(number) }, el("img", { src: address(number), alt: "" })));
      this.examples.replaceChildren(...examples);
      try {
        sessionStorage.setItem(STORE, JSON.stringify(state));
      } catch { /* then a reload begins anew */ }
    }

    // --- the style of a picture, for models with styles

    async takeStyle(file) {
      const { key } = this.facts, { direction } = this.state;
      try {
        if (file.size > MAX_BYTES) throw new Error(TOO_LARGE);
        const answer = await pg.fetchFile(`translate/style?model=${encodeURIComponent(key)}&direction=${direction}`, file, { type: file.type || "application/octet-stream" });
        const { style } = await answer.json();
        if (this.facts.key !== key || this.state.direction !== direction) return; // another model by now
        this.forgetStyle();
        this.style = { numbers: style, model: key, direction, picture: URL.createObjectURL(file) };
        const [image, name] = this.styleChip.children;
        image.src = this.style.picture;
        name.textContent = file.name;
        this.styleChip.hidden = false;
        this.start();
      } catch (error) {
        pg.toast(error.message, "error");
      }
    }

    forgetStyle() {
      if (this.style) URL.revokeObjectURL(this.style.picture);
      this.style = null;
      this.styleChip.hidden = true;
    }

    // --- pictures

    get own() {
      return this.sources.some((source) => source.file);
    }

    bring(files) {
      if (!files.length || !this.facts) return;
      const kept = this.own ? this.sources.map(({ file, example }) => ({ file, example })) : [];
      const room = this.facts.max_files - kept.length;
      if (files.length > room) pg.toast(`At most ${this.facts.max_files} pictures at a time: ${files.length - room} were left out.`, "error");
      this.picked = Math.min(kept.length, this.facts.max_files - 1);
      this.sources = [...kept, ...files.slice(0, Math.max(0, room)).map((file) => ({ file }))];
      this.view = "output";
      this.start();
    }

    useExample(number) {
      const known = this.sources.findIndex((source) => source.example === number);
      if (known >= 0) { this.pick(known); return; }
      if (this.own) { this.sources = []; }
      this.sources = [...this.sources.map(({ example }) => ({ example })), { example: number }];
      this.picked = this.sources.length - 1;
      this.start();
    }

    beginAnew() {
      this.sources = Array.from({ length: BEGIN }, (_, example) => ({ example }));
      this.picked = 0;
      this.view = "output";
      this.start();
    }

    droppable(node) {
      const files = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
      let depth = 0;
      node.addEventListener("dragenter", (event) => { if (files(event)) { event.preventDefault(); depth += 1; node.classList.add("dropping"); } });
      node.addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
      node.addEventListener("dragleave", (event) => { if (files(event) && --depth <= 0) { depth = 0; node.classList.remove("dropping"); } });
      node.addEventListener("drop", (event) => {
        depth = 0;
        node.classList.remove("dropping");
        if (files(event)) { event.preventDefault(); this.bring([...event.dataTransfer.files]); }
      });
    }

    paste(event) {
      if (!pg.shown(this.work) || event.target.closest?.("input, textarea, [contenteditable]")) return;
      const files = [...(event.clipboardData?.files || [])].filter((file) => file.type.startsWith("image/"));
      if (files.length) { event.preventDefault(); this.bring(files); }
    }

    // --- a batch

    // Begins the newest batch: all pictures with the settings of now. An older one is dropped on the server.
    async start() {
      if (!this.facts) return;
      const { state } = this;
      const number = (this.run.number += 1);
      const newest = () => this.run.number === number;
      this.sources = this.sources.map(({ file, example }) => ({ file, example }));
      this.run.stopped = null;
      this.picked = Math.min(this.picked, this.sources.length - 1);
      this.busy = true;
      this.say(null);
      this.draw();
      await wait(60); // several changes in a row make one batch
      if (!newest()) return;
      try {
        const { id } = await pg.api("translate/jobs", { model: this.facts.key, direction: state.direction, size: this.size, seed: state.seed, style: this.style?.numbers, edges: state.edges, replaces: this.run.id });
        if (!newest()) { pg.api(`translate/jobs/${id}/cancel`, {}).catch(() => {}); return; }
        this.run.id = id;
        this.began = performance.now();
        const { sources } = this;
        await Promise.all([this.send(id, sources, newest), this.watch(id, sources, newest)]);
      } catch (error) {
        if (newest()) this.say(error.message);
      } finally {
        if (newest()) { this.busy = false; this.draw(); }
      }
    }

    async send(id, sources, newest) {
      for (const source of sources) {
        if (!newest() || this.run.stopped === id) break;
        try {
          if (source.file && source.file.size > MAX_BYTES) throw new Error(TOO_LARGE);
          const address = `translate/jobs/${id}`;
          const { number } = source.file
            ? await (await pg.fetchFile(`${address}/add?name=${encodeURIComponent(source.file.name)}`, source.file, { type: source.file.type || "application/octet-stream" })).json()
            : await pg.api(`${address}/example`, { number: source.example });
          source.number = number;
        } catch (error) {
          source.failed = error.message;
          if (error.offline || error.status === 404) throw error;
        }
      }
      sources.sent = true;
    }

    async watch(id, sources, newest) {
      for (let pause = 120; newest(); pause = Math.min(600, pause * 1.15)) {
        const told = await pg.api(`translate/jobs/${id}`);
        if (!newest()) return;
        for (const source of sources) if (source.number !== undefined) source.item = told.items[source.number];
        this.seconds = (performance.now() - this.began) / 1000;
        this.draw();
        if ((sources.sent || this.run.stopped === id) && !told.running && sources.every((source) => source.failed || source.number === undefined || source.item)) return;
        await wait(pause);
      }
    }

    // Watches again while the way back of one picture is made.
    async ask(source) {
      const { id, number } = this.run;
      const newest = () => this.run.number === number;
      source.asked = true;
      try {
        await pg.api(`translate/jobs/${id}/checks`, { item: source.number });
        if (!this.busy) await this.watch(id, this.sources, newest);
      } catch (error) {
        if (newest()) pg.toast(error.message, "error");
      }
    }

    async cancel() {
      const { id } = this.run;
      this.run.stopped = id;
      for (const source of this.sources) source.asked = false;
      await pg.act(() => pg.api(`translate/jobs/${id}/cancel`, {}));
    }

    say(sentence) {
      this.problem.hidden = !sentence;
      this.problem.textContent = sentence || "";
    }

    // --- what is to be seen

    get stopped() {
      return Boolean(this.run.id) && this.run.stopped === this.run.id;
    }

    stateOf(source) {
      if (source.failed) return "failed";
      if (source.item) return source.item.state;
      return this.stopped ? "cancelled" : "waiting";
    }

    address(source, kind, suffix = "png") {
      return `translate/jobs/${this.run.id}/${source.number}/${kind}.${suffix}`;
    }

    pick(at) {
      this.picked = at;
      this.draw();
    }

    draw() {
      this.drawMany();
      this.drawStage();
    }

    drawStage() {
      const source = this.sources[this.picked];
      const state = source && this.stateOf(source);
      const item = source?.item;
      const { from, to } = this.sides();
      const twoWays = this.facts.directions.length > 1;
      if (state === "done" && twoWays && !source.asked && !item.checks && this.sources.length <= 12 && !this.stopped) this.ask(source);
      const names = Object.keys(VIEWS).filter((name) => name === "output" || twoWays);
      if (!names.includes(this.view)) this.view = "output";
      const made = (kind) => state === "done" && item.shapes[kind];
      this.stage.classList.toggle("waiting", state === "waiting" || state === "running");
      const coming = state !== "done" && Boolean(item?.shapes.input); // what is being translated, until it is
      if (coming) {
        const input = { address: this.address(source, "input"), name: from.name };
        this.compare.set(input, { ...input, name: to.name }, item.shapes.input);
      }
      this.compare.node.hidden = state !== "done" && !this.compare.after.getAttribute("src") || state === "failed";
      if (state === "done") {
        const kind = made(this.view) ? this.view : "output";
        const after = { output: to.name, cycle: `${from.name}, back again`, error: "difference", identity: `${from.name} as ${from.name}` }[kind];
        const sharp = Math.max(...item.shapes[kind]) <= 1024 && (from.labels > 0 || to.labels > 0);
        this.compare.set({ address: this.address(source, "input"), name: from.name }, { address: this.address(source, kind), name: after }, item.shapes[kind], sharp);
        this.save.href = this.address(source, kind);
        this.save.download = `${this.nameOf(source).replace(/\.[^.]*$/, "")}-${kind === "output" ? to.name : kind}.png`.replace(/[^\w.-]+/g, "-");
      }
      this.save.hidden = state !== "done";
      this.note.classList.toggle("bad", state === "failed");
      this.note.textContent = this.sentence(source, state);
      this.drawViews(source, state, names);
    }

    sentence(source, state) {
      const { item } = source || {};
      if (!source) return "";
      if (state === "failed") return source.failed || item.message;
      if (state === "waiting") return "Waiting for its turn.";
      if (state === "running") return `Translating: ${Math.round(item.share * 100)} %`;
      if (state === "cancelled") return "Cancelled before it was translated.";
      const [width, height] = item.shapes.output;
      const size = `${pg.number(width)} × ${pg.number(height)} pixels in ${item.seconds < 10 ? item.seconds.toFixed(1) : Math.round(item.seconds)} s.`;
      return [size, ...item.notes].join(" ");
    }

    drawViews(source, state, names) {
      const { from, to } = this.sides();
      const help = {
        output: `From “${from.name}” to “${to.name}”.`,
        cycle: `To “${to.name}” and back: what survived both ways.`,
        error: "Dark where the way back returns to your picture, light where it strays.",
        identity: `Told to become “${from.name}”, which it already is: best left as it was.`,
      };
      this.views.hidden = names.length < 2;
      this.body.classList.toggle("single", names.length < 2);
      if (names.length < 2) return;
      const item = state === "done" ? source.item : null;
      const cards = names.map((name) => {
        const done = Boolean(item?.shapes[name]);
        const error = name === "error" && item && item.error !== null ? ` On average ${pg.short(item.error * 100)} % off.` : "";
        const failed = name !== "output" && item?.checks === "failed";
        const picture = done ? el("img", { src: this.address(source, name), alt: "" }) : el(`span${failed ? "" : ".blank"}`);
        return el("button.pg-tr-view", { type: "button", disabled: !done, "aria-pressed": String(name === this.view), "data-view": name, onclick: () => { this.view = name; this.drawStage(); } },
          picture, el("b", {}, VIEWS[name]), el("small", {}, failed ? item.message : help[name] + error));
      });
      const waiting = item && !item.checks && !source.asked && el("button.pg-link-button", { type: "button", onclick: () => { this.ask(source); this.draw(); } }, "Go there and back");
      this.keepFocus(this.views, "view", () => this.views.replaceChildren(...cards, ...(waiting ? [waiting] : [])), [this.run.id, source?.number, state, item && JSON.stringify(item), this.view, source?.asked, this.state.direction]);
    }

    // Draws a part anew only where something changed, and gives the focus back to what had it.
    keepFocus(node, name, draw, facts) {
      const mark = JSON.stringify(facts);
      if (node.mark === mark) return;
      node.mark = mark;
      const focused = node.contains(document.activeElement) ? document.activeElement.dataset[name] : undefined;
      draw();
      if (focused !== undefined) node.querySelector(`[data-${name}="${focused}"]`)?.focus({ preventScroll: true });
    }

    nameOf(source) {
      return source.file ? source.file.name : `Example ${source.example + 1}`;
    }

    drawMany() {
      const { sources } = this;
      this.many.hidden = sources.length < 2;
      const states = sources.map((source) => this.stateOf(source));
      const over = states.filter((state) => state !== "waiting" && state !== "running").length;
      const tally = (state) => states.filter((one) => one === state).length;
      const going = over < sources.length;
      const share = sources.reduce((sum, source, at) => sum + (states[at] === "running" ? source.item.share : states[at] === "waiting" ? 0 : 1), 0) / Math.max(1, sources.length);
      const parts = [`${tally("done")} of ${sources.length} done`, tally("failed") && `${tally("failed")} failed`, tally("cancelled") && `${tally("cancelled")} cancelled`, going && this.seconds > 3 && share > 0.05 && `about ${pg.duration(this.seconds / share * (1 - share))} left`];
      this.count.textContent = parts.filter(Boolean).join(" · ");
      this.progress.classList.toggle("over", !going);
      this.progress.firstChild.style.width = `${share * 100}%`;
      this.progress.setAttribute("aria-valuenow", Math.round(share * 100));
      this.stop.hidden = !going;
      this.clear.hidden = !this.own;
      this.zip.hidden = tally("done") < 1;
      if (this.run.id) this.zip.href = `translate/jobs/${this.run.id}/results.zip`;
      this.keepFocus(this.grid, "at", () => this.grid.replaceChildren(...sources.map((source, at) => this.card(source, at, states[at]))), [this.run.id, this.picked, states, sources.map((source) => [source.number, source.item && [Math.round(source.item.share * 20), source.item.notes.length, Object.keys(source.item.shapes).length > 0, Object.keys(source.item.shapes).length > 1]])]);
    }

    card(source, at, state) {
      const name = this.nameOf(source), { item } = source;
      const kind = item?.shapes.output ? "output" : item?.shapes.input ? "input" : null;
      const words = { waiting: "waiting", running: `${Math.round((item?.share || 0) * 100)} %`, done: "", failed: source.failed || item?.message, cancelled: "cancelled" }[state];
      return el(`button.pg-tr-card.${state}`, { type: "button", role: "option", "data-at": at, "aria-selected": String(at === this.picked), tabindex: at === this.picked ? 0 : -1, title: name, "aria-label": [name, words].filter(Boolean).join(": "), onclick: () => this.pick(at) },
        el(`span.pg-tr-thumb${kind ? "" : state === "waiting" || state === "running" ? ".blank" : ""}`, {}, kind && el("img", { src: this.address(source, kind, "jpg"), alt: "" }), state === "failed" && pg.icon("warn")),
        el("b", {}, name), words && el("small", {}, words));
    }

    walk(event) {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -this.picked, End: this.sources.length - 1 - this.picked }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.pick(Math.max(0, Math.min(this.sources.length - 1, this.picked + step)));
      this.grid.querySelector(`[data-at="${this.picked}"]`)?.focus();
    }
  }
})();
