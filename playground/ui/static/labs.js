// The shell of the Lab tab: a row of views, each drawn by a file of its own (lab-*.js), and the parts that they share.
//
// A view registers itself with pg.labs.add({id, title, order, hint, build(root) -> {show(), hide()}}). It is built on
// its first visit; `hide` is called when it, the tab or the whole page can't be seen, and `show` when it is seen again:
// nothing is asked and nothing moves in between. #lab?view=race opens a view.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;
  const STORE = "gan-playground-lab";
  const views = [];
  const labs = (pg.labs = {});
  let shell = null;

  labs.add = (view) => {
    views.push(view);
    views.sort((a, b) => a.order - b.order);
    shell?.drawNav();
  };

  pg.mountLab = (element) => { shell = new Shell(element.querySelector(".pg-labs")); };

  class Shell {
    constructor(root) {
      this.root = root;
      this.built = new Map(); // id -> {root, view}
      this.present = null; // the id of the view that is chosen
      this.awake = null; // the view that is being shown and knows it
      this.seen = false;
      this.nav = el("nav.pg-lab-nav", { "aria-label": "Labs" });
      this.hint = el("p.pg-lab-hint");
      this.place = el("div.pg-lab-place");
      root.replaceChildren(el("header.pg-lab-head", {}, el("h2", {}, "Lab"), this.nav, this.hint), this.place);
      this.drawNav();
      bubble(root);
      let kept = null;
      try { kept = sessionStorage.getItem(STORE); } catch { /* storage is closed to us */ }
      this.choose(this.asked() || kept, false);
      window.addEventListener("hashchange", () => { const asked = this.asked(); if (asked) this.choose(asked, false); });
      document.addEventListener("visibilitychange", () => this.wake());
      new IntersectionObserver((entries) => { this.seen = entries.at(-1).isIntersecting; this.wake(); }).observe(root);
    }

    asked() {
      const { name, query } = pg.place();
      return name === "lab" ? query.get("view") : null;
    }

    drawNav() {
      this.nav.replaceChildren(...views.map((view) => el("button", { type: "button", "data-view": view.id, "aria-current": view.id === this.present ? "page" : null, onclick: () => this.choose(view.id, true) }, view.title)));
    }

    choose(id, noted) {
      const view = views.find((one) => one.id === id) || views[0];
      if (!view) return;
      if (noted) history.replaceState(null, "", `#lab?view=${view.id}`);
      try { sessionStorage.setItem(STORE, view.id); } catch { /* then a reload opens the first view */ }
      if (view.id === this.present) return;
      this.present = view.id;
      this.drawNav();
      const words = view.hint.split(/(Try first:)/).filter(Boolean);
      this.hint.replaceChildren(...words.map((part) => (part === "Try first:" ? el("b", {}, part) : part)));
      if (!this.built.has(view.id)) {
        const root = el(`section.pg-lab-view.pg-lab-${view.id}`, { "aria-label": view.title });
        this.place.append(root);
        this.built.set(view.id, { root, view: view.build(root) || {} });
      }
      for (const [name, { root }] of this.built) root.hidden = name !== view.id;
      this.wake();
    }

    wake() {
      const wanted = this.seen && !document.hidden ? this.built.get(this.present)?.view || null : null;
      if (wanted === this.awake) return;
      this.awake?.hide?.();
      this.awake = wanted;
      this.awake?.show?.();
    }
  }

  // --- explanations: whatever has data-tip says it when pointed at, focused or tapped

  const bubble = (root) => {
    const node = el("div.pg-lab-bubble", { role: "tooltip", hidden: true });
    document.querySelector(".gradio-container").append(node);
    let owner = null, dismissed = null, timer = 0;
    const hide = () => { clearTimeout(timer); owner = null; node.hidden = true; };
    const show = (target) => {
      if (!target.isConnected) return;
      owner = target;
      node.textContent = target.dataset.tip;
      node.hidden = false;
      const box = target.getBoundingClientRect(), width = node.offsetWidth, height = node.offsetHeight;
      const left = Math.max(8, Math.min(innerWidth - width - 8, box.left + box.width / 2 - width / 2));
      const top = box.top - height - 8 > 4 ? box.top - height - 8 : box.bottom + 8;
      Object.assign(node.style, { left: `${left}px`, top: `${top}px` });
    };
    const over = (event) => event.target.closest?.("[data-tip]");
    root.addEventListener("pointerover", (event) => {
      const target = over(event);
      if (event.pointerType !== "mouse" || (target && target === owner)) return;
      hide();
      if (target === dismissed) return; // pressed just now: its words would only be in the way
      dismissed = null;
      if (target) timer = setTimeout(() => show(target), 250);
    });
    root.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); }); // a finger that lifts leaves, too
    root.addEventListener("focusin", (event) => { const target = over(event); if (target?.matches(":focus-visible")) show(target); });
    root.addEventListener("focusout", (event) => { if (owner && over(event) === owner) hide(); });
    document.addEventListener("pointerdown", (event) => {
      const target = over(event);
      const asks = event.pointerType !== "mouse" && target && root.contains(target) && !target.matches("button") && owner !== target;
      hide();
      if (asks) show(target);
      else dismissed = target;
    });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    window.addEventListener("scroll", hide, { passive: true, capture: true });
  };

  // The words of a label, with an explanation where there is one.
  labs.words = (text, help) => el(`span.pg-lab-words${help ? ".explained" : ""}`, { "data-tip": help || null }, text);

  // --- fields

  let ranges = 0; // sliders made

  // A slider. `log`: equal steps are equal factors (min > 0); with `zero`, its left end means 0. `format` makes the text beside it; `oninput(value)` follows
  // the drag, `onchange(value)` its end.
  labs.slider = ({ label, min, max, step, log = false, zero = false, value, format = pg.short, oninput, onchange, help }) => {
    const STEPS = 240;
    const digits = (number) => +number.toPrecision(2);
    const toPlace = (number) => (!log ? number : zero && number <= 0 ? -6 : (STEPS * Math.log(Math.max(min, number) / min)) / Math.log(max / min));
    const toValue = (place) => {
      if (!log) return +place;
      if (zero && place < 0) return 0;
      const raw = place <= 0 ? min : place >= STEPS ? max : digits(min * (max / min) ** (place / STEPS));
      return step >= 1 ? Math.round(raw) : raw;
    };
    const id = `pg-lab-range-${(ranges += 1)}`; // the label would take the output for its own
    const range = el("input", { type: "range", id, min: log ? (zero ? -6 : 0) : min, max: log ? STEPS : max, step: log ? 1 : step ?? "any", "aria-label": label });
    if (help) range.setAttribute("aria-description", help);
    const output = el("output", { for: id });
    const node = el("label.pg-lab-field", { for: id }, labs.words(label, help), output, range);
    let now = value;
    const say = () => {
      output.textContent = format(now);
      range.setAttribute("aria-valuetext", format(now));
      range.style.setProperty("--share", `${(100 * (range.value - range.min)) / (range.max - range.min || 1)}%`);
    };
    const field = {
      node,
      range,
      get value() { return now; },
      set(next) { now = next; range.value = toPlace(next); say(); },
    };
    range.addEventListener("input", () => { now = toValue(+range.value); say(); oninput?.(now); });
    range.addEventListener("change", () => onchange?.(now));
    field.set(value);
    return field;
  };

  // A choice of one: buttons side by side where `segment`, else a select. `options`: [[value, text, explanation?], …].
  labs.choice = ({ label, options, value, onchange, help, segment = false }) => {
    let now = value, rows = options;
    const keyed = (key) => rows.find(([one]) => String(one) === String(key))?.[0];
    const place = segment ? el("div.pg-segment", { role: "group", "aria-label": label }) : el("select", { "aria-label": label });
    const pick = (next) => { field.set(next); onchange?.(next); };
    const field = {
      get value() { return now; },
      set(next) {
        now = next;
        if (segment) for (const button of place.children) button.setAttribute("aria-pressed", String(button.dataset.value === String(next)));
        else place.value = String(next);
      },
      fill(next) { // other options; the value stays where it is still among them
        rows = next;
        place.replaceChildren(...rows.map(([key, text, tip]) => segment
          ? el("button", { type: "button", "data-value": key, "data-tip": tip, onclick: () => pick(key) }, text)
          : el("option", { value: key, title: tip }, text)));
        field.set(keyed(now) ?? rows[0]?.[0]);
      },
    };
    if (!segment) place.addEventListener("change", () => pick(keyed(place.value)));
    if (help && !segment) place.setAttribute("aria-description", help);
    field.node = el(`${segment ? "div" : "label"}.pg-lab-field${segment ? ".segment" : ""}`, {}, label && labs.words(label, help), place);
    field.fill(rows);
    return field;
  };

  // A switch.
  labs.toggle = ({ label, value, onchange, help }) => {
    const box = el("input", { type: "checkbox" });
    box.checked = Boolean(value);
    box.addEventListener("change", () => onchange?.(box.checked));
    if (help) box.setAttribute("aria-description", help);
    return { node: el("label.pg-lab-toggle", {}, box, labs.words(label, help)), get value() { return box.checked; }, set(next) { box.checked = Boolean(next); } };
  };

  // A number with its name above it and an explanation: {node, set(text)}.
  labs.figure = ({ label, help }) => {
    const value = el("dd", {}, "–");
    const node = el("div.pg-lab-figure", {}, el("dt", {}, labs.words(label, help)), value);
    return { node, set(text) { if (value.textContent !== text) value.textContent = text; } };
  };

  // --- canvases

  // A canvas that follows the width of its place, sharp on any screen; measured in CSS pixels. Its height is the width
  // divided by `ratio`, or `fixed` pixels. `onresize()` is called when it has a size and whenever that changes: what was
  // drawn is then gone. Who changes `ratio` or `fixed` later calls `refit()`.
  labs.canvas = (root, { ratio = 1, fixed = null, label = "" } = {}) => {
    const canvas = el("canvas.pg-lab-canvas", label ? { role: "img", "aria-label": label } : {});
    const one = { canvas, context: canvas.getContext("2d"), width: 0, height: 0, onresize: null, ratio, fixed };
    one.refit = () => {
      const width = Math.round(canvas.clientWidth);
      if (!width) return;
      const height = one.fixed ?? Math.round(width / one.ratio), density = Math.min(3, window.devicePixelRatio || 1);
      if (width === one.width && height === one.height && canvas.width === Math.round(width * density)) return;
      Object.assign(one, { width, height });
      Object.assign(canvas, { width: Math.round(width * density), height: Math.round(height * density) });
      canvas.style.height = `${height}px`;
      one.context.setTransform(density, 0, 0, density, 0, 0);
      one.onresize?.();
    };
    root.append(canvas);
    new ResizeObserver(one.refit).observe(canvas); // tells the first size too
    return one;
  };

  // --- colours: those of app.css as they are now; who draws with them is told when the page turns light or dark

  let colours = null;
  const themed = [];
  const NAMES = ["ink", "muted", "line", "line-strong", "panel", "paper", "sunken", "accent", "accent-ink", "accent-soft", "g", "d", "c3", "c4", "c5", "c6", "c7", "c8", "ok", "warn", "bad", "info"];
  labs.colours = () => {
    if (!colours) {
      const style = getComputedStyle(document.querySelector(".pg-labs") || document.body);
      colours = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--pg-${name}`).trim()]));
      colours.dark = Boolean(document.querySelector(".dark .pg-labs"));
      colours.font = style.fontFamily;
    }
    return colours;
  };
  labs.onTheme = (redraw) => themed.push(redraw);
  const repaint = () => { colours = null; for (const redraw of themed) redraw(); };
  for (const node of [document.documentElement, document.body]) if (node) new MutationObserver(repaint).observe(node, { attributes: true, attributeFilter: ["class"] });
  if (!document.body) document.addEventListener("DOMContentLoaded", () => { new MutationObserver(repaint).observe(document.body, { attributes: true, attributeFilter: ["class"] }); colours = null; });

  // --- numbers from the server: "f32:…" and "u8:…" are base64 of little-endian arrays

  labs.array = (text) => {
    if (typeof text !== "string") return text ?? null;
    const at = text.indexOf(":"), kind = text.slice(0, at);
    const raw = atob(text.slice(at + 1)), bytes = new Uint8Array(raw.length);
    for (let one = 0; one < raw.length; one++) bytes[one] = raw.charCodeAt(one);
    if (kind === "u8") return bytes;
    if (kind === "f32") return new Float32Array(bytes.buffer);
    throw new Error(`unknown kind of array: ${kind}`);
  };
})();
