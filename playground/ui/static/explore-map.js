// The map of Explore: a few hundred seeds laid out by likeness; pointing shows a picture, a click sets A.
"use strict";

(() => {
  const pg = window.playground;
  const { el, parts, recipes } = pg;
  const COUNT = 400;
  const SHEET = 64;
  const REACH = 16; // pixels from a point to the pointer
  const EDGE = 0.05; // of the width, free on each side

  const rgb = (name) => {
    const text = getComputedStyle(document.body).getPropertyValue(name).trim();
    const value = parseInt(text.slice(1), 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  };

  class LatentMap {
    constructor(app, panel) {
      Object.assign(this, { app, key: null, model: null, attribute: "", data: null, at: null, cache: new Map(), tiles: [] });
      this.method = parts.segment("Layout", [["pca", "PCA", "The two directions in which the latents vary most"], ["tsne", "t-SNE", "Neighbours stay neighbours; far distances mean little"]], "pca", () => this.load());
      this.colourBox = el("div");
      this.pictures = parts.check("as pictures", false, (on) => { if (on) this.loadTiles(); this.draw(); }, "Draw the pictures themselves instead of dots");
      this.canvas = el("canvas.pgx-map", { tabindex: 0, role: "application", "aria-label": "Map of seeds: arrow keys go from one to the next, Enter sets A, Shift-Enter sets B" });
      this.peek = el("div.pgx-peek", { hidden: true, "aria-hidden": "true" }, (this.preview = el("canvas", { width: 16, height: 16 })), (this.peekText = el("span")));
      this.status = el("p.pgx-said", { role: "status" });
      this.legend = el("div.pgx-legend");
      this.note = el("div");
      panel.body.append(parts.hint("Each dot is a seed; near dots are alike. Point at one to see it, click to make it A, Shift-click for B."),
        el("div.pgx-row.wrap", {}, parts.field("Layout", this.method.node), this.colourBox, this.pictures.node), this.note, el("div.pgx-map-box", {}, this.canvas, this.peek), this.legend, this.status);
      this.canvas.addEventListener("pointermove", (event) => this.point(this.nearest(event.offsetX, event.offsetY)));
      this.canvas.addEventListener("pointerleave", () => this.point(null));
      this.canvas.addEventListener("click", (event) => { this.point(this.nearest(event.offsetX, event.offsetY)); this.choose(event.shiftKey || event.altKey); });
      this.canvas.addEventListener("keydown", (event) => this.keys(event));
      this.canvas.addEventListener("blur", () => this.point(null));
      new ResizeObserver(() => this.draw()).observe(this.canvas);
      new MutationObserver(() => this.draw()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    }

    get layout() {
      return this.method.node.querySelector('[aria-pressed="true"]').dataset.value;
    }

    async load() {
      const { app, attribute } = this, wanted = `${app.info.key}|${this.layout}|${attribute}`;
      this.key = wanted;
      this.note.replaceChildren();
      if (!this.cache.has(wanted)) {
        this.note.replaceChildren(parts.busy(this.layout === "tsne" ? "Laying out 400 seeds; t-SNE takes some seconds." : "Laying out 400 seeds."));
        try {
          this.cache.set(wanted, await pg.api("explore/map", { model: app.info.key, method: this.layout, space: app.info.styled ? "w" : "z", count: COUNT, attribute: attribute || null }));
        } catch (error) {
          if (this.key === wanted) this.note.replaceChildren(parts.problem(error.message));
          return;
        }
        if (this.key !== wanted) return;
        this.note.replaceChildren();
      }
      this.take(this.cache.get(wanted));
    }

    take(data) {
      const same = this.data && recipes.same(this.data.seeds, data.seeds) && this.tilesOf === this.app.info.key;
      const unit = (values) => { const low = Math.min(...values), high = Math.max(...values); return values.map((value) => (value - low) / (high - low || 1)); };
      const x = unit(data.x), y = unit(data.y);
      this.data = { ...data, places: data.seeds.map((_, at) => [x[at], 1 - y[at]]) };
      this.at = null;
      if (!same) this.tiles = [];
      this.paintLegend();
      this.draw();
      if (this.pictures.node.firstChild.checked) this.loadTiles();
    }

    // --- colours: classes have their own, other values go from blue to vermilion

    get classes() {
      return this.data.labels && !this.attribute ? this.app.info.classes : null;
    }

    colours() {
      const { colour, seeds } = this.data;
      if (!colour?.length) return seeds.map(() => pg.palette(1));
      if (this.classes) return this.data.labels.map((value) => pg.palette(value));
      const low = Math.min(...colour), high = Math.max(...colour), from = rgb("--pg-d"), to = rgb("--pg-g"), middle = rgb("--pg-line-strong");
      return colour.map((value) => {
        const share = (value - low) / (high - low || 1), [one, other, part] = share < 0.5 ? [from, middle, share * 2] : [middle, to, share * 2 - 1];
        return `rgb(${one.map((start, channel) => Math.round(start + (other[channel] - start) * part)).join(",")})`;
      });
    }

    paintLegend() {
      const { colour_name: name } = this.data, { classes } = this;
      if (classes) this.legend.replaceChildren(...classes.map((text, at) => el("span", {}, el("i", { style: `background:${pg.palette(at)}` }), text)));
      else this.legend.replaceChildren(...(name ? [el("span", {}, "little"), el("span.pgx-ramp", { "aria-hidden": "true" }), el("span", {}, `much ${parts.words(name).toLowerCase()}`)] : []));
    }

    // --- drawing

    place(at) {
      const [x, y] = this.data.places[at], width = this.canvas.clientWidth, inner = 1 - 2 * EDGE;
      return [(EDGE + x * inner) * width, (EDGE + y * inner) * width];
    }

    draw() {
      const { canvas, data } = this, width = canvas.clientWidth;
      if (!data || !width) return;
      const scale = window.devicePixelRatio || 1;
      Object.assign(canvas, { width: width * scale, height: width * scale });
      const context = canvas.getContext("2d");
      context.scale(scale, scale);
      const pictures = this.pictures.node.firstChild.checked && this.tiles.length;
      const side = Math.max(18, width / 17);
      const colours = this.colours();
      data.seeds.forEach((_, at) => {
        const [x, y] = this.place(at), tile = pictures && this.tiles[at];
        if (tile) {
          const { sheet, index } = tile;
          context.drawImage(sheet.bitmap, (index % sheet.columns) * sheet.tile, Math.floor(index / sheet.columns) * sheet.tile, sheet.tile, sheet.tile, x - side / 2, y - side / 2, side, side);
          return;
        }
        context.beginPath();
        context.arc(x, y, 3.6, 0, 7);
        context.fillStyle = colours[at];
        context.globalAlpha = 0.85;
        context.fill();
        context.globalAlpha = 1;
      });
      const { a, b } = this.app.recipe, style = getComputedStyle(document.body);
      data.seeds.forEach((seed, at) => {
        const letter = [seed === a.seed && "A", seed === b?.seed && "B"].filter(Boolean).join("");
        if (letter || at === this.at) this.ring(context, at, letter, style, pictures ? side * 0.62 : 9);
      });
    }

    ring(context, at, letter, style, radius) {
      const [x, y] = this.place(at);
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.lineWidth = 2.5;
      context.strokeStyle = style.getPropertyValue(letter ? "--pg-accent" : "--pg-ink");
      context.stroke();
      if (!letter) return;
      context.font = "600 13px sans-serif";
      context.fillStyle = style.getPropertyValue("--pg-accent-ink");
      context.fillText(letter, x + radius + 3, y + 4);
    }

    // The pictures come sheet by sheet; what is there is drawn.
    async loadTiles() {
      if (this.tiles.length || !this.data) return;
      const { seeds } = this.data, { app } = this, tiles = (this.tiles = []);
      this.tilesOf = app.info.key;
      await pg.act(async () => {
        for (let from = 0; from < seeds.length; from += SHEET) {
          const part = seeds.slice(from, from + SHEET);
          const sheet = await pg.sheet(part.map((_, index) => this.recipe(from + index)));
          if (this.tiles !== tiles) return;
          part.forEach((_, index) => tiles.push({ sheet, index }));
          this.draw();
        }
      });
    }

    // --- pointing

    // A point has the class that the map was made with.
    pointOf(at) {
      const { seeds, labels } = this.data;
      return labels ? { seed: seeds[at], label: labels[at], codes: null } : recipes.seed(seeds[at], this.app.recipe.a);
    }

    recipe(at) {
      return recipes.alone(this.app.recipe, this.pointOf(at));
    }

    nearest(x, y) {
      let best = null, least = REACH * REACH;
      this.data?.seeds.forEach((_, at) => {
        const [px, py] = this.place(at), far = (px - x) ** 2 + (py - y) ** 2;
        if (far < least) [best, least] = [at, far];
      });
      return best;
    }

    point(at) {
      if (at === this.at) return;
      this.at = at;
      this.canvas.classList.toggle("pointing", at !== null);
      this.peek.hidden = at === null;
      this.draw();
      if (at === null) return;
      const [x, y] = this.place(at), seed = this.data.seeds[at], width = this.canvas.clientWidth;
      this.peek.style.left = `${x > width / 2 ? x - 128 : x + 16}px`;
      this.peek.style.top = `${Math.max(4, Math.min(width - 136, y - 60))}px`;
      this.peekText.textContent = `seed ${seed}`;
      pg.frame(this.recipe(at), this.preview, { smooth: this.app.ui.smooth }).catch(() => {});
    }

    choose(second) {
      if (this.at === null) return;
      const which = second ? "b" : "a", seed = this.data.seeds[this.at];
      this.app.setPoint(which, this.pointOf(this.at));
      this.status.textContent = `Seed ${seed} is ${which.toUpperCase()}.`;
    }

    keys(event) {
      if (!this.data) return;
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        this.choose(event.shiftKey);
        return;
      }
      const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const start = this.at === null ? Math.max(0, this.data.seeds.indexOf(this.app.recipe.a.seed)) : this.at;
      if (this.at === null) { this.point(start); return; }
      const [x, y] = this.place(start);
      let best = start, least = Infinity;
      this.data.seeds.forEach((_, at) => {
        const [px, py] = this.place(at), ahead = (px - x) * way[0] + (py - y) * way[1], aside = Math.abs((px - x) * way[1] + (py - y) * way[0]);
        if (at !== start && ahead > 0.5 && aside <= 2 * ahead && ahead + 2 * aside < least) [best, least] = [at, ahead + 2 * aside];
      });
      this.point(best);
      this.status.textContent = `Seed ${this.data.seeds[best]}`;
    }

    update(info) {
      if (this.model !== info.key) {
        this.model = info.key;
        this.attribute = "";
        this.data = null;
        this.tiles = [];
        const choices = [["", info.classes.length ? "class" : "distance"], ...info.attributes.map(({ name, label }) => [name, label || name])];
        const choice = parts.select("Colour of the dots", choices, "", (name) => { this.attribute = name; this.load(); });
        this.colourBox.replaceChildren(...(choices.length > 1 ? [parts.field("Colour", choice.node)] : []));
        this.load();
      } else {
        this.draw();
      }
    }
  }

  pg.explorePanels.push({
    id: "map", title: "Map", hint: "400 seeds by likeness", side: "first",
    build(app, panel) {
      const map = new LatentMap(app, panel);
      return (recipe, info) => map.update(info);
    },
  });
})();
