// The Explore tab: one recipe, its picture, and the panels that change it.
"use strict";

(() => {
  const pg = window.playground;
  const { el, parts, recipes } = pg;
  const LIVE = 2000; // ms between pictures of a model that is learning
  const NARROW = "(max-width: 1240px)"; // as in explore.css
  const ONE_COLUMN = ["model", "blend", "change", "look", "steer", "picture", "teach", "map", "bias"];
  const UI = { smooth: true, target: "a", follow: false, page: 0, method: null, further: false, open: {}, mine: {} };

  // What other tabs call: a recipe, or {model: key} for that model's own beginning.
  pg.explore = {
    app: null,
    pending: null,
    open(what) {
      this.pending = what;
      pg.openTab("explore");
      this.app?.takePending();
    },
  };

  pg.mountExplore = (element) => {
    const root = element.querySelector(".pg-explore");
    pg.explore.app?.leave();
    pg.explore.app = new Explore(root);
  };

  class Explore {
    constructor(root) {
      const kept = pg.keptExplore();
      Object.assign(this, { root, recipe: null, info: null, models: [], infos: new Map(), opening: 0, step: null });
      this.ui = { ...UI, ...kept?.ui };
      this.history = new pg.History(kept?.past, kept?.future);
      this.keep = parts.later(400, () => this.recipe && pg.keepExplore({ recipe: this.recipe, past: this.history.past, future: this.history.future, ui: this.ui }));
      this.updateLater = parts.later(60, () => this.updatePanels());
      this.ended = new AbortController();
      this.build();
      this.listen();
      this.start(kept?.recipe);
    }

    leave() {
      this.ended.abort();
      clearInterval(this.timer);
      this.stage.stop();
    }

    // --- the page

    build() {
      this.stage = new pg.ExploreStage(this);
      this.gallery = new pg.ExploreGallery(this);
      this.panels = pg.explorePanels.map((make) => this.panel(make));
      this.sides = { first: el("div.pgx-side"), second: el("div.pgx-side") };
      this.work = el("div.pgx-work", { hidden: true }, el("div.pgx-left", {}, this.stage.node, this.gallery.node), this.sides.first, this.sides.second);
      this.narrow = window.matchMedia(NARROW);
      this.arrange();
      this.empty = el("div.pgx-empty", {}, parts.busy("Looking for models…"));
      this.root.replaceChildren(this.empty, this.work);
    }

    // Two columns where there is room, else one in which what to try first comes first.
    arrange() {
      const of = (side) => this.panels.filter((panel) => panel.side === side);
      const columns = this.narrow.matches ? [ONE_COLUMN.map((id) => this.panels.find((panel) => panel.id === id)), []] : [of("first"), of("second")];
      Object.values(this.sides).forEach((side, at) => { side.replaceChildren(...columns[at].map((panel) => panel.node)); side.hidden = !columns[at].length; });
    }

    panel(make) {
      const { id, title, hint, side, open = false, build, when = () => true, mark = () => "" } = make;
      const fold = parts.panel({ id, title, hint, open: this.ui.open[id] ?? open, ontoggle: (now) => { this.ui.open[id] = now; this.keep(); if (now) this.updatePanel(panel); } });
      const panel = { id, side, when, node: fold.node, body: fold.body, mark: (recipe) => fold.setMark(mark(recipe)), build, update: null };
      return panel;
    }

    updatePanel(panel) {
      if (!this.recipe) return;
      panel.node.hidden = !panel.when(this.info);
      panel.mark(this.recipe);
      if (panel.node.hidden || !panel.node.open) return;
      panel.update ||= panel.build(this, panel);
      panel.update(this.recipe, this.info);
    }

    updatePanels() {
      for (const panel of this.panels) this.updatePanel(panel);
    }

    show(id) {
      const panel = this.panels.find((one) => one.id === id);
      panel.node.open = true;
      this.updatePanel(panel);
      panel.node.scrollIntoView({ behavior: "smooth", block: "nearest" });
      return panel;
    }

    listen() {
      const { signal } = this.ended;
      document.addEventListener("keydown", (event) => this.key(event), { signal });
      document.addEventListener("paste", (event) => this.paste(event), { signal });
      this.narrow.addEventListener("change", () => this.arrange(), { signal });
      window.addEventListener("hashchange", () => this.readAddress(), { signal });
      new IntersectionObserver((entries) => { if (entries.at(-1).isIntersecting && this.started) this.cameBack(); }).observe(this.root);
      this.stage.frame.addEventListener("dragover", (event) => { event.preventDefault(); this.stage.frame.classList.add("over"); });
      this.stage.frame.addEventListener("dragleave", () => this.stage.frame.classList.remove("over"));
      this.stage.frame.addEventListener("drop", (event) => {
        event.preventDefault();
        this.stage.frame.classList.remove("over");
        if (event.dataTransfer.files[0]) this.openFile(event.dataTransfer.files[0]);
      });
      this.timer = setInterval(() => this.tick(), LIVE);
    }

    get visible() {
      return pg.shown(this.root) && !document.hidden;
    }

    key(event) {
      if (!this.visible || !(event.ctrlKey || event.metaKey) || event.altKey) return;
      const writing = event.target.matches?.("input:not([type=range]):not([type=checkbox]), textarea, select");
      const key = event.key.toLowerCase();
      if (writing || !["z", "y"].includes(key)) return;
      event.preventDefault();
      if (key === "y" || event.shiftKey) this.redo(); else this.undo();
    }

    paste(event) {
      const file = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
      if (this.visible && this.recipe && file) this.openFile(file);
    }

    // A picture is found in the model, a recipe is drawn, a zip is a model.
    openFile(file) {
      if (/\.json$/i.test(file.name)) return this.openRecipeFile(file);
      if (/\.zip$/i.test(file.name)) return this.openModelFile(file);
      if (this.info) this.show("picture").take(file);
      return null;
    }

    openRecipeFile(file) {
      return pg.act(async () => {
        let recipe;
        try {
          recipe = JSON.parse(await file.text());
        } catch {
          throw new Error(`${file.name} is not a recipe: it is not JSON.`);
        }
        const { link } = await pg.api("explore/link", { recipe }); // says what is wrong with it
        await this.openLink(link.split("r=")[1]);
      });
    }

    openModelFile(file) {
      return pg.act(async () => {
        const form = new FormData();
        form.append("file", file);
        pg.toast(`Opening ${file.name}…`);
        const { key } = await (await pg.fetchFile("explore/upload_model", form, { type: null })).json();
        await this.loadModels();
        await this.open({ model: key });
      });
    }

    // --- models

    async start(kept) {
      await this.loadModels();
      this.started = true;
      if (this.readAddress() || this.takePending()) return;
      if (kept && this.models.some((model) => model.key === kept.model) && (await this.open(kept, { quiet: true }))) return;
      await this.openFirst();
    }

    // A newcomer sees a style-based model, where there is one: it has the most to play with. If it is damaged, another.
    async openFirst() {
      const inOrder = [...this.models].sort((one, other) => Boolean(other.styled) - Boolean(one.styled));
      for (const model of inOrder) if (await this.open({ model: model.key }, { quiet: true })) return;
    }


    async loadModels() {
      try {
        this.models = (await pg.api("explore/models")).models;
      } catch (error) {
        if (!this.recipe) this.empty.replaceChildren(parts.problem(error.message));
        return;
      }
      if (!this.models.length && !this.recipe) this.showEmpty();
      const now = this.models.find((model) => model.key === this.recipe?.model);
      if (now && this.info) this.info.live = now.kind === "live";
      this.updatePanel(this.panels.find((panel) => panel.id === "model"));
    }

    showEmpty() {
      const file = el("input", { type: "file", accept: ".zip", hidden: true, "aria-label": "Model file" });
      file.addEventListener("change", () => { if (file.files[0]) this.openModelFile(file.files[0]); });
      this.empty.replaceChildren(
        el("div.pgx-empty-art", { "aria-hidden": "true" }, ...Array.from({ length: 12 }, () => el("i"))),
        el("h3", {}, "There is no model to explore yet"),
        el("p", {}, "Train one, and it opens here while it learns: every picture it can draw, to blend, steer and change. Or open a model that was saved before."),
        el("div.pgx-actions", {}, el("a.pgx-button.primary", { href: "#train", "data-open-tab": "train" }, "Train a model"), parts.button("Open a model file", () => file.click()), file));
    }

    async infoOf(key) {
      if (!this.infos.has(key)) this.infos.set(key, await pg.api("explore/open", { model: key }));
      return this.infos.get(key);
    }

    takePending() {
      const what = pg.explore.pending;
      if (!what || !this.started) return false;
      pg.explore.pending = null;
      this.open(what);
      return true;
    }

    readAddress() {
      const { name, query } = pg.place();
      if (name !== "explore" || !query.get("r") || !this.started) return false;
      history.replaceState(null, "", "#explore");
      pg.act(() => this.openLink(query.get("r")));
      return true;
    }

    async openLink(r) {
      const { recipe } = await pg.api("explore/unlink", { r });
      await this.open(recipe);
    }

    // Shows a recipe, or a model's own beginning; `quiet`: not something to undo.
    async open(what, { quiet = false } = {}) {
      const turn = ++this.opening;
      this.stage.stop();
      this.stage.frame.classList.add("waiting");
      try {
        const info = await this.infoOf(what.model);
        if (turn !== this.opening) return true;
        if (this.recipe && !quiet) this.history.record(this.recipe);
        this.info = info;
        this.set(what.a ? { ...info.recipe, ...what } : info.recipe);
        this.empty.hidden = true;
        this.work.hidden = false;
        this.gallery.collect(null);
        this.stage.draw();
        return true;
      } catch (error) {
        this.stage.frame.classList.remove("waiting");
        if (this.recipe) pg.toast(error.message, "error");
        else this.empty.replaceChildren(parts.problem(error.message));
        return false;
      }
    }

    // --- the recipe

    set(recipe, since) {
      this.recipe = recipe;
      this.stage.update();
      this.gallery.update();
      this.stage.draw(since);
      this.updatePanels();
      this.keep();
    }

    // A change by the user. `tag` names the control, so that one drag is one step back; `since` is its event's time.
    change(tag, how, since) {
      const next = typeof how === "function" ? how(this.recipe) : { ...this.recipe, ...how };
      if (next === this.recipe || recipes.same(next, this.recipe)) return;
      this.history.record(this.recipe, tag);
      this.recipe = next;
      this.stage.draw(since); // first: the rest is drawn while the server works
      this.stage.update();
      this.gallery.update();
      this.updateLater();
      this.keep();
    }

    seal() {
      this.history.seal();
    }

    setPoint(which, point) {
      this.stage.stop();
      this.change(null, (recipe) => recipes.withPoint(recipe, which, point));
    }

    // While it plays: what shows the blend follows, the rest waits until it stops.
    moved() {
      this.stage.update();
      this.updatePanel(this.panels.find((panel) => panel.id === "blend"));
    }

    settle() {
      this.stage.update();
      this.gallery.update();
      this.updatePanels();
      this.keep();
    }

    resetRecipe() {
      return { ...this.info.recipe, a: this.recipe.a, space: recipes.bound({ a: this.recipe.a }) ? "w" : this.info.recipe.space };
    }

    reset() {
      this.stage.stop();
      this.change(null, this.resetRecipe());
    }

    dice() {
      this.setPoint("a", recipes.seed(recipes.newSeed(), this.recipe.a));
    }

    undo() {
      this.goTo(this.recipe && this.history.undo(this.recipe));
    }

    redo() {
      this.goTo(this.recipe && this.history.redo(this.recipe));
    }

    async goTo(recipe) {
      if (!recipe) return;
      this.stage.stop();
      if (recipe.model !== this.recipe.model) {
        await this.open(recipe, { quiet: true });
        return;
      }
      this.set(recipe);
    }

    // --- what the classifier reads in the picture; asked for by panels, once a recipe
    async read() {
      const { recipe } = this;
      if (this.reading?.recipe !== recipe) this.reading = { recipe, promise: pg.api("explore/read", { recipe }) };
      return (await this.reading.promise).attributes;
    }

    // --- a model that is learning

    drawn(step) {
      this.step = step;
      this.panels.find((panel) => panel.id === "model").stepped?.(step);
    }

    tick() {
      if (!this.visible || !this.started) return;
      const turn = (this.ticks = (this.ticks || 0) + 1);
      if (turn % 3 === 0 && (!this.models.length || this.models.some((model) => model.kind === "live"))) this.cameBack();
      if (!this.info?.live || this.stage.playing) return;
      this.stage.draw();
      this.gallery.refresh(true);
    }

    async cameBack() {
      const known = this.models.length;
      this.gallery.refresh();
      await this.loadModels();
      if (!known && !this.recipe && this.models.length) this.openFirst();
    }
  }
})();
