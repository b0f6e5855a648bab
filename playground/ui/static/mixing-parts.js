// What the Mix tab is made of: its icons, the points that it mixes, and the bars with the share of each layer.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;

  const PATHS = {
    dice: "M6 3h12a3 3 0 0 1 3 3v12a3 3 0 0 1-3 3H6a3 3 0 0 1-3-3V6a3 3 0 0 1 3-3zm0 2a1 1 0 0 0-1 1v12a1 1 0 0 0 1 1h12a1 1 0 0 0 1-1V6a1 1 0 0 0-1-1zM8.5 7a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3zm7 7a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3zM12 10.5a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3z",
    plus: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
    upload: "M12 3l5.4 5.4L16 9.8l-3-3V16h-2V6.8l-3 3-1.4-1.4zM5 18h14v2H5z",
    swap: "M7.5 5L3 9.5 7.5 14v-3.5H21v-2H7.5zM16.5 10v3.5H3v2h13.5V19l4.5-4.5z",
    compass: "M12 2a10 10 0 1 1 0 20 10 10 0 0 1 0-20zm0 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm4.6 3.4l-2.8 6.4-6.4 2.8 2.8-6.4z",
    camera: "M9 4h6l1.6 2.5H20a2 2 0 0 1 2 2V18a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V8.5a2 2 0 0 1 2-2h3.4zm3 5a4 4 0 1 0 0 8 4 4 0 0 0 0-8zm0 2a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
    pair: "M4 4h9v9H4zm2 2v5h5V6zM11 15h2v3h5v-5h-3v-2h5v9h-9z",
  };
  const glyph = (name) => {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg"), path = document.createElementNS(space, "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("pg-icon");
    path.setAttribute("d", PATHS[name]);
    path.setAttribute("fill-rule", "evenodd");
    svg.append(path);
    return svg;
  };

  const roll = (most = 10000) => Math.floor(Math.random() * most);
  const percent = (share) => `${Math.round(share * 100)} %`;

  // ------------------------------------------------------------------------------------------------------------------
  // Points: {seed, label, codes}, {vector, space, label, codes, name}, or one that is still on its way:
  // {pending: {share, url, job}, before}. A changed point is a new object; what was drawn is found again by identity.

  const wire = (point) => {
    const kept = {};
    for (const name of ["seed", "vector", "space", "label", "codes", "name"]) if (point[name] !== undefined) kept[name] = point[name];
    return kept;
  };
  const ready = (point) => !point.pending;
  const settled = (points) => points.map((point) => (ready(point) ? point : point.before)).filter(Boolean); // nothing on its way
  const caption = (point, classes) => {
    if (point.pending) return percent(point.pending.share);
    const what = point.vector ? point.name || "picture" : String(point.seed);
    return classes.length && point.label !== null && point.label !== undefined ? `${what} · ${classes[point.label]}` : what;
  };
  const spoken = (point, classes) => (point.pending ? "your picture, being fitted" : point.vector ? caption(point, classes) : `seed ${caption(point, classes)}`);

  // ------------------------------------------------------------------------------------------------------------------
  // The share of each layer, as bars: a click switches a layer, a drag up or down sets its share, a drag to the side
  // paints over several.

  class Shares {
    constructor(changed) {
      this.changed = changed;
      this.values = [];
      this.node = el("div.pg-shares", { role: "group", "aria-label": "Share of the source in each layer" });
      this.node.addEventListener("pointerdown", (event) => this.press(event));
    }

    lay({ layer_names: names, layer_resolutions: sides }) {
      this.names = names;
      this.bars = names.map((name, at) => {
        const bar = el("div.pg-share-bar", { role: "slider", tabindex: 0, "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 1, "aria-label": name, "data-layer": at }, el("i"));
        bar.addEventListener("keydown", (event) => this.key(event, at));
        return bar;
      });
      this.outputs = names.map(() => el("output", { "aria-hidden": "true" }));
      this.node.replaceChildren(...names.map((name, at) => {
        const first = sides[at] !== sides[at - 1];
        return el(`div.pg-share${first && at ? ".apart" : ""}`, {}, this.outputs[at], this.bars[at], el("span", { "aria-hidden": "true" }, first ? sides[at] : ""));
      }));
    }

    show(values) {
      this.values = values.slice();
      values.forEach((value, at) => {
        const bar = this.bars[at];
        bar.firstChild.style.height = `${value * 100}%`;
        bar.classList.toggle("on", value > 0);
        bar.setAttribute("aria-valuenow", value.toFixed(2));
        bar.setAttribute("aria-valuetext", percent(value));
        this.outputs[at].textContent = value === 0 || value === 1 ? String(value) : value.toFixed(2).slice(1);
      });
    }

    set(layers, value, event) {
      const values = this.values.slice();
      for (const at of layers) values[at] = Math.max(0, Math.min(1, value));
      if (values.every((old, at) => old === this.values[at])) return;
      this.show(values);
      this.changed(values, event);
    }

    key(event, at) {
      const value = this.values[at];
      const moves = { ArrowUp: value + 0.05, ArrowDown: value - 0.05, PageUp: value + 0.25, PageDown: value - 0.25, Home: 0, End: 1, " ": value > 0.5 ? 0 : 1, Enter: value > 0.5 ? 0 : 1 };
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        this.bars[at + (event.key === "ArrowRight" ? 1 : -1)]?.focus();
      } else if (event.key in moves) {
        this.set([at], Math.round(moves[event.key] * 100) / 100, event);
      } else {
        return;
      }
      event.preventDefault();
    }

    press(event) {
      const bar = event.target.closest(".pg-share-bar");
      if (!bar || event.button) return;
      event.preventDefault();
      bar.focus({ preventScroll: true });
      const start = +bar.dataset.layer, [x, y] = [event.clientX, event.clientY];
      const before = this.values[start];
      const other = before > 0.5 ? 0 : 1;
      let way = null;
      const move = (moved) => {
        if (way === null && Math.hypot(moved.clientX - x, moved.clientY - y) > 5) way = Math.abs(moved.clientY - y) > Math.abs(moved.clientX - x) ? "up" : "along";
        if (way === "up") {
          const box = bar.getBoundingClientRect();
          const share = (box.bottom - moved.clientY) / box.height;
          this.set([start], share < 0.04 ? 0 : share > 0.96 ? 1 : Math.round(share * 50) / 50, moved);
        } else if (way === "along") {
          const at = this.bars.findIndex((one) => moved.clientX <= one.getBoundingClientRect().right);
          const end = at < 0 ? this.bars.length - 1 : at;
          const [low, high] = [Math.min(start, end), Math.max(start, end)];
          this.set(Array.from({ length: high - low + 1 }, (_, step) => low + step), other, moved);
        }
      };
      const done = (ended) => {
        this.node.removeEventListener("pointermove", move);
        if (way === null && ended.type === "pointerup") this.set([start], other, ended);
      };
      this.node.setPointerCapture(event.pointerId);
      this.node.addEventListener("pointermove", move);
      this.node.addEventListener("pointerup", done, { once: true });
      this.node.addEventListener("pointercancel", done, { once: true });
    }
  }

  const save = (blob, name) => {
    const url = URL.createObjectURL(blob);
    const anchor = el("a", { href: url, download: name.replace(/[^\w.-]+/g, "-") });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  };

  // The picture that is being fitted, with a ring that closes.
  const showRing = (ring, point) => {
    ring.hidden = !point.pending;
    if (!point.pending) return;
    ring.style.setProperty("--share", point.pending.share);
    const picture = `url("${point.pending.url}")`;
    if (ring.dataset.picture !== picture) { ring.dataset.picture = picture; ring.style.backgroundImage = picture; }
  };

  pg.mixParts = { glyph, roll, wire, ready, settled, caption, spoken, Shares, save, showRing };
})();
