// The panels of Explore that everybody meets: the model, start and blend, look, and sliders that change something.
"use strict";

(() => {
  const pg = window.playground;
  const { el, parts, recipes } = pg;
  const panels = (pg.explorePanels = []);
  const KINDS = { live: "learning now", run: "your run", shipped: "built in", upload: "your upload" };

  // Few classes are chips, many a list.
  const classPicker = (label, classes, onpick) => {
    const choices = classes.map((name, at) => [String(at), name]);
    const control = (classes.length <= 12 ? parts.chips : parts.select)(label, choices, "0", (key) => onpick(+key));
    return { node: control.node, set: (value) => control.set(Array.isArray(value) ? "" : String(value ?? 0)) }; // a mixture is none of them
  };

  // ------------------------------------------------------------------------------------------------------------------
  // 1. The model

  panels.push({
    id: "model", title: "Model", hint: "whose pictures", side: "first", open: true,
    build(app, panel) {
      const list = el("div.pgx-models", { role: "group", "aria-label": "Models" });
      const facts = el("p.pgx-hint");
      const file = el("input", { type: "file", accept: ".zip", hidden: true, "aria-label": "Model file" });
      file.addEventListener("change", () => { if (file.files[0]) app.openModelFile(file.files[0]); file.value = ""; });
      const open = el("button.pgx-plain", { type: "button", onclick: () => file.click() }, "Open a model file…");
      panel.body.append(list, el("div.pgx-row.apart", {}, facts, open), file);
      let drawn = null;

      const card = (model) => {
        const steps = model.step ? `step ${pg.number(model.step)}` : null;
        const about = [model.size && `${model.size} px`, model.styled ? "style-based" : null, model.data].filter(Boolean).join(" · ");
        const state = model.kind === "live" ? el("span.pgx-live", {}, el("i", { "aria-hidden": "true" }), el("span", {}, `learning now, ${steps || "starting"}`)) : el("span", {}, KINDS[model.kind] || model.kind);
        const picture = model.thumb ? el("img", { src: model.thumb, alt: "", loading: "lazy" }) : el("span.pgx-no-thumb", { "aria-hidden": "true" });
        return el("button.pgx-model", { type: "button", "data-model": model.key, "aria-pressed": String(model.key === app.recipe?.model), onclick: () => { if (model.key !== app.recipe?.model) app.open({ model: model.key }); } },
          picture, el("span.pgx-model-text", {}, el("b", {}, model.title), el("small", {}, about), el("small", {}, state)));
      };

      panel.stepped = (step) => {
        const line = list.querySelector(`[aria-pressed="true"] .pgx-live span`);
        if (line && step) line.textContent = `learning now, step ${pg.number(step)}`;
      };

      return (recipe, info) => {
        const key = JSON.stringify([app.models, recipe.model]);
        if (key !== drawn) {
          const focus = document.activeElement?.dataset?.model;
          list.replaceChildren(...app.models.map(card));
          if (focus) list.querySelector(`[data-model="${CSS.escape(focus)}"]`)?.focus();
          drawn = key;
        }
        facts.textContent = info.live ? "The picture and the gallery follow the training." : "";
      };
    },
  });

  // ------------------------------------------------------------------------------------------------------------------
  // 2. Start and blend

  class PointRow {
    constructor(app, which) {
      Object.assign(this, { app, which, key: null });
      const name = which.toUpperCase();
      this.thumb = parts.thumb(`Picture ${name}`);
      this.seed = parts.seed(`Seed of ${name}`, (seed) => app.setPoint(which, recipes.seed(seed, this.point || app.recipe.a)));
      this.said = el("span.pgx-said");
      const dice = parts.tool("dice", `A new seed for ${name}`, () => app.setPoint(which, recipes.seed(recipes.newSeed(), this.point || app.recipe.a)));
      this.clear = which === "b" && parts.tool("close", "No B", () => app.setPoint("b", null));
      this.classes = el("div.pgx-classes");
      this.codes = el("div.pgx-codes");
      this.node = el(`div.pgx-point.${which}`, {}, el("b.pgx-letter", {}, name), this.thumb, el("div.pgx-point-main", {}, el("div.pgx-row", {}, this.seed.node, dice, this.clear, this.said), this.classes), this.codes);
    }

    get point() {
      return this.app.recipe[this.which];
    }

    build(info) {
      const { app, which } = this;
      const name = which.toUpperCase();
      this.picker = info.classes.length ? classPicker(`Class of ${name}`, info.classes, (label) => this.alter(null, { label })) : null;
      this.classes.replaceChildren(...(this.picker ? [this.picker.node] : []));
      this.sliders = info.codes ? codeSliders(info.codes, (codes, since) => this.alter(`codes-${which}`, { codes }, since), () => app.seal()) : null;
      this.codes.replaceChildren(...(this.sliders ? [parts.fold(`Codes of ${name}`, this.sliders.node)] : []));
    }

    alter(tag, change, since) {
      const { app, which } = this;
      app.stage.stop();
      app.change(tag, (recipe) => recipes.withPoint(recipe, which, { ...(this.point || recipe.a), ...change }), since);
    }

    update(recipe, info) {
      if (this.key !== info.key) { this.key = info.key; this.build(info); }
      const { point } = this;
      this.node.classList.toggle("none", !point);
      this.seed.set(point?.seed);
      this.said.textContent = !point ? "none yet" : point.seed === undefined ? recipes.describe(point) : "";
      if (this.clear) this.clear.hidden = !point;
      this.classes.hidden = this.codes.hidden = !point;
      if (!point) return;
      this.picker?.set(point.label);
      if (point.codes) this.sliders?.set(point.codes); else this.findCodes(point);
    }

    // A seed brings codes of its own, which the server knows.
    async findCodes(point) {
      if (!this.sliders || this.asked === point) return;
      this.asked = point;
      this.sliders.set(null);
      try {
        const { recipe } = await pg.api("explore/bake", { recipe: recipes.alone(this.app.recipe, point) });
        if (this.point === point) this.sliders.set(recipe.a.codes);
      } catch { /* the large picture says what is wrong */ }
    }
  }

  // Codes that the model was trained with: for each categorical one a choice, for each continuous one a slider.
  const codeSliders = ({ categorical, continuous }, onchange, onseal) => {
    const total = categorical.reduce((sum, count) => sum + count, 0) + continuous;
    let values = new Array(total).fill(0);
    const rows = [], setters = [];
    let at = 0;
    categorical.forEach((count, number) => {
      const from = at;
      const chips = parts.chips(`Category ${number + 1}`, Array.from({ length: count }, (_, k) => [String(k), String(k + 1)]), "", (key) => {
        values = values.map((value, place) => (place >= from && place < from + count ? +(place - from === +key) : value));
        onchange(values, performance.now());
        onseal();
      });
      rows.push(parts.field(categorical.length > 1 ? `Category ${number + 1}` : "Category", chips.node, "A choice that the model made up by itself"));
      setters.push(() => chips.set(String(values.slice(from, from + count).indexOf(1))));
      at += count;
    });
    for (let number = 0; number < continuous; number++) {
      const place = at++;
      const slider = parts.slider({ label: `Code ${number + 1}`, min: -2, max: 2, step: 0.02, value: 0, neutral: 0, format: (value) => value.toFixed(2), onseal,
        oninput: (value, since) => { values = values.map((old, where) => (where === place ? value : old)); onchange(values, since); } });
      rows.push(slider.node);
      setters.push(() => slider.set(values[place]));
    }
    const set = (codes) => {
      values = codes && codes.length === total ? [...codes] : startCodes(categorical, continuous);
      for (const setter of setters) setter();
    };
    return { node: el("div", {}, ...rows), set };
  };
  const startCodes = (categorical, continuous) => [...categorical.flatMap((count) => Array.from({ length: count }, (_, k) => +(k === 0))), ...new Array(continuous).fill(0)];

  panels.push({
    id: "blend", title: "Start and blend", hint: "one picture, or the way between two", side: "first", open: true,
    build(app, panel) {
      const a = new PointRow(app, "a"), b = new PointRow(app, "b");
      const blend = parts.slider({ label: "Blend", min: 0, max: 1, step: 0.001, value: 0, neutral: 0, format: (t) => `${Math.round(t * 100)} %`, onseal: () => app.seal(),
        oninput: (t, since) => { app.stage.stop(); app.change("blend", { t, layer_t: null }, since); } });
      blend.node.classList.add("large");
      const ends = el("div.pgx-ends", { "aria-hidden": "true" }, el("span", {}, "A"), el("span", {}, "B"));
      const invite = parts.hint("Shift-click a picture in the gallery to set B, then drag the blend.");
      const path = parts.segment("Path", [["linear", "straight", "Along a straight line"], ["spherical", "arc", "Along an arc that keeps the length: better in z, where points lie on a sphere"]], "linear", (way) => app.change(null, { path: way }));
      const space = parts.segment("Space", [["z", "z", "z: the noise that the model draws from"], ["w", "w", "w: the styles that the model makes of the noise: smoother blends, and layers of their own"]], "z", (key) => app.change(null, (recipe) => recipes.inSpace(recipe, key)));
      const spaceField = parts.field("Space", space.node, "Where the line is drawn: in the noise z, or in the styles w");
      const further = parts.check("beyond A and B", app.ui.further, (on) => { app.ui.further = on; app.updatePanel(panel); app.keep(); }, "Lets the blend run past both ends");
      const swap = parts.button("Swap", () => { app.stage.stop(); app.change(null, (recipe) => ({ ...recipe, a: recipe.b, b: recipe.a, t: 1 - recipe.t })); }, { picture: "swap", kind: "small", hint: "A becomes B" });
      const sum = new Arithmetic(app);
      panel.body.append(a.node, b.node, invite, el("div.pgx-blend", {}, blend.node, ends), el("div.pgx-row.wrap", {}, parts.field("Path", path.node), spaceField, further.node, swap), sum.node);
      const thumbs = new Thumbs(app, [a, b]);
      return (recipe, info) => {
        a.update(recipe, info);
        b.update(recipe, info);
        const two = Boolean(recipe.b);
        invite.hidden = two;
        blend.enable(two);
        blend.bounds(app.ui.further ? -1 : 0, app.ui.further ? 2 : 1);
        blend.set(recipe.t);
        swap.disabled = !two;
        path.set(recipe.path);
        space.set(recipe.space);
        spaceField.hidden = !info.styled;
        for (const button of space.buttons) button.disabled = recipes.bound(recipe) && button.dataset.value === "z";
        sum.update(recipe);
        thumbs.refresh();
      };
    },
  });

  // The small pictures of A and B.
  class Thumbs {
    constructor(app, rows) {
      Object.assign(this, { app, rows, key: null });
      this.refresh = parts.later(140, () => this.load());
    }

    async load() {
      const { app, rows } = this;
      if (!pg.shown(rows[0].node)) return;
      const shown = rows.filter((row) => row.point);
      const wanted = shown.map((row) => recipes.alone(app.recipe, row.point));
      const key = JSON.stringify([wanted, app.info.live && app.step]);
      if (key === this.key) return;
      this.key = key;
      try {
        const sheet = await pg.sheet(wanted);
        shown.forEach((row, at) => pg.paintTile(row.thumb, sheet, at, { smooth: app.ui.smooth }));
      } catch {
        this.key = null; // the large picture says what is wrong
      }
    }
  }

  // A − B + C with groups of seeds: the mean of each group, so that what its pictures share remains.
  class Arithmetic {
    constructor(app) {
      this.app = app;
      this.groups = { start: [], minus: [], plus: [] };
      this.boxes = {};
      const row = (name, sign, text, hint) => {
        const seeds = el("div.pgx-group-seeds");
        const pick = el("button.pgx-plain", { type: "button", title: hint, onclick: () => this.collect(name, text) }, "pick");
        this.boxes[name] = { seeds, pick };
        return el("div.pgx-group", {}, el("b", { "aria-hidden": "true" }, sign), el("span", {}, text), seeds, pick);
      };
      this.node = parts.fold("Add and subtract pictures",
        parts.hint("For example: people with glasses, less people without, plus somebody else. Two or three pictures a group work better than one."),
        row("start", "", "Start from", "Pictures that have it"), row("minus", "−", "Take away", "Pictures alike, without it"), row("plus", "+", "Add", "Pictures that shall get it"),
        el("div.pgx-row", {}, parts.button("Empty the groups", () => { this.groups = { start: [], minus: [], plus: [] }; this.show(); }, { kind: "small" })));
    }

    collect(name, text) {
      const { gallery } = this.app;
      gallery.collect({
        text: `${text}: click pictures.`,
        held: () => this.groups[name],
        pick: (seed) => {
          const group = this.groups[name];
          this.groups[name] = group.includes(seed) ? group.filter((one) => one !== seed) : [...group, seed];
          this.show();
          this.draw();
        },
      });
    }

    show() {
      for (const [name, { seeds }] of Object.entries(this.boxes)) {
        seeds.replaceChildren(...this.groups[name].map((seed) => el("button.pgx-chip", { type: "button", title: "Take it out", "aria-label": `Seed ${seed}: take it out`, onclick: () => { this.groups[name] = this.groups[name].filter((one) => one !== seed); this.show(); this.draw(); } }, String(seed))));
      }
      this.app.gallery.update();
    }

    draw() {
      const { start, minus, plus } = this.groups;
      if (!start.length) return;
      const arithmetic = { plus: [start, plus].filter((group) => group.length), minus: minus.length ? [minus] : [] };
      this.app.setPoint("a", { arithmetic, label: this.app.recipe.a.label ?? null, codes: this.app.recipe.a.codes ?? null });
    }

    // After undo the groups are those of the recipe.
    update(recipe) {
      const sum = recipe.a.arithmetic;
      const same = sum && JSON.stringify(sum.plus.flat()) === JSON.stringify([...this.groups.start, ...this.groups.plus]) && JSON.stringify(sum.minus.flat()) === JSON.stringify(this.groups.minus);
      if (!sum || same) return;
      this.groups = { start: sum.plus[0] || [], plus: sum.plus[1] || [], minus: sum.minus[0] || [] };
      this.show();
    }
  }

  // ------------------------------------------------------------------------------------------------------------------
  // 3. Look

  const spans = (info) => [["all", "all"], ...Object.keys(info.groups || {}).map((name) => [name, name])];
  const spanOf = (info, layers) => (layers ? Object.keys(info.groups || {}).find((name) => recipes.same(info.groups[name], layers)) || "own" : "all");

  panels.push({
    id: "look", title: "Look", hint: "typical or daring", side: "first", open: true,
    build(app, panel) {
      const psi = el("div"), layers = el("div"), noise = el("div");
      panel.body.append(psi, layers, noise);
      let key = null, truncation = null, span = null, grain = null;
      const build = (info) => {
        const styled = info.styled;
        const off = styled ? 1 : 3, usual = info.recipe.truncation ?? off;
        truncation = parts.slider({
          label: "Variety (truncation)", min: styled ? 0 : 0.2, max: styled ? 1.3 : off, step: 0.01, value: usual, neutral: usual, onseal: () => app.seal(),
          hint: styled ? "ψ pulls every picture towards the average one: 0 is the average itself, 1 leaves it alone, more exaggerates" : "How far from the middle the noise may lie: small is typical, large is varied",
          format: (value) => (value === off ? "off" : styled ? `ψ ${value.toFixed(2)}` : value.toFixed(2)),
          oninput: (value, since) => app.change("truncation", { truncation: value === off ? null : value }, since) });
        truncation.off = off;
        psi.replaceChildren(truncation.node);
        span = parts.segment("Layers that truncation acts on", spans(info), "all", (name) => app.change(null, { truncation_layers: name === "all" ? null : info.groups[name] }));
        layers.replaceChildren(parts.field("acts on", span.node, "Coarse layers hold pose and shape, fine ones colour and detail"));
        grain = parts.segment("Noise", [["fixed", "fixed", "Always the same grain"], ["none", "off", "No grain: smoother, less detail"], ["new", "new", "Another grain: hair and dots fall differently"]], "fixed", (name) => app.change(null, { noise: name === "new" ? recipes.newSeed() : name }));
        noise.replaceChildren(parts.field("Noise", grain.node, "The random detail that is added in every layer"));
        layers.hidden = !styled;
        noise.hidden = !info.noisy;
        key = info.key;
      };
      return (recipe, info) => {
        if (key !== info.key) build(info);
        truncation.set(recipe.truncation ?? truncation.off);
        span.set(spanOf(info, recipe.truncation_layers));
        grain.set(typeof recipe.noise === "string" ? recipe.noise : "new");
        layers.hidden = !info.styled || recipe.truncation === null;
      };
    },
  });

  // ------------------------------------------------------------------------------------------------------------------
  // 4. Change something

  const METHODS = {
    gradient: ["classifier", "Directions that a classifier finds: the shortest way to more of something, the rest held"],
    boundary: ["border", "A straight border between pictures with and without; the slider walks across it"],
    pca: ["strongest", "The directions in which the model's pictures vary most (principal components)"],
    "closed-form": ["weights", "Read off the first layers' weights, without drawing a picture (closed-form factorisation)"],
    taught: ["mine", "What you taught with thumbs up and down"],
  };
  const SHARES = { boundary: "How often the border is right", pca: "Its share of all variation", "closed-form": "Its share of what the weights let through" };
  const FIRST = 8; // sliders shown before "show all"
  const LAYERS_HINT = "Which layers it acts on: coarse ones hold pose and shape, fine ones colour and detail";

  // A slider of one direction: strength, layers, and what else it changes.
  class DirectionRow {
    constructor(app, direction) {
      Object.assign(this, { app, direction, name: direction.editName || recipes.editName(direction) });
      const label = parts.words(direction.label || direction.name);
      this.slider = parts.slider({ label, min: -5, max: 5, step: 0.05, value: 0, neutral: 0, format: parts.signed, onseal: () => this.done(),
        oninput: (strength, since) => this.alter(`edit ${this.name}`, { strength }, since) });
      this.slider.input.setAttribute("aria-label", `${label}, strength`);
      const share = Number.isFinite(direction.share) && SHARES[direction.method] ? el("span.pgx-share", { title: SHARES[direction.method] }, parts.percent(direction.share)) : null;
      if (share) this.slider.name.append(share);
      const layered = app.info.styled && direction.space === "w";
      this.layers = layered ? this.layerControls() : null;
      const choose = layered && parts.tool("layers", `Layers of ${label}`, () => { this.layers.node.hidden = !this.layers.node.hidden; choose.setAttribute("aria-expanded", String(!this.layers.node.hidden)); }, { "aria-expanded": "false" });
      if (choose) { choose.title = LAYERS_HINT; this.slider.head.append(choose); }
      this.node = el("div.pgx-direction", { "data-direction": direction.name }, this.slider.node, this.layers?.node, parts.leaks(direction.leakage, direction.attribute, app.info.attributes));
    }

    alter(tag, change, since) {
      const { direction } = this;
      const fresh = { vector: direction.vector, space: direction.space, layers: direction.layers ?? null, strength: 0 };
      this.app.change(tag, (recipe) => recipes.withEdit(recipe, this.name, recipes.findEdit(recipe, this.name) ? change : { ...fresh, ...change }), since);
    }

    // A slider that is back at zero leaves the recipe; that alone is nothing to undo.
    done() {
      this.app.seal();
      const edit = recipes.findEdit(this.app.recipe, this.name);
      if (edit && !edit.strength) { this.app.recipe = recipes.withoutEdit(this.app.recipe, this.name); this.app.stage.update(); this.app.updateLater(); }
    }

    layerControls() {
      const { info } = this.app, last = info.layers - 1;
      const set = (layers, since) => this.alter(`layers ${this.name}`, { layers }, since);
      const chips = parts.segment("Layers", spans(info), "all", (name) => { const layers = name === "all" ? null : info.groups[name]; range.set(layers || [0, last]); set(layers); });
      const range = parts.layerRange(info.layers, info.layer_names, [0, last], (ends, since) => { const layers = ends[0] === 0 && ends[1] === last ? null : ends; chips.set(spanOf(info, layers)); set(layers, since); });
      return { node: el("div.pgx-layers", { hidden: true }, chips.node, range.node), show: (layers) => { chips.set(spanOf(info, layers)); range.set(layers || [0, last]); } };
    }

    update(recipe) {
      const edit = recipes.findEdit(recipe, this.name);
      this.slider.set(edit?.strength ?? 0);
      this.layers?.show(edit ? edit.layers : this.direction.layers ?? null);
      this.node.classList.toggle("moved", Boolean(edit?.strength));
    }
  }

  panels.push({
    id: "change", title: "Change something", hint: "drag a slider", side: "second", open: true,
    mark: (recipe) => String(recipe.edits.filter((edit) => edit.strength).length || ""),
    build(app, panel) {
      const methods = el("div"), list = el("div.pgx-directions"), rest = el("div.pgx-directions"), note = el("div");
      const clear = el("button.pgx-plain", { type: "button", onclick: () => app.change(null, { edits: [] }) }, "All to zero");
      const more = el("button.pgx-plain", { type: "button", onclick: () => { app.ui.all = true; app.updatePanel(panel); app.keep(); } });
      panel.body.append(methods, note, list, rest, el("div.pgx-row.apart", {}, parts.hint("Strengths are in standard deviations of the model's own variation. Double-click a slider to reset it."), clear));
      const cache = new Map(), waiting = new Set();
      let key = null, choice = null, shown = null, rows = [], others = [];

      const available = (info) => {
        const reads = info.attributes.length > 0;
        return Object.keys(METHODS).filter((name) => (reads || !["gradient", "boundary"].includes(name)) && (name !== "taught" || mine().length));
      };
      const mine = () => app.ui.mine[app.info.key] || [];
      const method = (info) => { const names = available(info); return names.includes(app.ui.method) ? app.ui.method : names[0]; };
      const cacheKey = (info, name) => `${info.key}|${name}|${info.styled ? "w" : "z"}`;

      const fetchList = async (info, name) => {
        const at = cacheKey(info, name);
        if (waiting.has(at)) return;
        waiting.add(at);
        note.replaceChildren(parts.busy("Looking for directions in this model. The first time takes a few seconds."));
        try {
          cache.set(at, (await pg.api("explore/directions", { model: info.key, method: name, space: info.styled ? "w" : "z" })).directions);
        } catch (error) {
          cache.set(at, []);
          if (app.info === info && method(info) === name) note.replaceChildren(parts.problem(error.message), parts.button("Try again", () => { cache.delete(at); shown = null; app.updatePanel(panel); }, { kind: "small" }));
          return;
        } finally {
          waiting.delete(at);
        }
        app.updatePanel(panel);
      };

      const buildMethods = (info) => {
        choice = parts.segment("How the directions are found", available(info).map((name) => [name, ...METHODS[name]]), method(info), (name) => { app.ui.method = name; shown = null; app.updatePanel(panel); app.keep(); });
        methods.replaceChildren(choice.node);
      };

      return (recipe, info) => {
        const names = available(info).join();
        if (key !== info.key + names) { key = info.key + names; shown = null; buildMethods(info); }
        const name = method(info);
        choice.set(name);
        const directions = name === "taught" ? mine() : cache.get(cacheKey(info, name));
        if (!directions) { list.replaceChildren(); rows = []; fetchList(info, name); }
        if (directions && shown !== directions) {
          shown = directions;
          if (directions.length) note.replaceChildren();
          rows = directions.map((direction) => new DirectionRow(app, direction));
          list.replaceChildren(...rows.map((row) => row.node), more);
          more.textContent = `Show all ${rows.length}`;
        }
        rows.forEach((row, at) => { row.node.hidden = at >= FIRST && !app.ui.all && !recipes.findEdit(recipe, row.name)?.strength; });
        more.hidden = rows.length <= FIRST || Boolean(app.ui.all);
        // Changes of other methods, or of a link, stay at hand.
        const listed = new Set(rows.map((row) => row.name));
        const foreign = recipe.edits.filter((edit) => !listed.has(edit.name) && (edit.strength || others.some((row) => row.name === edit.name)));
        const foreignKey = foreign.map((edit) => edit.name).join("|");
        if (rest.dataset.key !== foreignKey) {
          rest.dataset.key = foreignKey;
          others = foreign.map((edit) => new DirectionRow(app, { ...edit, editName: edit.name, name: edit.name, label: edit.name, space: edit.space ?? recipe.space }));
          rest.replaceChildren(...(others.length ? [el("h4", {}, "Also in effect"), ...others.map((row) => row.node)] : []));
        }
        for (const row of [...rows, ...others]) row.update(recipe);
        const active = recipe.edits.filter((edit) => edit.strength).length;
        clear.disabled = !active;
      };
    },
  });
})();
