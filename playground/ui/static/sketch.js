// The Sketch tab: what is drawn on the left is translated on the right while the pen moves. One request is under way at
// a time, and after it only the newest drawing is sent.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;
  const STORE = "gan-playground-sketch";
  const FAVOURITE = "edges-to-faces";
  const MOST = 160; // frames of a recording: beyond that every second one goes
  const KINDS = ["drawing", "labels", "picture"];
  const COLOURS = ["#20242c", "#ffffff", "#f2c9a1", "#a86f4c", "#5c3c2e", "#c8421b", "#f0aa32", "#f6dd5c", "#4f9a63", "#2f68b1", "#8fc3e8", "#8a5ab0"];
  const TIPS = {
    drawing: "Dark lines on white, as in the example: the model knows no other drawings.",
    labels: "Every colour says what is there. Paint over the example, or fill an area with another label.",
    picture: "Paint with colours like those of the pictures that the model learned from.",
  };
  const roll = (most = 1e6) => Math.floor(Math.random() * most);

  const LINES = {
    pen: "M4 20l1-5L16.500 3.500a2.100 2.100 0 0 1 3 0l1 1a2.100 2.100 0 0 1 0 3L9 19zM14 6l4 4",
    eraser: "M8.500 20H20M4.500 14.500l9-9a2 2 0 0 1 2.800 0l3.200 3.200a2 2 0 0 1 0 2.800L11 20H8.500l-4-3.200a1.600 1.600 0 0 1 0-2.300zM9 10l6 6",
    fill: "M4 13l7.500-7.500L18 12l-6.500 6.500a1.500 1.500 0 0 1-2.100 0L4 13zM4.200 13h13M9 3l3 3M20.500 15.500c1 1.500 1.500 2.300 1.500 3.100a1.600 1.600 0 0 1-3.200 0c0-.8.600-1.600 1.700-3.100z",
    undo: "M9 14L4 9l5-5M4.500 9H14a6 6 0 0 1 0 12h-3",
    redo: "M15 14l5-5-5-5M19.500 9H10a6 6 0 0 0 0 12h3",
    clear: "M4 7h16M9 7V4h6v3M6.500 7l1 13h9l1-13M10 11v5.500M14 11v5.500",
    dice: "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM8.500 8.500h.010M15.500 8.500h.010M12 12h.010M8.500 15.500h.010M15.500 15.500h.010",
    picture: "M4 5h16v14H4zM4 16l4.500-4.500 4 4L15 13l5 4.500M15.500 8.800h.010",
    trace: "M12 3l9 5-9 5-9-5zM3 13l9 5 9-5",
    eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9.200a2.800 2.800 0 1 1 0 5.600 2.800 2.800 0 0 1 0-5.600z",
    again: "M20 5v5h-5M19.400 10A8 8 0 1 0 20 14",
    save: "M12 4v11M7.500 10.500L12 15l4.500-4.500M5 20h14",
    film: "M4 5h16v14H4zM8.500 5v14M15.500 5v14M4 9.700h4.500M4 14.300h4.500M15.500 9.700H20M15.500 14.300H20",
  };
  const glyph = (name) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("pg-sk-icon");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", LINES[name]);
    svg.append(path);
    return svg;
  };
  const button = (picture, text, title, onclick, more = {}) => el("button.pg-button", { type: "button", title, onclick, ...more }, picture && glyph(picture), el("span", {}, text));
  const tool = (picture, label, key, onclick, more = {}) => el("button.pg-sk-tool", { type: "button", "aria-label": label, title: `${label} (${key})`, onclick, ...more }, glyph(picture));

  const save = (blob, name) => {
    const url = URL.createObjectURL(blob);
    const anchor = el("a", { href: url, download: name.replace(/[^\w.-]+/g, "-") });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  };
  const png = (canvas) => new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });

  const toText = (bytes) => {
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  };
  const toBytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  const kindOf = (row) => {
    const [side] = row.sides || [];
    return !side ? "picture" : side.labels?.length ? "labels" : side.channels === 1 ? "drawing" : "picture";
  };
  const words = (side) => side.name || "picture";

  pg.mountSketch = (element, trigger) => { pg.sketch = new Sketch(element.querySelector(".pg-draw"), trigger); };

  class Sketch {
    constructor(root, trigger) {
      Object.assign(this, { root, trigger, facts: null, way: null, models: [], tape: [], every: 1, skipped: 0, times: [] });
      this.board = new pg.SketchBoard({ changed: (event) => this.changed(event), settled: () => this.settled() });
      this.build();
      this.restore();
      document.addEventListener("keydown", (event) => this.key(event));
      new IntersectionObserver((entries) => { if (entries.at(-1).isIntersecting) this.list(); }).observe(root);
      new ResizeObserver(() => this.paint()).observe(this.output);
      setInterval(() => this.followTraining(), 5000);
    }

    // --- what the page is made of

    build() {
      this.cards = el("div.pg-sk-models", { role: "group", "aria-label": "Model" });

      // tools
      const { board } = this;
      const choose = (name) => () => { board.tool = name; this.showTool(); };
      this.tools = el("div.pg-sk-group", { role: "group", "aria-label": "Tool" },
        tool("pen", "Pen", "B", choose("pen"), { "data-tool": "pen" }),
        tool("eraser", "Eraser", "E", choose("eraser"), { "data-tool": "eraser" }),
        tool("fill", "Fill an area", "F", choose("fill"), { "data-tool": "fill" }));
      this.size = el("input", { type: "range", min: 1, step: 0.5, "aria-label": "Brush size in the model's pixels" });
      this.size.addEventListener("input", () => { board.sizes[board.tool === "eraser" ? "eraser" : "pen"] = +this.size.value; this.showTool(); });
      this.sizeValue = el("output");
      const sizing = el("label.pg-sk-size", { title: "Brush size ( [ and ] )" }, el("span", {}, "Size"), this.size, this.sizeValue);
      this.history = el("div.pg-sk-group", { role: "group", "aria-label": "History" },
        tool("undo", "Undo", "Ctrl+Z", () => board.undo()), tool("redo", "Redo", "Ctrl+Shift+Z", () => board.redo()), tool("clear", "Clear", "X", () => this.clear()));
      this.palette = el("div.pg-sk-palette", { role: "group" });
      this.bar = el("div.pg-sk-bar", { role: "toolbar", "aria-label": "Drawing tools" }, this.tools, sizing, this.history, this.palette);

      // the drawing
      this.picked = el("input", { type: "file", accept: "image/*", hidden: true });
      this.picked.addEventListener("change", () => { const [file] = this.picked.files; this.picked.value = ""; if (file) this.use(file); });
      const pick = (use) => { this.use = use; this.picked.click(); };
      this.example = button("dice", "Random example", "A drawing that the model has not been trained on", () => pg.act(() => this.showExample(roll())));
      this.load = button("picture", "Load a picture", "Turn a picture of yours into a drawing for this model", () => pick((file) => this.loadPicture(file)));
      this.detector = el("select.pg-sk-detector", { "aria-label": "How edges are found in a picture" });
      this.detector.addEventListener("change", () => { if (this.file) this.loadPicture(this.file); });
      this.trace = button("trace", "Trace", "Lay a picture below the canvas, to draw over; it is not sent", () => (this.tracing ? this.setTrace(null) : pick((file) => this.setTrace(file))));
      const drawn = el("section.pg-sk-pane", { "aria-label": "Drawing" },
        el("header", {}, el("h3", {}, "Your drawing"), this.inputNote = el("span.pg-fine")),
        board.node, el("div.pg-sk-actions", {}, this.example, this.load, this.detector, this.trace, this.picked));
      board.node.addEventListener("dragover", (event) => { if ([...(event.dataTransfer?.types || [])].includes("Files")) event.preventDefault(); });
      board.node.addEventListener("drop", (event) => {
        const [file] = event.dataTransfer?.files || [];
        if (file) { event.preventDefault(); this.loadPicture(file); }
      });

      // the result
      this.output = el("canvas.pg-sk-output", { role: "img", "aria-label": "What the model makes of your drawing" });
      this.overlay = el("canvas.pg-sk-overlay", { "aria-hidden": "true", hidden: true });
      this.nothing = el("div.pg-sk-nothing", {}, glyph("pen"), this.nothingTitle = el("b"), this.nothingText = el("span"));
      this.hint(true);
      this.variant = button("again", "Another variant", "Draw anew what dropout leaves to chance", () => this.newVariant());
      this.realism = button("eye", "What looks real", "What the discriminator takes for real, patch by patch", () => this.setRealism(!this.state.realism), { "aria-pressed": "false" });
      this.legend = el("p.pg-sk-legend", { hidden: true }, el("i.made"), "looks made", el("i.real"), "looks real", this.judged = el("b"));
      const saving = (text, what) => el("button.pg-link-button", { type: "button", onclick: () => pg.act(() => this.savePicture(what)) }, text);
      const filming = (kind) => el("button.pg-link-button", { type: "button", onclick: (event) => this.saveFilm(kind, event.currentTarget) }, kind.toUpperCase());
      this.saves = el("div.pg-sk-saves", {},
        el("div", { role: "group", "aria-label": "Save as PNG" }, glyph("save"), el("span", {}, "Save"), saving("Drawing", "drawing"), saving("Result", "result"), saving("Side by side", "both")),
        el("div", { role: "group", "aria-label": "Time-lapse" }, glyph("film"), el("span", {}, "Time-lapse"), filming("gif"), filming("mp4")));
      const made = el("section.pg-sk-pane", { "aria-label": "Result" },
        el("header", {}, el("h3", {}, "What the model makes of it"), this.outputNote = el("span.pg-fine")),
        el("div.pg-sk-stage", {}, this.output, this.overlay, this.nothing), el("div.pg-sk-actions", {}, this.variant, this.realism), this.legend, this.saves);

      this.direction = el("div.pg-segment.pg-sk-direction", { role: "group", "aria-label": "Direction", hidden: true });
      this.problem = el("p.pg-mix-problem", { role: "alert", hidden: true });
      this.tip = el("p.pg-sk-tip");
      this.work = el("div.pg-sk-work", { hidden: true }, this.cards, this.direction, this.problem, el("div.pg-sk-table", {}, this.bar, drawn, made), this.tip);
      this.empty = el("div.pg-empty", { hidden: true },
        el("div.pg-empty-art", { "aria-hidden": "true" }, ...Array.from({ length: 25 }, () => el("i"))),
        el("h3", {}, "No model here can turn a drawing into a picture yet"),
        el("p", {}, "Sketch needs a translator: a network that has learned which picture belongs to which drawing. Train one on line drawings of faces: you can draw for it while it still learns."),
        el("button.pg-button.pg-mix-train", { type: "button", onclick: () => this.trigger("train", {}) }, "Train a translator"));
      this.loading = el("p.pg-hint.pg-mix-loading", { role: "status" }, "Opening a model…");
      this.root.replaceChildren(this.loading, this.empty, this.work);
    }

    // --- models

    async list() {
      const rank = (row) => KINDS.indexOf(kindOf(row));
      const first = (row) => Number(row.key !== FAVOURITE);
      const suits = (models) => models.map((row, at) => ({ ...row, at })).sort((a, b) => rank(a) - rank(b) || first(a) - first(b) || a.at - b.at);
      await pg.offerModels(this, "sketch/models", { favourite: FAVOURITE, suits, fill: () => this.drawCards() });
      if (!this.facts) this.way = null;
    }

    drawCards() {
      const text = `${JSON.stringify(this.models)} ${this.facts?.key}`;
      if (this.cards.dataset.text === text) return; // a redrawn button would lose the focus
      this.cards.dataset.text = text;
      this.cards.replaceChildren(...this.models.map((row) => {
        const [from, to] = row.sides || [];
        const what = row.kind === "live" ? "in training" : from ? `${words(from)} → ${words(to)}` : row.method;
        const picture = row.thumb ? el("img", { src: row.thumb, alt: "", loading: "lazy", class: row.thumb.startsWith("sketch/") ? "pair" : "" }) : el("span.pg-sk-noart", {}, glyph("pen"));
        return el("button.pg-sk-card", { type: "button", "aria-pressed": String(row.key === this.facts?.key), title: row.method || row.title, onclick: () => this.open(row.key) }, picture, el("span", {}, el("b", {}, row.title), el("small", {}, what || "")));
      }));
    }

    async open(key) {
      if (this.opening) return;
      this.opening = true;
      this.root.classList.add("opening");
      try {
        const facts = await pg.api("sketch/open", { model: key });
        const same = this.state.model === key;
        this.facts = facts;
        this.state.model = key;
        this.loading.hidden = true;
        this.work.hidden = false;
        this.drawCards();
        this.detector.replaceChildren(...facts.detectors.map((one) => el("option", { value: one.name, title: one.help }, one.title)));
        await this.setWay((same && facts.ways.find((way) => way.name === this.state.direction)) || facts.ways[0]);
      } catch (error) {
        this.loading.textContent = error.message;
        this.loading.hidden = Boolean(this.facts);
        if (this.facts) pg.toast(error.message, "error");
      } finally {
        this.opening = false;
        this.root.classList.remove("opening");
      }
    }

    // Draws on what a direction of the model starts from. A drawing that suits it stays.
    async setWay(way) {
      const before = this.way;
      const suits = before && before.kind === way.kind && before.size === way.size && JSON.stringify(before.source.labels) === JSON.stringify(way.source.labels);
      this.way = way;
      this.state.direction = way.name;
      this.result = null;
      this.rewind();
      if (!suits) {
        this.board.lay(way);
        this.file = null;
        this.size.max = Math.round(way.size / 4);
        this.drawPalette();
      }
      this.showFacts();
      this.showTool();
      const kept = suits ? null : this.kept(way);
      if (kept && !this.board.isBlank(kept)) this.board.load(kept);
      else if (this.board.isBlank(this.board.raw())) await pg.act(() => this.showExample(roll(), true));
      this.changed();
      this.settled();
    }

    showFacts() {
      const { facts, way } = this;
      const side = (one, size) => `${words(one)}, ${size} × ${size}`;
      this.inputNote.textContent = side(way.source, way.size);
      this.outputNote.textContent = `${facts.title}${facts.live ? `, step ${pg.number(facts.step)}` : ""}`;
      this.tip.textContent = TIPS[way.kind];
      this.detector.hidden = way.kind !== "drawing";
      this.load.title = { drawing: "Draw the edges of a picture of yours", labels: "Give each pixel of a picture of yours the label of the nearest colour", picture: "Start from a picture of yours" }[way.kind];
      this.variant.hidden = !facts.dropout;
      this.realism.hidden = !way.realism;
      this.setRealism(this.state.realism && way.realism, false);
      this.direction.hidden = facts.ways.length < 2;
      this.direction.replaceChildren(...facts.ways.map((one) => el("button", { type: "button", "aria-pressed": String(one === way), onclick: () => { if (one !== this.way) this.setWay(one); } }, `${words(one.source)} → ${words(one.target)}`)));
    }

    // A model in training is asked again when it has learned more.
    async followTraining() {
      if (!this.facts?.live || document.hidden || this.board.pointer !== null || !pg.shown(this.work)) return;
      try {
        const { models } = await pg.api("sketch/models");
        const row = models.find((one) => one.key === this.facts.key);
        if (!row || row.step === this.followed) return;
        this.followed = row.step;
        this.facts = { ...this.facts, step: row.step, live: row.kind === "live" };
        this.showFacts();
        this.translate();
      } catch { /* said elsewhere when the server is away */ }
    }

    // --- tools

    showTool() {
      const { board, way } = this;
      for (const one of this.tools.children) {
        one.setAttribute("aria-pressed", String(one.dataset.tool === board.tool));
        one.hidden = one.dataset.tool === "fill" && way?.kind === "drawing";
      }
      this.size.value = board.width;
      this.sizeValue.textContent = `${+board.width.toFixed(1)} px`;
      this.size.disabled = board.tool === "fill";
      board.shown.dataset.tool = board.tool;
      for (const one of this.palette.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one.dataset.value === String(board.labelled ? board.label : board.colour)));
    }

    drawPalette() {
      const { board, way } = this;
      const paint = (value) => {
        if (board.labelled) board.label = +value;
        else board.colour = value;
        if (board.tool === "eraser") board.tool = "pen";
        this.showTool();
      };
      this.palette.hidden = way.kind === "drawing";
      this.palette.setAttribute("aria-label", board.labelled ? "Label" : "Colour");
      if (board.labelled) {
        this.palette.replaceChildren(...way.source.labels.map((name, at) => {
          const swatch = el("i");
          swatch.style.background = `rgb(${way.source.palette[at]})`;
          return el("button.pg-sk-label", { type: "button", "data-value": at, onclick: () => paint(at) }, swatch, name);
        }));
      } else if (way.kind === "picture") {
        const own = el("input", { type: "color", "aria-label": "Another colour", value: board.colour });
        own.addEventListener("input", () => paint(own.value));
        this.palette.replaceChildren(...COLOURS.map((colour) => {
          const swatch = el("button.pg-sk-colour", { type: "button", "aria-label": `Colour ${colour}`, "data-value": colour, onclick: () => paint(colour) });
          swatch.style.background = colour;
          return swatch;
        }), own);
      }
    }

    key(event) {
      if (!this.facts || !pg.shown(this.work) || event.altKey || event.isComposing) return;
      if (event.target.closest?.("input:not([type=range], [type=checkbox]), textarea, select, [contenteditable]")) return;
      const { board } = this, letter = event.key.toLowerCase();
      const choose = (name) => () => { board.tool = name; this.showTool(); };
      const resize = (by) => () => {
        const which = board.tool === "eraser" ? "eraser" : "pen";
        board.sizes[which] = Math.max(1, Math.min(+this.size.max, board.sizes[which] + by));
        this.showTool();
      };
      const plain = { b: choose("pen"), e: choose("eraser"), f: this.way.kind === "drawing" ? null : choose("fill"), x: () => this.clear(), "[": resize(-1), "]": resize(1) };
      const held = { z: () => (event.shiftKey ? board.redo() : board.undo()), y: () => board.redo() };
      const action = (event.ctrlKey || event.metaKey ? held : plain)[letter];
      if (!action) return;
      event.preventDefault();
      action();
    }

    clear() {
      this.file = null;
      this.rewind();
      this.board.clear();
    }

    // --- where drawings come from

    query(more = {}) {
      return new URLSearchParams({ model: this.facts.key, direction: this.way.name, ...more });
    }

    // Only one drawing comes in at a time, and only for the model that it was asked for.
    async bring(fetched, quiet = false) {
      const { way } = this, turn = (this.brought = (this.brought || 0) + 1);
      const raw = new Uint8Array(await (await fetched).arrayBuffer());
      if (way !== this.way || turn !== this.brought || this.board.pointer !== null) return;
      if (quiet) this.board.load(raw);
      else this.board.replace(raw);
      this.rewind();
      if (quiet) return;
      this.changed();
      this.settled();
    }

    async showExample(seed, quiet = false) {
      const answer = await fetch(`sketch/example?${this.query({ seed })}`, { credentials: "same-origin", headers: { "X-Playground": "1" } }).catch(() => null);
      if (!answer) throw new Error("The server can't be reached: check that the playground is still running.");
      if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error || `The server answered with error ${answer.status}: reload the page.`);
      this.file = null;
      await this.bring(answer, quiet);
    }

    loadPicture(file) {
      return pg.act(async () => {
        this.load.classList.add("busy");
        try {
          const options = this.way.kind === "drawing" ? { detector: this.detector.value } : {};
          await this.bring(pg.fetchFile(`sketch/picture?${this.query(options)}`, file, { type: file.type || "application/octet-stream" }));
          this.file = file;
        } finally {
          this.load.classList.remove("busy");
        }
      });
    }

    setTrace(file) {
      if (this.tracing) URL.revokeObjectURL(this.tracing);
      this.tracing = file ? URL.createObjectURL(file) : null;
      this.board.under.onerror = () => {
        if (!this.tracing) return;
        this.setTrace(null);
        pg.toast(`“${file.name}” can't be shown: choose a PNG, JPEG or WebP picture.`, "error");
      };
      this.board.trace(this.tracing);
      this.trace.querySelector("span").textContent = this.tracing ? "Stop tracing" : "Trace";
      this.trace.setAttribute("aria-pressed", String(Boolean(this.tracing)));
    }

    // --- translating

    changed(event) {
      this.translate(event);
    }

    async translate(event) {
      this.wanted = { since: event?.timeStamp ?? performance.now() };
      if (this.busy) return;
      this.busy = true;
      while (this.wanted) {
        const { since } = this.wanted, { facts, way } = this;
        this.wanted = null;
        const raw = this.board.raw();
        const blank = this.board.isBlank(raw);
        this.hint(blank);
        if (blank) { this.show(null); this.say(null); continue; }
        try {
          const realism = this.state.realism && way.realism;
          const answer = await pg.fetchFile(`sketch/stroke?${this.query({ seed: this.state.seed, realism: +realism })}`, raw, { type: "application/octet-stream" });
          const bytes = new Uint8Array(await answer.arrayBuffer());
          const bitmap = await pg.decoded(bytes);
          if (way !== this.way || facts.key !== this.facts.key) continue;
          this.show({ bitmap, bytes, raw, both: realism });
          this.record();
          this.say(null);
          this.times.push(performance.now() - since);
          if (this.times.length > 1000) this.times.shift();
        } catch (error) {
          this.say(error.message);
          if (error.offline) this.wanted = null;
        }
      }
      this.busy = false;
    }

    /** What stands in place of the result: an invitation on an empty canvas, else a word of patience. */
    hint(blank) {
      this.nothingTitle.textContent = blank ? "Draw something" : "At work…";
      this.nothingText.textContent = blank ? "What the model makes of it appears here, stroke by stroke." : "The first picture takes a moment longer.";
    }

    say(sentence) {
      this.problem.hidden = !sentence;
      this.problem.textContent = sentence || "";
    }

    show(result) {
      this.result = result;
      this.nothing.hidden = Boolean(result);
      this.root.classList.toggle("blank", !result);
      for (const one of [...this.saves.querySelectorAll("button"), this.variant]) one.disabled = !result;
      this.paint();
    }

    paint() {
      const { result } = this;
      this.overlay.hidden = this.legend.hidden = !(result?.both && this.state.realism);
      if (!result || !pg.shown(this.output)) return;
      const side = result.bitmap.height;
      pg.paint(this.output, result.bitmap, { part: [0, 0, side, side] });
      if (!this.overlay.hidden) this.paintRealism(result.bitmap, side);
    }

    // Vermilion where the discriminator sees a made picture, green where a real one.
    paintRealism(bitmap, side) {
      if (this.overlay.width !== side) Object.assign(this.overlay, { width: side, height: side });
      const context = this.overlay.getContext("2d", { willReadFrequently: true });
      context.drawImage(bitmap, side, 0, side, side, 0, 0, side, side);
      const image = context.getImageData(0, 0, side, side), { data } = image;
      let sum = 0;
      for (let at = 0; at < data.length; at += 4) {
        const real = data[at] / 255;
        sum += real;
        data.set(real < 0.5 ? [214, 66, 28] : [32, 142, 104], at);
        data[at + 3] = Math.min(190, 480 * Math.abs(real - 0.5));
      }
      context.putImageData(image, 0, 0);
      this.judged.textContent = `${Math.round((400 * sum) / data.length)} % on average`;
    }

    setRealism(on, again = true) {
      this.state.realism = Boolean(on);
      this.realism.setAttribute("aria-pressed", String(this.state.realism));
      if (!again) return;
      this.keep();
      if (on && !this.result?.both) this.translate();
      else this.paint();
    }

    newVariant() {
      this.state.seed = roll();
      this.keep();
      this.translate();
    }

    // --- what is kept over a reload of the page

    restore() {
      this.state = { model: null, direction: null, seed: 0, realism: false, raw: null };
      try {
        const kept = JSON.parse(sessionStorage.getItem(STORE));
        if (kept && typeof kept === "object") Object.assign(this.state, kept);
      } catch { /* storage is closed to us, or holds something else */ }
    }

    // The drawing of last time, where it suits.
    kept(way) {
      const { raw } = this.state;
      if (!raw || raw.kind !== way.kind || raw.size !== way.size || raw.labels !== way.source.labels.length) return null;
      try {
        const bytes = toBytes(raw.bytes);
        return bytes.length === way.bytes ? bytes : null;
      } catch {
        return null;
      }
    }

    settled() {
      const { way } = this;
      this.state.raw = { kind: way.kind, size: way.size, labels: way.source.labels.length, bytes: toText(this.board.raw()) };
      this.keep();
    }

    keep() {
      try {
        sessionStorage.setItem(STORE, JSON.stringify(this.state));
      } catch { /* then a reload begins anew */ }
    }

    // --- taking away

    rewind() {
      Object.assign(this, { tape: [], every: 1, skipped: 0 });
    }

    // Notes each picture that is shown. A long recording keeps every second frame, and from then on notes half as many.
    record() {
      const { raw, bytes } = this.result;
      if (this.skipped) this.tape.pop(); // the last frame is always there, be it one to keep or not
      this.skipped = (this.skipped + 1) % this.every;
      this.tape.push({ raw, bytes });
      if (this.tape.length < MOST) return;
      this.tape = this.tape.filter((_, at) => at % 2 === 0 || at === this.tape.length - 1);
      this.every *= 2;
    }

    get name() {
      return `${this.facts.title}-sketch`.toLowerCase();
    }

    async savePicture(what) {
      if (!this.result) return;
      const { bitmap } = this.result, side = bitmap.height;
      const made = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
      const result = made(side, side);
      result.getContext("2d").drawImage(bitmap, 0, 0, side, side, 0, 0, side, side);
      if (what === "drawing") { save(await png(this.board.picture()), `${this.name}-drawing.png`); return; }
      if (what === "result") { save(await png(result), `${this.name}-result.png`); return; }
      const shown = Math.max(512, side), both = made(2 * shown, shown), context = both.getContext("2d");
      context.imageSmoothingEnabled = !this.board.labelled;
      context.imageSmoothingQuality = "high";
      context.drawImage(this.board.shown, 0, 0, shown, shown);
      context.imageSmoothingEnabled = true;
      context.drawImage(result, shown, 0, shown, shown);
      save(await png(both), `${this.name}.png`);
    }

    saveFilm(kind, pressed) {
      return pg.act(async () => {
        if (!this.tape.length) throw new Error("Draw something first: the time-lapse shows how your drawing came about.");
        pressed.classList.add("busy");
        pressed.disabled = true;
        try {
          const parts = this.tape.flatMap(({ raw, bytes }) => [raw, bytes]);
          const header = new TextEncoder().encode(JSON.stringify({ direction: this.way.name, format: kind, lengths: parts.map((part) => part.length) }));
          const length = new Uint8Array(4);
          new DataView(length.buffer).setUint32(0, header.length, true);
          const answer = await pg.fetchFile(`sketch/timelapse?${this.query()}`, new Blob([length, header, ...parts]), { type: "application/octet-stream" });
          save(await answer.blob(), `${this.name}.${kind}`);
        } finally {
          pressed.classList.remove("busy");
          pressed.disabled = false;
        }
      });
    }
  }
})();
