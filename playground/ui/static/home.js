// Home: living samples. A sheet of frames along a slow closed walk through the latent space is fetched once; every tile
// stands at another place of the walk and moves on by fading from frame to frame. Nothing moves for those who asked for
// that, nor while the page can't be seen; a face that is pointed at waits.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;
  const MODEL = "faces-style";
  const TILES = 12;
  const STOPS = 15, FRAMES = 150; // of the walk: its seeds, and pictures in all
  const SECONDS = 8; // from one seed to the next
  const BETWEEN = 45; // ms between two redraws
  const PATIENCE = 1200; // ms until drawn data stands in for a model that takes its time to open
  const DATA = { address: "data/faces/preview.jpg?size=64&shape=strip", columns: 12 };
  const NOTES = {
    alive: "A network drew each of these faces; none of them exists. Click one to explore it.",
    data: "Portraits drawn by code: what the networks here learn from.",
  };

  pg.mountHome = (element) => new Home(element.querySelector(".pg-home"));

  const bitmapOf = async (address) => {
    const answer = await fetch(address, { credentials: "same-origin" });
    if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error || "no picture");
    return { bitmap: await createImageBitmap(await answer.blob()), answer };
  };

  // Fills a canvas with the place `at` of a sheet; between two frames with both.
  const draw = (canvas, sheet, at) => {
    const side = Math.max(16, Math.min(360, Math.round((canvas.clientWidth || 96) * (window.devicePixelRatio || 1))));
    if (canvas.width !== side) Object.assign(canvas, { width: side, height: side });
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    const first = Math.floor(at) % sheet.count, share = at - Math.floor(at);
    const put = (index, alpha) => {
      context.globalAlpha = alpha;
      context.drawImage(sheet.bitmap, (index % sheet.columns) * sheet.tile, Math.floor(index / sheet.columns) * sheet.tile, sheet.tile, sheet.tile, 0, 0, side, side);
    };
    put(first, 1);
    if (share > 0.01) put((first + 1) % sheet.count, share);
    canvas.classList.add("drawn");
  };

  class Home {
    constructor(root) {
      this.root = root;
      this.still = matchMedia("(prefers-reduced-motion: reduce)");
      this.paused = false;
      this.walk = null; // {bitmap, columns, tile, count, recipes}
      this.clock = 0; // seconds that the faces have moved
      this.visible = true;
      this.build();
      this.still.addEventListener("change", () => this.wake());
      document.addEventListener("visibilitychange", () => this.wake());
      new IntersectionObserver((entries) => { this.visible = entries.some((entry) => entry.isIntersecting); this.wake(); }).observe(root);
      new ResizeObserver(() => this.paint()).observe(this.mosaic);
      this.load();
    }

    build() {
      this.mosaic = this.root.querySelector(".pg-mosaic");
      this.note = this.root.querySelector(".pg-mosaic-note");
      this.tiles = Array.from({ length: TILES }, (_, at) => {
        const canvas = el("canvas");
        const button = el("button.pg-tile", { type: "button", disabled: true, tabindex: at ? -1 : 0, onclick: () => this.explore(tile) }, canvas);
        // Neighbours are far apart on the walk, and never rest at the same moment.
        const tile = { canvas, button, start: ((at * 5) % TILES) * (STOPS / TILES), held: null, shown: null };
        const hold = () => { if (this.walk && tile.held === null) { tile.held = Math.round(this.place(tile)) % this.walk.count; this.paint(); } };
        const release = () => {
          if (tile.held === null || button.matches(":hover, :focus-visible")) return;
          tile.start += (tile.held - this.place(tile, true)) / this.pace; // goes on from where it waited
          tile.held = null;
        };
        button.addEventListener("pointerenter", hold);
        button.addEventListener("pointerleave", release);
        button.addEventListener("focus", () => { if (button.matches(":focus-visible")) hold(); });
        button.addEventListener("blur", release);
        button.addEventListener("keydown", (event) => this.step(event, at));
        return tile;
      });
      this.mosaic.replaceChildren(...this.tiles.map((tile) => tile.button));
      this.toggle = el("button.pg-mini", { type: "button", hidden: true, onclick: () => { this.paused = !this.paused; this.wake(); } });
      this.root.querySelector(".pg-mosaic-foot").append(this.toggle);
      const canvases = (name) => [...this.root.querySelectorAll(`${name} canvas`)];
      this.slide = { faces: canvases(".pg-art-explore"), knob: this.root.querySelector(".pg-art-track i"), at: null };
      this.drawn = canvases(".pg-art-draw");
      const card = this.root.querySelector(".pg-art-explore").parentElement;
      card.addEventListener("pointermove", (event) => {
        const box = card.getBoundingClientRect();
        this.slide.at = Math.max(0, Math.min(1, (event.clientX - box.left - 40) / (box.width - 80)));
        this.paint();
      });
      card.addEventListener("pointerleave", () => { this.slide.at = null; });
    }

    // One tab stop for all faces; the arrows walk among them.
    step(event, at) {
      const across = getComputedStyle(this.mosaic).gridTemplateColumns.split(" ").length;
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
      const next = step && this.tiles[at + step];
      if (!next) return;
      event.preventDefault();
      for (const tile of this.tiles) tile.button.tabIndex = tile === next ? 0 : -1;
      next.button.focus();
    }

    // --- what is shown

    async load() {
      const late = setTimeout(() => this.standIn(), PATIENCE);
      try {
        const { models } = await pg.api("explore/models");
        const model = models.find((one) => one.key === MODEL);
        if (!model) throw new Error("no model of faces is shipped");
        await this.come(model);
      } catch {
        this.standIn(); // nothing is amiss for whoever looks: drawn data is shown
      } finally {
        clearTimeout(late);
        this.drawOne().catch(() => { /* faces stand in */ });
      }
    }

    async come(model) {
      const { version = model.step } = model;
      const address = `explore/walk.png?model=${encodeURIComponent(model.key)}&frames=${FRAMES}&stops=${STOPS}&v=${version}`;
      const [{ bitmap }, facts] = await Promise.all([bitmapOf(address), pg.api("explore/open", { model: model.key })]);
      this.walk = { bitmap, columns: 8, tile: bitmap.width / 8, count: FRAMES, facts };
      this.root.classList.add("alive");
      this.note.textContent = NOTES.alive;
      this.tiles.forEach((tile, at) => {
        tile.button.disabled = false;
        tile.button.setAttribute("aria-label", `Face ${at + 1}: open it in Explore`);
      });
      this.wake();
    }

    // The recipe of a frame of the walk: the server goes from seed to seed on the arc between them, resting at each.
    recipe(frame) {
      const { facts } = this.walk;
      const stop = Math.floor(frame / this.pace), share = frame / this.pace - stop;
      const point = (seed) => ({ seed, label: facts.classes.length ? seed % facts.classes.length : null, codes: null });
      const way = share ? { b: point((stop + 1) % STOPS), t: share * share * (3 - 2 * share), path: "spherical" } : {};
      return { ...facts.recipe, space: "z", a: point(stop), ...way };
    }

    explore(tile) {
      pg.explore.open(this.recipe(Math.round(this.place(tile)) % this.walk.count));
    }

    // The picture of the second way in: a drawing and what a translator makes of it.
    async drawOne() {
      const { models } = await pg.api("sketch/models");
      const pair = (model) => model.kind === "shipped" && model.thumb;
      const model = models.find((one) => pair(one) && one.sides[0]?.channels === 1) || models.find(pair);
      if (!model) return;
      const { bitmap } = await bitmapOf(model.thumb);
      this.pair = { bitmap, columns: 2, tile: bitmap.width / 2, count: 2 };
      this.paint();
    }

    // Drawn data, as long as there is no model, or until it is there.
    async standIn() {
      if (this.walk || this.data) return;
      this.data = true;
      try {
        const { bitmap } = await bitmapOf(DATA.address);
        if (this.walk) return;
        this.sheet = { bitmap, columns: DATA.columns, tile: bitmap.width / DATA.columns, count: 2 * DATA.columns };
        this.note.textContent = NOTES.data;
        this.paint();
      } catch { /* the tiles stay empty */ }
    }

    get pace() {
      return this.walk.count / STOPS; // frames from one seed to the next
    }

    // Where on the walk a tile is: a frame's number, with a fraction between two.
    place(tile, moving = false) {
      if (tile.held !== null && !moving) return tile.held;
      const at = (tile.start + this.clock / SECONDS) * this.pace;
      return ((at % this.walk.count) + this.walk.count) % this.walk.count;
    }

    paint() {
      if (!pg.shown(this.mosaic)) return;
      if (this.pair) this.drawn.forEach((canvas, at) => draw(canvas, this.pair, at));
      if (!this.walk) {
        if (!this.sheet) return;
        this.tiles.forEach((tile, at) => draw(tile.canvas, this.sheet, at));
        [...this.slide.faces, ...(this.pair ? [] : this.drawn)].forEach((canvas, at) => draw(canvas, this.sheet, 12 + at));
        return;
      }
      for (const tile of this.tiles) draw(tile.canvas, this.walk, this.place(tile));
      const [from, between, to] = this.slide.faces;
      const share = this.slide.at ?? 0.5 - 0.5 * Math.cos(this.clock * 0.7);
      draw(from, this.walk, 0);
      draw(to, this.walk, this.pace % this.walk.count);
      draw(between, this.walk, share * this.pace);
      this.slide.knob.style.left = `${share * 100}%`;
      if (!this.pair) this.drawn.forEach((canvas, at) => draw(canvas, this.walk, this.pace * (at + 2)));
    }

    // --- moving

    get moves() {
      return Boolean(this.walk) && !this.paused && !this.still.matches && !document.hidden && this.visible && pg.shown(this.mosaic);
    }

    wake() {
      this.toggle.hidden = !this.walk || this.still.matches;
      const word = this.paused ? "Let the faces move" : "Hold the faces still";
      if (this.toggle.title !== word) {
        this.toggle.title = word;
        this.toggle.setAttribute("aria-label", word);
        this.toggle.replaceChildren(pg.icon(this.paused ? "play" : "pause"));
      }
      this.paint();
      if (!this.moves || this.running) return;
      this.running = true;
      let last = null;
      const turn = (now) => {
        if (!this.moves) { this.running = false; return; }
        if (last === null || now - last >= BETWEEN) {
          this.clock += last === null ? 0 : Math.min(now - last, 200) / 1000;
          last = now;
          this.paint();
        }
        requestAnimationFrame(turn);
      };
      requestAnimationFrame(turn);
    }
  }
})();
