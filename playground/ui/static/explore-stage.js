// The left side of Explore: the large picture with its tools, taking pictures away, and the gallery of seeds.
"use strict";

(() => {
  const pg = window.playground;
  const { el, parts, recipes } = pg;
  const PERIOD = 3200; // ms from A to B
  const PAGE = 32;
  const FPS = { gif: 16, webp: 20, mp4: 24 };

  // ------------------------------------------------------------------------------------------------------------------
  // The picture

  pg.ExploreStage = class {
    constructor(app) {
      this.app = app;
      this.playing = null;
      this.comparing = false;
      this.picture = el("canvas.pgx-picture", { role: "img", "aria-label": "The picture", width: 64, height: 64 });
      this.badge = el("span.pgx-badge", { hidden: true });
      this.problem = el("p.pgx-frame-problem", { role: "alert", hidden: true });
      this.pixels = parts.tool("pixels", "Show the pixels", () => this.togglePixels(), { "aria-pressed": "false" });
      this.compare = parts.tool("compare", "Hold to see it before your changes", null);
      this.frame = el("div.pgx-frame", {}, this.picture, this.badge, this.problem, el("div.pgx-overlay", {}, this.compare, this.pixels));
      this.caption = el("p.pgx-caption", { "aria-live": "off" });
      this.undo = parts.tool("undo", "Undo (Ctrl+Z)", () => app.undo());
      this.redo = parts.tool("redo", "Redo (Ctrl+Shift+Z)", () => app.redo());
      this.reset = parts.tool("reset", "Take all changes away, keep A", () => app.reset());
      this.dice = parts.button("Surprise me", () => app.dice(), { picture: "dice", hint: "A new seed for A" });
      this.play = parts.button("Play", () => this.togglePlay(), { picture: "play", hint: "From A to B and back; without B, a walk from seed to seed" });
      this.menu = new ExportMenu(app);
      this.toolbar = el("div.pgx-toolbar", { role: "toolbar", "aria-label": "Picture" }, el("div.pgx-tools", {}, this.undo, this.redo, this.reset), this.dice, this.play, this.menu.node);
      this.node = el("div.pgx-show", {}, this.frame, this.caption, this.toolbar);
      this.holdToCompare();
      new ResizeObserver(() => this.repaint()).observe(this.picture);
    }

    // --- drawing

    async draw(since) {
      if (this.comparing) return;
      await this.ask(this.app.recipe, since);
    }

    async ask(recipe, since) {
      try {
        const shown = await pg.frame(recipe, this.picture, { since });
        if (!shown) return;
        this.say(null);
        this.frame.classList.remove("waiting");
        this.app.drawn(shown.step);
      } catch (error) {
        this.stop();
        this.frame.classList.remove("waiting");
        this.say(error.message);
      }
    }

    say(problem) {
      this.problem.hidden = !problem;
      this.problem.textContent = problem || "";
    }

    repaint() {
      const { picture } = this;
      if (picture.bitmap && picture.clientWidth) pg.paint(picture, picture.bitmap, { smooth: picture.smooth });
    }

    update() {
      const { app, picture } = this, { recipe, info, history } = app;
      this.undo.disabled = !history.past.length;
      this.redo.disabled = !history.future.length;
      this.reset.disabled = recipes.same(recipe, app.resetRecipe());
      const blended = recipe.b && `${recipes.describe(recipe.a)} to ${recipes.describe(recipe.b)}, ${Math.round(recipe.t * 100)} %`;
      const changes = recipe.edits.filter((edit) => edit.strength).length;
      const text = [blended || recipes.describe(recipe.a), changes && `${changes} change${changes === 1 ? "" : "s"}`].filter(Boolean).join(" · ");
      const what = text[0].toUpperCase() + text.slice(1);
      this.caption.textContent = what;
      picture.setAttribute("aria-label", `Picture of ${info.title}: ${text}`);
      picture.smooth = app.ui.smooth;
      this.pixels.setAttribute("aria-pressed", String(!app.ui.smooth));
      this.compare.disabled = recipes.same(recipe, recipes.before(recipe));
    }

    togglePixels() {
      this.app.ui.smooth = !this.app.ui.smooth;
      this.update();
      this.repaint();
      this.app.gallery.paint();
      this.app.keep();
    }

    // --- before and after: as long as the button, or its key, is down

    holdToCompare() {
      const start = (event) => {
        if (this.comparing || this.compare.disabled) return;
        if (event.type === "keydown" && ![" ", "Enter"].includes(event.key)) return;
        event.preventDefault();
        this.stop();
        this.comparing = true;
        this.flag("before");
        this.compare.setAttribute("aria-pressed", "true");
        this.ask(recipes.before(this.app.recipe));
      };
      const end = () => {
        if (!this.comparing) return;
        this.comparing = false;
        this.flag(null);
        this.compare.setAttribute("aria-pressed", "false");
        this.draw();
      };
      for (const name of ["pointerdown", "keydown"]) this.compare.addEventListener(name, start);
      for (const name of ["pointerup", "pointercancel", "pointerleave", "keyup", "blur"]) this.compare.addEventListener(name, end);
      this.compare.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press on a phone
    }

    flag(text) {
      this.badge.hidden = !text;
      this.badge.textContent = text || "";
    }

    // --- play: each picture is asked for when the one before it is there

    togglePlay() {
      if (this.playing) this.stop(); else this.run();
    }

    stop() {
      if (!this.playing) return;
      this.playing = null;
      this.play.replaceChildren(parts.icon("play"), el("span", {}, "Play"));
      this.app.settle();
    }

    async run() {
      const { app } = this, token = (this.playing = {});
      this.play.replaceChildren(parts.icon("pause"), el("span", {}, "Stop"));
      app.history.record(app.recipe);
      const walk = !app.recipe.b;
      let start = performance.now();
      if (!walk) start -= PERIOD * Math.acos(1 - 2 * Math.min(1, Math.max(0, app.recipe.t))) / Math.PI;
      while (this.playing === token && pg.shown(this.node)) {
        let turn = (performance.now() - start) / PERIOD;
        if (walk && (turn >= 1 || !app.recipe.b)) { // the next leg begins where the last one ended
          start = performance.now();
          turn = 0;
          const { a, b } = app.recipe;
          app.recipe = { ...app.recipe, a: b || a, b: recipes.seed(recipes.newSeed(), b || a) };
        }
        app.recipe = { ...app.recipe, t: (1 - Math.cos(Math.PI * turn)) / 2 };
        app.moved();
        await this.ask(app.recipe);
        await new Promise(requestAnimationFrame);
      }
      if (this.playing === token) this.stop();
    }
  };

  // ------------------------------------------------------------------------------------------------------------------
  // Taking it away

  class ExportMenu {
    constructor(app) {
      this.app = app;
      this.size = parts.select("Size of the exported picture", [["0", "as drawn"], ["256", "256 px"], ["512", "512 px"], ["1024", "1024 px"]], "256", () => {});
      this.seconds = parts.select("Length of the animation", [["2", "2 s"], ["4", "4 s"], ["8", "8 s"]], "4", () => {});
      const item = (kind, text, hint) => el("button.pgx-item", { type: "button", "data-kind": kind, title: hint, onclick: (event) => this.save(kind, event.currentTarget) }, text);
      this.note = el("div");
      this.link = el("input.pgx-link", { type: "text", readonly: true, hidden: true, "aria-label": "Link to this picture" });
      const file = el("input", { type: "file", accept: ".json,application/json", hidden: true, "aria-label": "Recipe file" });
      file.addEventListener("change", () => { if (file.files[0]) app.openFile(file.files[0]); file.value = ""; });
      this.summary = el("summary.pgx-button", { title: "Take the picture away" }, parts.icon("export"), el("span", {}, "Export"));
      this.node = el("details.pgx-export", {}, this.summary, el("div.pgx-menu", {},
        el("h4", {}, "Picture"), el("div.pgx-items", {}, item("png", "PNG"), this.size.node),
        el("h4", {}, "Animation"), el("p.pgx-hint", {}, "From A to B and back. Without B: from before your changes to after them, or a walk."),
        el("div.pgx-items", {}, item("gif", "GIF"), item("mp4", "MP4"), item("webp", "WebP"), this.seconds.node),
        el("h4", {}, "What makes it"), el("p.pgx-hint", {}, "A recipe or a link draws the exact picture again."),
        el("div.pgx-items", {}, item("json", "Recipe"), item("npy", "Latent .npy", "The numbers that the generator turns into this picture"),
          el("button.pgx-item", { type: "button", "data-kind": "link", onclick: () => this.copyLink() }, "Copy link"),
          el("button.pgx-item", { type: "button", onclick: () => file.click() }, "Open a recipe"), file),
        this.link, this.note));
      document.addEventListener("click", (event) => { if (event.isTrusted && !this.node.contains(event.target)) this.node.open = false; });
      this.node.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        this.node.open = false;
        this.summary.focus();
      });
    }

    async save(kind, button) {
      const { recipe } = this.app;
      button.classList.add("busy");
      this.note.replaceChildren(parts.busy(kind in FPS ? "Drawing the frames…" : "Making the file…"));
      await pg.act(async () => {
        const size = +this.size.node.value || this.app.info.size;
        const body = { kind, recipe, size, ...(kind in FPS ? { fps: FPS[kind], ...this.motion(recipe, +this.seconds.node.value * FPS[kind]) } : {}) };
        const answer = await pg.fetchFile("explore/export", body);
        const name = /filename="?([^";]+)"?/.exec(answer.headers.get("Content-Disposition") || "")?.[1] || `picture.${kind}`;
        saveFile(await answer.blob(), name);
      });
      button.classList.remove("busy");
      this.note.replaceChildren();
    }

    motion(recipe, frames) {
      if (recipe.b) return { recipe: { ...recipe, t: 0 }, to: { ...recipe, t: 1 }, frames: frames / 2, boomerang: true };
      if (recipe.edits.some((edit) => edit.strength)) return { recipe: { ...recipe, edits: recipe.edits.map((edit) => ({ ...edit, strength: 0 })) }, to: recipe, frames: frames / 2, boomerang: true };
      const first = recipe.a.seed ?? recipes.newSeed();
      return { walk: [first, recipes.newSeed(), recipes.newSeed()], frames, boomerang: false };
    }

    async copyLink() {
      const { link } = (await pg.act(() => pg.api("explore/link", { recipe: this.app.recipe }))) || {};
      if (!link) return;
      const address = location.href.split("#")[0] + link;
      Object.assign(this.link, { hidden: false, value: address });
      this.link.select();
      try {
        await navigator.clipboard.writeText(address);
        pg.toast("Link copied: it draws exactly this picture.");
      } catch {
        pg.toast("Copy the marked link: this browser doesn't let a page do it.");
      }
    }
  }

  const saveFile = (blob, name) => {
    const url = URL.createObjectURL(blob), anchor = el("a", { href: url, download: name });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  };

  // ------------------------------------------------------------------------------------------------------------------
  // The gallery: a click gives its seed to A, to B, or to whatever is being collected

  pg.ExploreGallery = class {
    constructor(app) {
      this.app = app;
      this.sheet = null;
      this.key = null;
      this.collector = null; // {text, pick(seed)}: a panel that asks for seeds
      this.later = parts.later(160, () => this.load());
      this.tiles = Array.from({ length: PAGE }, (_, at) => this.tile(at));
      this.grid = el("div.pgx-tiles", { role: "group", "aria-label": "Seeds" }, ...this.tiles.map((tile) => tile.node));
      this.title = el("h3");
      this.target = parts.segment("What a click sets", [["a", "A", "A click sets picture A"], ["b", "B", "A click sets picture B (also: Shift-click)"]], app.ui.target, (which) => { app.ui.target = which; this.update(); app.keep(); });
      this.follow = parts.check("with my changes", app.ui.follow, (on) => { app.ui.follow = on; this.refresh(); app.keep(); }, "Draw all of them with your sliders");
      this.before = parts.tool("left", "The seeds before", () => this.turn(-1));
      this.after = parts.tool("right", "The seeds after", () => this.turn(1));
      this.note = el("div.pgx-collect", { role: "status", hidden: true });
      this.node = el("section.pgx-gallery", { "aria-label": "Gallery of seeds" },
        el("header", {}, this.title, el("div.pgx-pager", {}, this.before, this.after), el("span.pgx-target", {}, "click sets", this.target.node), this.follow.node), this.note, this.grid);
      this.grid.addEventListener("keydown", (event) => this.arrow(event));
    }

    tile(at) {
      const canvas = el("canvas", { width: 16, height: 16, "aria-hidden": "true" });
      const node = el("button.pgx-tile", { type: "button", tabindex: at ? -1 : 0, onclick: (event) => this.pick(this.seedAt(at), event.shiftKey || event.altKey) }, canvas);
      return { node, canvas };
    }

    seedAt(at) {
      return this.app.ui.page * PAGE + at;
    }

    pick(seed, second) {
      if (this.collector) { this.collector.pick(seed); return; }
      const which = second ? "b" : this.app.ui.target;
      this.app.setPoint(which, recipes.seed(seed, this.app.recipe[which] || this.app.recipe.a));
    }

    collect(collector) {
      this.collector = collector;
      this.note.hidden = !collector;
      this.note.replaceChildren(...(collector ? [el("span", {}, collector.text), parts.button("Done", () => { collector.done?.(); this.collect(null); }, { kind: "small" })] : []));
      this.update();
    }

    turn(by) {
      this.app.ui.page = Math.max(0, this.app.ui.page + by);
      this.app.keep();
      this.refresh();
      this.update();
    }

    arrow(event) {
      const across = this.grid.clientWidth && Math.max(1, Math.round(this.grid.clientWidth / (this.tiles[0].node.offsetWidth + 4)));
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
      const at = this.tiles.findIndex((tile) => tile.node === document.activeElement);
      const next = this.tiles[at + by];
      if (!by || !next) return;
      event.preventDefault();
      this.tiles[at].node.tabIndex = -1;
      next.node.tabIndex = 0;
      next.node.focus();
    }

    update() {
      const { app } = this, { a, b } = app.recipe;
      this.refresh();
      const held = this.collector?.held?.() || [];
      const key = JSON.stringify([a.seed, b?.seed, app.ui.page, app.ui.target, held]);
      if (key === this.marksKey) return; // called with each move of a slider
      this.marksKey = key;
      this.title.textContent = `Seeds ${this.seedAt(0)} to ${this.seedAt(PAGE - 1)}`;
      this.before.disabled = app.ui.page === 0;
      this.target.set(app.ui.target);
      this.tiles.forEach(({ node }, at) => {
        const seed = this.seedAt(at);
        const marks = [seed === a.seed && "A", seed === b?.seed && "B"].filter(Boolean);
        node.dataset.mark = marks.join("");
        node.classList.toggle("held", held.includes(seed));
        node.title = `Seed ${seed}`;
        node.setAttribute("aria-label", `Seed ${seed}${marks.length ? `, picture ${marks.join(" and ")}` : ""}`);
      });
    }

    // Asks for the pictures when what they are made of has changed.
    refresh(again = false) {
      if (again) this.key = null;
      this.later();
    }

    async load() {
      const { app } = this;
      if (!app.recipe || !pg.shown(this.node)) return;
      const base = recipes.alone(app.recipe, recipes.seed(0, app.recipe.a), app.ui.follow);
      const space = app.info.styled ? base.space : "z";
      const wanted = this.tiles.map((_, at) => ({ ...base, space, a: { ...base.a, seed: this.seedAt(at) } }));
      const key = JSON.stringify(wanted[0]);
      if (key === this.key) return;
      if (this.loading) { this.again = true; return; }
      this.loading = true;
      try {
        this.sheet = await pg.sheet(wanted);
        this.key = key;
        this.paint();
      } catch {
        this.key = null; // the picture above says what is wrong
      } finally {
        this.loading = false;
        if (this.again) { this.again = false; this.later(); }
      }
    }

    paint() {
      if (!this.sheet) return;
      this.tiles.forEach(({ canvas }, at) => pg.paintTile(canvas, this.sheet, at, { smooth: this.app.ui.smooth }));
    }
  };
})();
