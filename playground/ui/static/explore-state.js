// What Explore remembers: a recipe (the plain object that the server draws), its past and future, and a little of the page.
"use strict";

(() => {
  const pg = window.playground;
  const STORE = "playground-explore";
  const DEEP = 200;
  const PAUSE = 600; // ms: changes of one control that follow closer than this are undone together

  // --- recipes. They are never changed in place, so that the past may share parts with the present.

  const recipes = (pg.recipes = {});
  const same = (recipes.same = (a, b) => JSON.stringify(a) === JSON.stringify(b));
  const plain = { b: null, t: 0, layer_t: null, edits: [] };

  // One point of a recipe without blend and changes: what a thumbnail shows.
  recipes.alone = (recipe, point, keepEdits = false) => ({ ...recipe, ...plain, edits: keepEdits ? recipe.edits : [], a: point, space: spaceFor(recipe.space, point, null) });
  recipes.before = (recipe) => recipes.alone(recipe, recipe.a);

  const inW = (point) => point?.space === "w";
  const spaceFor = (space, a, b) => (inW(a) || inW(b) ? "w" : space);
  recipes.bound = (recipe) => inW(recipe.a) || inW(recipe.b); // a point in w ties the whole recipe to w

  recipes.withPoint = (recipe, which, point) => {
    const next = { ...recipe, [which]: point };
    const space = spaceFor(recipe.space, next.a, next.b);
    if (which === "b" && !point) Object.assign(next, { t: 0, layer_t: null });
    if (which === "b" && point && !recipe.b && !recipe.t) next.t = 0.5;
    return recipes.inSpace(next, space);
  };

  // Changes made in z come before the mapping: a recipe of w has no place for them.
  recipes.inSpace = (recipe, space) => {
    if (recipe.space === space) return recipe;
    const edits = recipe.edits.map((edit) => ({ ...edit, space: edit.space ?? recipe.space })).filter((edit) => space === "z" || edit.space === "w");
    return { ...recipe, space, edits };
  };

  recipes.seed = (seed, like = null) => ({ seed, label: like?.label ?? null, codes: like?.codes ?? null });
  recipes.newSeed = () => Math.floor(Math.random() * 1e6);

  recipes.describe = (point) => {
    if (!point) return "nothing";
    if (point.arithmetic) return "a sum of seeds";
    if (point.vector) return point.name || "a found picture";
    return `seed ${point.seed}`;
  };

  // --- sliders of directions are entries of `edits`, found by name
  recipes.editName = (direction) => `${direction.method}: ${direction.label || direction.name}`.slice(0, 80);
  recipes.findEdit = (recipe, name) => recipe.edits.find((edit) => edit.name === name) || null;
  recipes.withEdit = (recipe, name, change) => {
    const known = recipes.findEdit(recipe, name);
    if (!known) return { ...recipe, edits: [...recipe.edits, { name, layers: null, ...change }] };
    return { ...recipe, edits: recipe.edits.map((edit) => (edit === known ? { ...edit, ...change } : edit)) };
  };
  recipes.withoutEdit = (recipe, name) => ({ ...recipe, edits: recipe.edits.filter((edit) => edit.name !== name) });

  // --- undo and redo

  pg.History = class {
    constructor(past = [], future = []) {
      Object.assign(this, { past, future, tag: null, at: 0, sealed: true });
    }

    // Called before a change: `tag` names the control that moves. One drag, or a quick series, is one step back.
    record(state, tag = null) {
      const now = performance.now();
      const goesOn = tag !== null && tag === this.tag && (!this.sealed || now - this.at < PAUSE);
      Object.assign(this, { tag, at: now, sealed: tag === null });
      this.future = [];
      if (goesOn) return;
      this.past.push(state);
      if (this.past.length > DEEP) this.past.shift();
    }

    // The drag is over.
    seal() {
      Object.assign(this, { sealed: true, at: performance.now() });
    }

    undo(state) {
      return this.move(this.past, this.future, state);
    }

    redo(state) {
      return this.move(this.future, this.past, state);
    }

    move(from, to, state) {
      if (!from.length) return null;
      Object.assign(this, { tag: null, sealed: true });
      to.push(state);
      return from.pop();
    }
  };

  // --- kept for this browser tab. When there is no room for the whole past, its older part goes.

  pg.keepExplore = (state) => {
    let { past, future } = state;
    for (let tries = 0; tries < 8; tries++) {
      try {
        sessionStorage.setItem(STORE, JSON.stringify({ ...state, past, future }));
        return;
      } catch {
        past = past.slice(Math.ceil(past.length / 2));
        future = future.slice(Math.ceil(future.length / 2));
      }
    }
  };

  pg.keptExplore = () => {
    try {
      const kept = JSON.parse(sessionStorage.getItem(STORE));
      return kept?.recipe?.model ? kept : null;
    } catch {
      return null;
    }
  };
})();
